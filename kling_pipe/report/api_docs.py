"""`docs/api/` from `schemas/`: one page for each operation, and an index.

`python -m kling_pipe.report.api_docs [--check]`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kling_pipe.catalog.api_v2 import form as form_there
from kling_pipe.catalog.operations import Operation, operations, table
from kling_pipe.catalog.validation.finding import choices
from kling_pipe.catalog.validation.verbs import verb_of

_BY_HAND = {"conformance.md"}
"""Pages beside ours that people write."""
_NOTICE = "<!-- Generated from schemas/ by `python -m kling_pipe.report.api_docs`. Edit the schemas, not this page. -->"


def pages() -> dict[str, str]:
    """The text of every page by its file name."""
    known = operations()
    return {"index.md": _index(known.values()), **{f"{name}.md": page(one) for name, one in known.items()}}


def page(operation: Operation) -> str:
    """The page of one operation."""
    schema, kling = operation.schema, operation.kling
    sections = [
        _NOTICE,
        f"# {schema['title']} (`{operation.name}`)",
        schema["description"],
        f"{_calls(kling)}{_second(operation)}\nSources: {kling['source']}.\nUp to date: {kling['updated']}.",
        f"```json\n{json.dumps(schema['examples'][0], indent=2, ensure_ascii=False)}\n```",
        "## Fields",
        _table(("Field", "Type", "Values", "Default", "Meaning"), _field_rows(operation.schema, "")),
        *_section("## Models", _model_rows(operation), ("Model", "Can")),
        *_section("## Files", _media_rows(operation), ("Field", "Takes", "Limits")),
        *_section("## Words of a manifest", _word_rows(operation), ("Word", "Becomes")),
        "## Rules",
        "An error stops a request before it is sent; a warning does not.",
        _table(("Rule", "Level", "What it says", "Source"), _rule_rows(operation)),
        "## Result",
        _result(operation),
        "## Price",
        *_prices(operation),
    ]
    return "\n\n".join(sections) + "\n"


_ASKED_BY = {"path": "{task_id or external_task_id}", "list": "{task_id}"}


def _calls(kling: Mapping[str, Any]) -> str:
    """The calls of an operation in order, and how a task is found again."""
    steps = [one for one in kling.get("prepare", ()) if "by_hand" not in one]
    before = [f"`POST {one['path']}`{' for each selection' if 'each' in one else ''}" for one in steps]
    create = f"`{kling['method']} {kling['path']}`"
    if kling["lookup"] == "none":
        return f"{create}; the answer holds the result, and nothing can be asked for later."
    then = f"`GET {kling['path']}/{_ASKED_BY[kling['lookup']]}`"
    told = f"{', then '.join([*before, create, then])}."
    by_hand = [f"`POST {one['path']}`" for one in kling.get("prepare", ()) if "by_hand" in one]
    told += f"\nBy hand also {choices(by_hand, 'and')}." if by_hand else ""
    if kling["lookup"] == "list":
        told += f"\nBy its external id a task is found in `GET {kling['path']}` alone."
    return told


def _second(operation: Operation) -> str:
    """Where it is in the second standard, and which models are."""
    known = form_there(operation.name)
    if known is None:
        return ""
    names = [f"`{model}` as `{row['id']}`" for model, row in known["models"].items()]
    return f"\nIn the [second standard](../howto/second-standard.md): `POST {known['path']}`, {choices(names, 'and')}."


def _index(every: Iterable[Operation]) -> str:
    rows = [(f"[{one.name}]({one.name}.md)", one.kind, f"`{one.path}`", one.schema["description"]) for one in every]
    errors = [
        (str(row["code"]), row["meaning"], _ON_CREATE[row["create"]], row["stops"], row["hint"])
        for row in table("errors")["codes"]
    ]
    return (
        "\n\n".join(
            [
                _NOTICE,
                "# The Kling API, as kling-pipe knows it",
                "What is here comes from the same files that check requests, run the emulator and estimate prices.\n"
                "[Conformance](conformance.md) says how they stand against requests from elsewhere.",
                _table(("Operation", "Makes", "Path", "What it is"), rows),
                "## Error codes",
                _table(("Code", "Meaning", "After a create", "Stops", "What to do"), errors),
            ]
        )
        + "\n"
    )


_ON_CREATE = {
    "accept": "the task exists",
    "fail": "not created",
    "resign": "sign again once",
    "lookup": "look the task up by its external id",
    "back_off": "not created; wait, then again",
    "wait_slot": "not created; wait for a free slot",
}


def _section(title: str, rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> list[str]:
    return [title, _table(head, rows)] if rows else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_cell(text) for text in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(text: str) -> str:
    """Text that Markdown shows as it is: tokens such as <<<image_1>>> become code, unless they are code already."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [re.sub(r"<+[a-z]+_[0-9]+>+", r"`\g<0>`", part) for part in parts[::2]]
    return "`".join(parts)


