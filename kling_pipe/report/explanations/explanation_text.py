"""One id -> a text for the terminal: what it means, an example, what to do."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from kling_pipe.report.explanations.registry import Entry, registry
from kling_pipe.report.explanations.rule_text import Example, RuleExplanation, api_rules

_WIDTH = 100
_LONGEST = 160
_LEVELS = {"error": "Kling would refuse the request", "warn": "a warning: Kling would take the request",
           "media": "checked on local files before anything is sent, on links with `--probe`"}  # fmt: skip
_FIELDS = "The message names the field and what it takes; `kling-pipe operations NAME` shows all fields."
_KEYWORDS = {
    "required": "A field that the operation cannot do without is missing or empty.",
    "type": "A field has a value of another type than the API takes there.",
    "enum": "A field takes one of a few words, and this is none of them.",
    "pattern": "A field's text does not have the form that the API takes there.",
    "minLength": "A field's text is too short.",
    "maxLength": "A field's text is too long, after its templates are filled in.",
    "minimum": "A field's number is too small.",
    "maximum": "A field's number is too large.",
    "minItems": "A list has too few entries.",
    "maxItems": "A list has too many entries.",
}


def known_ids() -> list[str]:
    """Everything that can be explained: the tool's problems, the API's rules, `schema/<keyword>`."""
    return [*registry(), *sorted(api_rules()), *(f"schema/{keyword}" for keyword in _KEYWORDS)]


def explain_text(id: str) -> str:
    """The explanation of one id, in lines of at most 100 characters. KeyError for an id that nobody knows.

    Letters may be small (`kp104`), and a rule's id may leave out its last letter: `OV-11` is all of OV-11a, b, c.
    """
    if id.upper() in registry():
        return _own(registry()[id.upper()])
    keywords = {f"schema/{keyword}".lower(): keyword for keyword in _KEYWORDS}
    if keyword := keywords.get(id.lower()):
        return f"schema/{keyword}\n\n{_KEYWORDS[keyword]}\n{_FIELDS}"
    if rules := _rules(id.lower()):
        return "\n\n".join(map(_rule, rules))
    raise KeyError(id)


def _rules(id: str) -> list[RuleExplanation]:
    whole = {name.lower(): rule for name, rule in sorted(api_rules().items())}
    return [whole[id]] if id in whole else [rule for name, rule in whole.items() if name.rstrip("abcdefg") == id]


def _own(entry: Entry) -> str:
    parts = [f"{entry.id}: {entry.title}", _wrapped(entry.why)]
    if entry.wrong:
        parts.append(f"Wrong:\n\n{textwrap.indent(entry.wrong.rstrip(), '    ')}")
    if entry.right:
        parts.append(f"Right:\n\n{textwrap.indent(entry.right.rstrip(), '    ')}")
    return "\n\n".join([*parts, _wrapped(f"Next: {entry.next}")])


def _rule(rule: RuleExplanation) -> str:
    facts = [
        f"Level:  {rule.level} ({_LEVELS[rule.level]})",
        f"Holds for:  {', '.join(rule.operations)}",
        f"Source:  {rule.source}",
    ]
    return "\n\n".join(
        [
            f"{rule.id}: a rule of the Kling API",
            "\n".join(map(_wrapped, rule.says)),
            *_explained(rule),
            "\n".join(map(_wrapped, facts)),
        ]
    )


def _explained(rule: RuleExplanation) -> Iterator[str]:
    """Why a rule is there, with an example. A new operation's rules have none yet: the data's own hint stays."""
    shown = rule.example
    if shown is None:
        if rule.hint:
            yield _wrapped(f"Next: {rule.hint}")
        return
    refused, mended = (textwrap.indent(fields_text(shown, one), "    ") for one in (shown.refused, shown.mended))
    yield _wrapped(shown.why)
    yield f"{example_title(rule)} ({shown.operation}):\n\n{refused}"
    yield f"Right:\n\n{mended}"
    yield _wrapped(f"Next: {shown.next}")


def example_title(rule: RuleExplanation) -> str:
    """What to call an example that breaks a rule: a warning is not always wrong."""
    return "Warned about" if rule.level == "warn" else "Wrong"


def fields_text(shown: Example, fields: Mapping[str, Any]) -> str:
    """The fields of one example as YAML; facts about a file as a comment beside its field."""
    if shown.file:
        names = {"seconds": "{} s long", "width": "{} px wide", "height": "{} px high"}
        name = shown.file.rpartition("/")[2]
        return f"{name}: ...  # {', '.join(names[fact].format(value) for fact, value in fields.items())}"
    return "\n".join(line for name, value in fields.items() for line in _field(name, value))


def _field(name: str, value: Any) -> Iterator[str]:
    if value is None:
        yield f"# no `{name}`"
        return
    text = f"{name}: {_shown(value)}"
    if len(text) <= _WIDTH - 10 or not isinstance(value, list):
        yield text
        return
    yield f"{name}:"
    yield from (f"  - {_shown(item)}" for item in value)


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) > _LONGEST:
        value = f"{value[:60]}... ({len(value)} characters)"
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="", break_long_words=False, break_on_hyphens=False)
