"""docs/problems.md: the whole registry on one page, and the API's rules in a table."""

from __future__ import annotations

from kling_pipe.report.explanations.explanation_text import example_title, fields_text
from kling_pipe.report.explanations.registry import Entry, registry
from kling_pipe.report.explanations.rule_text import RuleExplanation, api_rules

_TOP = """# Problems

Every problem that kling-pipe reports has an id, and keeps it.
`kling-pipe explain KP302` shows the same text in the terminal.
The examples are parts of a manifest; [the manifest language](manifest.md) has the whole.
This page is generated: `python -m scripts.problem_docs` writes it.
"""
_RULES = """## Rules of the API

These are Kling's own, kept with the operations under `schemas/` and checked before anything is sent.
`error`: Kling would refuse the request.
`warn`: it would take it, and probably not do what is meant.
`media`: measured on local files.
A problem that no rule names has an id such as `schema/enum`: a single field, its type, length or range.

| id | level | what it says | operations | source |
|---|---|---|---|---|
"""


_EXAMPLES = """## Examples

For each rule: why it is there, fields that break it, the same mended, and the next step.
The other fields of the request are sound; `# no ...` is a field that is not written.

"""


def page_text() -> str:
    """The page as the checked-in file has it."""
    listed = "\n".join(f"- [{entry.id}](#{entry.id.lower()}): {entry.title}" for entry in registry().values())
    own = "\n".join(map(_section, registry().values()))
    rows = "\n".join(_row(rule) for _, rule in sorted(api_rules().items()))
    rules = "\n".join(_rule(rule) for _, rule in sorted(api_rules().items()))
    return f"{_TOP}\n{listed}\n\n{own}\n{_RULES}{rows}\n\n{_EXAMPLES}{rules}"


def _section(entry: Entry) -> str:
    # The id alone is the heading, so that links survive a better title.
    parts = [f"## {entry.id}", f"**{entry.title}.**\n{_sentences(entry.why)}"]
    for word, example in (("Wrong", entry.wrong), ("Right", entry.right)):
        if example:
            parts.append(f"{word}:\n\n```yaml\n{example.rstrip()}\n```")
    return "\n\n".join([*parts, f"Next: {entry.next}"]) + "\n"


def _rule(rule: RuleExplanation) -> str:
    shown = rule.example
    if shown is None:
        return f"### {rule.id}\n\n{_escaped(_sentences(' '.join(rule.says)))}\n"
    refused, mended = (f"```yaml\n{fields_text(shown, one)}\n```" for one in (shown.refused, shown.mended))
    return f"""### {rule.id}

{_escaped(_sentences(" ".join(rule.says)))}
{_escaped(_sentences(shown.why))}

{example_title(rule)} (`{shown.operation}`):

{refused}

Right:

{mended}

Next: {_escaped(_sentences(shown.next))}
"""


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


def _sentences(text: str) -> str:
    """One sentence a line, as everywhere in the docs."""
    return text.replace(". ", ".\n")


def _row(rule: RuleExplanation) -> str:
    says = " ".join(rule.says).replace("|", "\\|").replace("<", "&lt;")
    return f"| {rule.id} | {rule.level} | {says} | {', '.join(rule.operations)} | {rule.source.replace('|', '')} |"
