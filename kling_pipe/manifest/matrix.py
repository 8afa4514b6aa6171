"""`matrix:` -> cells. Axes multiply, `from:` brings rows, `include`/`exclude` work as on GitHub Actions."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.manifest.trouble import Path_, Trouble
from kling_pipe.manifest.words import MATRIX
from kling_pipe.slug import slug
from kling_pipe.source import Document, read_document

_LONGEST_SLUG = 48
_MOST_CELLS = 200_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. `axes` name the cell (value as text, in order); `data` is all that `matrix.` offers."""

    axes: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    slug: str = ""


def expand(document: Document, path: Path_, spec: Any, folder: Path, trouble: Trouble) -> list[Cell]:
    """The cells of a recipe; one empty cell when it has no matrix."""
    if spec is None:
        return [Cell()]
    if not isinstance(spec, Mapping) or not spec:
        trouble.add(document, "KP102", path, "`matrix` wants axes", allowed="axis: [value, value]")
        return []
    names, rows = _rows(document, path, spec, folder, trouble)
    axes = _axes(document, path, spec, trouble)
    combos = [row | dict(zip(axes, values, strict=True)) for row in rows for values in itertools.product(*axes.values())]
    names += list(axes)
    combos = _excluded(document, path, spec, names, combos, trouble)
    combos = _included(document, path, spec, names, combos, trouble)
    if len(combos) > _MOST_CELLS:
        trouble.add(document, "KP307", path, f"the matrix has {len(combos):,} cells", allowed=f"{_MOST_CELLS:,}")
        return []
    if not combos and not trouble.errors:
        trouble.add(document, "KP307", path, "the matrix has no cells", hint="Look at `exclude` and at empty axes.")
    return _named(document, path, names, combos, trouble)


def _axes(document: Document, path: Path_, spec: Mapping[str, Any], trouble: Trouble) -> dict[str, list[Any]]:
    axes = {}
    for name, values in spec.items():
        if name in MATRIX:
            continue
        if not isinstance(values, list) or not values:
            trouble.add(document, "KP102", (*path, name), f"axis `{name}` wants a list of values", hint="Write [a, b].")
            continue
        for index, value in enumerate(values):
            if isinstance(value, list) or (isinstance(value, Mapping) and not value):
                trouble.add(document, "KP102", (*path, name, index), f"a value of axis `{name}` cannot be a list")
        axes[str(name)] = values
    return axes


def _rows(document: Document, path: Path_, spec: Mapping[str, Any], folder: Path,
          trouble: Trouble) -> tuple[list[str], list[dict[str, Any]]]:  # fmt: skip
    """Rows of `from:` and the columns among them that are axes (all, unless `axes:` names some)."""
    if "from" not in spec:
        if "axes" in spec:
            trouble.add(document, "KP102", (*path, "axes"), "`axes` goes with `from`", key=True)
        return [], [{}]
    if not isinstance(spec["from"], str):
        trouble.add(document, "KP102", (*path, "from"), "`from` wants the path of a csv, json or yaml file")
        return [], []
    rows = _read_rows(document, (*path, "from"), folder / spec["from"], trouble)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    wanted = spec.get("axes", columns)
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        trouble.add(document, "KP102", (*path, "axes"), "`axes` wants a list of column names")
        return [], []
    for index, name in enumerate(wanted):
        if rows and name not in columns:
            trouble.add(document, "KP304", (*path, "axes", index), f"there is no column `{name}`", allowed=", ".join(columns))
    return [name for name in wanted if name in columns], rows


def _read_rows(document: Document, path: Path_, file: Path, trouble: Trouble) -> list[dict[str, Any]]:
    def refuse(message: str, id: str = "KP303", **facts: Any) -> list[dict[str, Any]]:
        trouble.add(document, id, path, message, **facts)
        return []

    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        return refuse(f"cannot read `{file.name}`: {error.strerror or error}", hint="Paths are relative to the manifest.")
    except UnicodeDecodeError:
        return refuse(f"`{file.name}` is not UTF-8", hint="Save the file as UTF-8.")
    if file.suffix == ".csv":
        return _csv_rows(file.name, text, refuse)
    if file.suffix == ".json":
        try:
            data = json.loads(text)
        except ValueError as error:
            return refuse(f"`{file.name}` is not JSON: {error}")
    elif file.suffix in (".yaml", ".yml"):
        inner = read_document(file, str(Path(document.name).parent / file.name) if document.name else file.name)
        for problem in inner.problems:
            trouble.put(problem)
        data = inner.data
    else:
        return refuse(f"`{file.name}` is no table", allowed=".csv, .json, .yaml")
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        return refuse(f"`{file.name}` wants a list of mappings, one a row") if not trouble.errors else []
    return [{str(name): value for name, value in row.items()} for row in data]