def _field_rows(schema: Mapping[str, Any], at: str) -> Iterator[tuple[str, ...]]:
    for name, field in schema.get("properties", {}).items():
        place = f"{at}{name}"
        needed = " **(required)**" if name in schema.get("required", ()) else ""
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        yield f"`{place}`{needed}", _type(field), _values(field), default, field["description"]
        yield from _field_rows(field, f"{place}.")
        yield from _field_rows(field.get("items", {}), f"{place}[].")


def _type(field: Mapping[str, Any]) -> str:
    return field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])


def _values(field: Mapping[str, Any]) -> str:
    bounds = [
        (("minItems", "maxItems"), "entries"),
        (("minLength", "maxLength"), "characters"),
        (("minimum", "maximum"), ""),
    ]
    said = [", ".join(f"`{value}`" for value in field["enum"])] if "enum" in field else []
    for (low, high), unit in bounds:
        if high in field:
            said.append(f"{field[low]} to {field[high]} {unit}" if low in field else f"at most {field[high]} {unit}")
    return "; ".join([*said, *([field["x-expected"]] if "x-expected" in field else [])]).strip()


def _model_rows(operation: Operation) -> list[tuple[str, ...]]:
    models = table("capabilities")["operations"].get(operation.name, {})
    return [(f"`{model}`", "; ".join(_ability(*one) for one in able.items())) for model, able in models.items()]


def _ability(field: str, allowed: Any) -> str:
    if isinstance(allowed, bool):
        return f"{'' if allowed else 'no '}`{field}`"
    return f"`{field}` {choices(allowed)}"


def _media_rows(operation: Operation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for media in operation.kling["media"]:
        limits = table("media")["limits"].get(media.get("limits"))
        rows.append((f"`{media['at']}`", _taken(media), _limits(limits) if limits else ""))
    return rows


def _taken(media: Mapping[str, Any]) -> str:
    kind = str(media["kind"])
    if "as" in media or kind in ("element", "voice"):
        return f"id of {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return "URL or base64" if media.get("base64") else "URL"


def _limits(limits: Mapping[str, Any]) -> str:
    said = [choices(limits["formats"])] if "formats" in limits else []
    said += [f"at most {limits['max_megabytes']} MB"] if "max_megabytes" in limits else []
    for name, unit in (("pixels", "px"), ("seconds", "s"), ("fps", "fps"), ("ratio", ": 1")):
        low, high = limits.get(f"min_{name}"), limits.get(f"max_{name}")
        if low is not None:
            said.append(f"{low} to {high} {unit}" if high is not None else f"at least {low} {unit}")
        elif high is not None:
            said.append(f"at most {high} {unit}")
    said += [" or ".join(limits["ratios"])] if "ratios" in limits else []
    said += [f"{model}: at most {own['max_seconds']} s" for model, own in limits.get("by_model", {}).items()]
    return "; ".join([*said, *([limits["advice"]] if "advice" in limits else [])])


def _word_rows(operation: Operation) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (f"`{word}`", _becomes(form, operation)) for word, form in operation.kling["sugar"].items()
    ]
    rows += [
        (f"`{{{{ {kind}.name }}}}`", _becomes(form, operation)) for kind, form in operation.kling["inputs"].items()
    ]
    for pattern, form in operation.kling.get("names", {}).items():
        rows.append((f"names in `{pattern}`", ", ".join(f"{name} = `{id_}`" for name, id_ in form["names"].items())))
    return rows


def _becomes(form: Any, operation: Operation) -> str:
    if form is True:
        shots = operation.kling["shots"]
        sets = (f"`{name}`" if value is True else f"`{name}: {value}`" for name, value in shots["sets"].items())
        return f"{', '.join(sets)}, `{shots['list']}` with numbers, `{shots['sum']}` as the sum"
    if "field" in form:
        return f"the value of `{form['field']}`"
    item = ", ".join(f"{name}: {'the value' if value == '$' else value}" for name, value in form["item"].items())
    dropped = form.get("drops_defaults")
    return f"an entry of `{form['list']}`: {item}" + (
        f"; the defaults {choices(dropped, 'and')} are not sent" if dropped else ""
    )


