"""Lines put into files that a new operation shares with the others. What stands there stays as it is, to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.json_layout import layout
from scripts.operation_options import Wanted
from scripts.operation_skeleton import base, explanation, operation_data, price_row


class NoRoomError(Exception):
    """A file does not look as it did when this was written, so nothing is put into it."""


def edits(root: Path, wanted: Wanted) -> dict[str, str]:
    """The new text of each shared file, by its path in the checkout."""
    changed = {
        "schemas/explanations.json": _explained(_read(root, "schemas/explanations.json"), wanted),
        "mkdocs.yml": with_page(_read(root, "mkdocs.yml"), wanted.name),
        "docs/manifest.md": with_name(_read(root, "docs/manifest.md"), wanted),
        **_goldens(root, wanted),
    }
    if wanted.units is not None:
        changed["schemas/pricing.json"] = with_row(_read(root, "schemas/pricing.json"), price_row(wanted))
    return changed


def _read(root: Path, path: str) -> str:
    return (root / path).read_text(encoding="utf-8")


def _explained(text: str, wanted: Wanted) -> str:
    text = with_member(text, "bases", wanted.name, json.dumps(base(wanted), ensure_ascii=False))
    rows = (f'      "{key}": {json.dumps(value)}' for key, value in explanation(wanted).items())
    return with_member(text, "rules", wanted.rule, "{\n" + ",\n".join(rows) + "\n    }")


def with_member(text: str, section: str, key: str, value: str) -> str:
    """A member put into an object of the outermost one, whose members are sorted and indented by four."""
    found = re.search(rf'^  "{section}": \{{\n(.*?)\n  \}}', text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise NoRoomError(f"no object `{section}` on lines of its own")
    held, member = found[1], f'    "{key}": {value}'
    later = [one.start() for one in re.finditer(r'^    "([^"]+)": ', held, re.MULTILINE) if one[1] > key]
    at = later[0] if later else None
    inner = f"{held},\n{member}" if at is None else f"{held[:at]}{member},\n{held[at:]}"
    return text[: found.start(1)] + inner + text[found.end(1) :]


def with_row(text: str, row: dict[str, Any]) -> str:
    """A row put at the end of the list that ends the file."""
    head, end, tail = text.rpartition("\n  ]\n}")
    if not end:
        raise NoRoomError("no list ends the price table")
    return f"{head},\n    {layout(row, 4)}{end}{tail}"


def with_page(text: str, name: str) -> str:
    """The operation's page put among those of the others, which are sorted and named as their operations."""
    pages = list(re.finditer(r"^      - ([a-z0-9-]+): api/\1\.md\n", text, re.MULTILINE))
    if not pages:
        raise NoRoomError("no pages `api/NAME.md` in the navigation")
    at = next((one.start() for one in pages if one[1] > name), pages[-1].end())
    return f"{text[:at]}      - {name}: api/{name}.md\n{text[at:]}"


def with_name(text: str, wanted: Wanted) -> str:
    """The name put at the end of its kind's row of the table of kinds."""
    changed, times = re.subn(
        rf"^(\| `{wanted.kind}s` \| `[a-z0-9-]+` \| .*`) \|$", rf"\1, `{wanted.name}` |", text, flags=re.MULTILINE
    )
    if times != 1:
        raise NoRoomError(f"no row of `{wanted.kind}s` in the table of kinds")
    return changed


def _goldens(root: Path, wanted: Wanted) -> dict[str, str]:
    """Expected outputs that list what is allowed: every operation of the kind, or every model of the pack."""
    folder = root / "schemas" / "operations"
    known = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    grown = {**known, wanted.name: operation_data(wanted)}
    changed = dict(zip(_lists(known, wanted), _lists(grown, wanted), strict=True))
    found = {}
    for path in _expected_outputs(root):
        text = re.sub(r"allowed: .*\n", lambda line: changed.get(line[0], line[0]), before := _read(root, path))
        found.update({path: text} if text != before else {})
    return found


def _lists(operations: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    """The two lists, as an error has them, for the operations that there are."""
    every = {name: operations[name] for name in sorted(operations)}
    yield _allowed(name for name, data in every.items() if data["x-kling"]["kind"] == wanted.kind)
    pools = ((data["x-kling"]["pool"], data["properties"]) for data in every.values())
    fields = (fields[pool["model"]] for pool, fields in pools if pool["model"] and pool["pack"] == wanted.pack)
    yield _allowed(dict.fromkeys(model for field in fields for model in field.get("enum", ())))


def _allowed(names: Iterable[str]) -> str:
    return f"allowed: {', '.join(names)}\n"


def _expected_outputs(root: Path) -> list[str]:
    cases = root / "tests" / "cases"
    return sorted(one.relative_to(root).as_posix() for end in ("txt", "out") for one in cases.rglob(f"*.{end}"))