def _csv_rows(name: str, text: str, refuse: Any) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="\0more", strict=True)
    rows = []
    try:
        header = reader.fieldnames or []
        if len(set(header)) < len(header) or not all(column and column.strip() for column in header):
            return list(refuse(f"`{name}`, line 1: a column has no name or stands twice"))
        for row in reader:
            if "\0more" in row or None in row.values():
                return list(refuse(f"`{name}`, line {reader.line_num}: not as many values as columns",
                                   hint="Quote a value that holds a comma."))  # fmt: skip
            if any(value.strip() for value in row.values()):
                rows.append({column.strip(): value for column, value in row.items()})
    except csv.Error as error:
        return list(refuse(f"`{name}`, line {reader.line_num}: {error}"))
    return rows or list(refuse(f"`{name}` has no rows"))


def _matches(combo: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in combo and str(combo[name]) == str(value) for name, value in wanted.items())


def _entries(document: Document, path: Path_, spec: Mapping[str, Any], word: str, trouble: Trouble) -> list[dict[str, Any]]:
    entries = spec.get(word, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        trouble.add(document, "KP102", (*path, word), f"`{word}` wants a list of mappings", hint="Write [{axis: value}].")
        return []
    return entries


def _excluded(document: Document, path: Path_, spec: Mapping[str, Any], names: list[str], combos: list[dict[str, Any]],
              trouble: Trouble) -> list[dict[str, Any]]:  # fmt: skip
    for index, entry in enumerate(_entries(document, path, spec, "exclude", trouble)):
        known = {*names, *(combos[0] if combos else ())}
        for name in entry:
            if name not in known:
                trouble.add(document, "KP304", (*path, "exclude", index, name), f"there is no axis `{name}`", key=True,
                            allowed=", ".join(names))  # fmt: skip
        kept = [combo for combo in combos if not _matches(combo, entry)]
        if len(kept) == len(combos) and not trouble.errors:
            trouble.add(document, "KP305", (*path, "exclude", index), "this excludes no cell", level="warn")
        combos = kept
    return combos


def _included(document: Document, path: Path_, spec: Mapping[str, Any], names: list[str], combos: list[dict[str, Any]],
              trouble: Trouble) -> list[dict[str, Any]]:  # fmt: skip
    """Each entry joins the cells whose axes it does not contradict; one that joins none becomes a cell of its own."""
    extra: list[dict[str, Any]] = []
    for index, entry in enumerate(_entries(document, path, spec, "include", trouble)):
        axes = {name: value for name, value in entry.items() if name in names}
        joined = [combo for combo in combos if _matches(combo, axes)]
        # An entry that names every axis is a new cell unless it stands already; one that names none joins all.
        for combo in joined:
            combo.update(entry)
        if not joined:
            missing = [name for name in names if name not in axes]
            if missing:
                trouble.add(document, "KP304", (*path, "include", index), f"this new cell has no `{missing[0]}`",
                            hint="Name every axis, or values that a cell has.")  # fmt: skip
            extra.append(dict(entry))
    return combos + extra


def _named(document: Document, path: Path_, names: list[str], combos: list[dict[str, Any]], trouble: Trouble) -> list[Cell]:
    cells: dict[str, Cell] = {}
    slugs: dict[str, str] = {}
    for combo in combos:
        axes = {name: _text(combo.get(name)) for name in names}
        parts = [slugs.get(text) or slugs.setdefault(text, _slug(text)) for text in axes.values()]
        slug = "-".join(parts)
        if not all(parts):
            empty = names[parts.index("")]
            trouble.add(document, "KP306", _axis_place(path, combo, empty), f"axis `{empty}` has a value without letters or digits",
                        found=axes[empty], hint="Every value becomes part of an address and a file name.")  # fmt: skip
        elif slug in cells:
            trouble.add(document, "KP306", path, f"two cells of the matrix are both called `@{slug}`",
                        hint="Rename one value, or remove the second row.")  # fmt: skip
        cells[slug] = Cell(axes, combo, slug)
    return list(cells.values())


def _axis_place(path: Path_, combo: Mapping[str, Any], name: str) -> Path_:
    return (*path, name) if name in combo else path


def _text(value: Any) -> str:
    """An axis value as text; a mapping goes by its `id` or `name`, or its first value."""
    if isinstance(value, Mapping):
        value = value.get("id", value.get("name", next(iter(value.values()))))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _slug(text: str) -> str:
    found = slug(text)
    if len(found) <= _LONGEST_SLUG:
        return found
    # Long texts (a prompt as a column) stay usable as names: cut, and kept apart by a digest.
    return f"{found[:_LONGEST_SLUG].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