def _rule_rows(operation: Operation) -> list[tuple[str, ...]]:
    return [(rule["id"], _LEVELS[rule["level"]], _said(rule, operation), rule["source"]) for rule in operation.rules]


# What a rule's sentence says of the value at fault, and of what is right, when there is no request at hand.
_EXAMPLE_WORDS = {
    "refs_within": ("<<<image_3>>>", "there are only 2 images"),
    "mentions": ("image 2 (<<<image_2>>>)", ""),
    "at_most_one": ("one of them", "another"),
    "avoid": ("<<image_1>>", ""),
    "known": ("some_key", ""),
    "coerce": ("5 (number)", "5 (text)"),
}

_LEVELS = {"error": "error", "warn": "warning", "media": "file"}


def _said(rule: Mapping[str, Any], operation: Operation) -> str:
    verb = verb_of(rule)
    if verb == "capability":
        return f"{choices([f'`{field}`' for field in rule[verb]], 'and')} only as far as the model has it: see Models"
    limits = rule[verb].get("max", rule[verb].get("min")) if isinstance(rule[verb], dict) else None
    found, allowed = _EXAMPLE_WORDS.get(verb, ("N", "N"))
    fields = choices([str(one).strip("/") for one in rule[verb]]) if isinstance(rule[verb], list) else ""
    words = {
        "found": found, "allowed": allowed if limits is None else str(limits), "field": fields,
        "model": "the model", "operation": operation.name,
    }  # fmt: skip
    text = str(rule["say"])
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    since = rule.get("since", "")
    return f"{text} (since {since})" if since and since not in text else text


def _result(operation: Operation) -> str:
    result, states = operation.kling["result"], operation.kling["states"]
    where = choices([f"`task_result.{key}`" for key in [result["key"], *result.get("alternatives", ())]])
    what = choices([_outputs(one) for one in [result, *result.get("also", ())]], "and")
    if operation.kling.get("synchronous"):
        return f"The answer to the create holds it.\nOutputs stand in {where}: {what}.\nURLs are gone after 30 days."
    ends = choices([f"`{state}`" for state in [*states["success"], *states["failure"]]])
    return f"A task ends as {ends}.\nOutputs stand in {where}: {what}.\nURLs are gone after 30 days."


def _outputs(result: Mapping[str, Any]) -> str:
    if "id" in result:
        return (
            f"things with a `{result['id']}`" if result["id"][0] not in "aeiou" else f"things with an `{result['id']}`"
        )
    held = "".join(f", `{key}`" for key in result.get("urls", ()))
    return f"{result['media']} as .{result['extension']} files{held}"


def _prices(operation: Operation) -> list[str]:
    pricing = table("pricing")
    rows = [
        (_order(row), _units(row["units"], row), row.get("note", "an old price" if row.get("old") else ""))
        for row in pricing["rows"]
        if operation.name in row["operations"]
    ]
    unit = ", ".join(f"one {pack} unit is ${usd}" for pack, usd in pricing["unit_usd"].items())
    if not rows:
        return [f"As of {pricing['date']}, no price is known."]
    intro = f"As of {pricing['date']}; {unit}.\nThe first row that fits counts; what no row fits has no known price."
    return [intro, _table(("Request", "Units", "Note"), rows)]


def _order(row: Mapping[str, Any]) -> str:
    when = row.get("when", {})
    words = []
    for name, inner in when.get("properties", {}).items():
        values = [inner["const"]] if "const" in inner else inner.get("enum")
        words.append(f"`{name}` {choices(values)}" if values else f"`{name}` with refer_type base")
    words += [f"with `{name}`" for name in when.get("required", ()) if name not in when.get("properties", {})]
    return ", ".join(words) or "any"


def _units(units: Any, row: Mapping[str, Any]) -> str:
    if not isinstance(units, Mapping):
        return f"{units} per {row['per']}"
    return "; ".join(f"{' '.join(key)}: {value}" for key, value in _leaves(units)) + f" per {row['per']}"


def _leaves(units: Mapping[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in units.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key), value


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` say which are not current (exit 1)."""
    folder = Path(__file__).parents[2] / "docs" / "api"
    every = pages()
    stale = [name for name, text in every.items() if not _is_current(folder / name, text)]
    stale += [path.name for path in folder.glob("*.md") if path.name not in every and path.name not in _BY_HAND]
    if "--check" in arguments:
        print("\n".join(f"docs/api/{name} is not current" for name in stale) or "docs/api is current")
        return 1 if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in every.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
