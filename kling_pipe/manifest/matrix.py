"""`matrix:` -> cells. Axes multiply, `from:` brings rows, `include`/`exclude` work as on GitHub Actions."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.core.text import nearest, slug
from kling_pipe.manifest.keywords import MATRIX
from kling_pipe.manifest.problems import Path_, ProblemCollector
from kling_pipe.manifest.references import beside
from kling_pipe.manifest.table_files import Row, read_rows
from kling_pipe.manifest.yaml import Document, Opened
from kling_pipe.model import Level

_LONGEST_SLUG = 48
_MOST_CELLS = 200_000
Combo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. `axes` name the cell (value as text, in order); `data` is all that `matrix.` offers.

    `row` is where the table's row stands that it comes from. `former` are its data as earlier versions read them, if
    that was otherwise.
    """

    axes: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    slug: str = ""
    row: str = ""
    former: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class Matrix:
    """One `matrix:` while it is expanded. `fill` fills in the templates of a value (`vars` alone are in scope).

    `broken` are the rows that were read otherwise before, by their places.
    """

    document: Document
    path: Path_
    spec: Mapping[str, Any]
    folder: Path
    trouble: ProblemCollector
    title: str
    fill: Callable[[Any, Path_], Any]
    opened: Opened
    failed: bool = False
    broken: dict[str, Row] = field(default_factory=dict)

    def refuse(self, id: str, path: Path_, message: str, *, level: Level = "error", **facts: Any) -> None:
        """A problem at a path below the matrix."""
        self.failed |= level == "error"
        self.trouble.add(self.document, id, (*self.path, *path), message, level=level, address=self.title, **facts)

    def cells(self) -> list[Cell]:
        """The cells, or none after a problem."""
        names, rows = self._rows()
        axes = self._axes()
        total = len(rows)
        for values in axes.values():
            total *= len(values)
        if total > _MOST_CELLS:
            self.refuse("KP307", (), f"the matrix has {total:,} cells", allowed=f"at most {_MOST_CELLS:,}")
        if self.failed:
            return []
        combos = [
            (row.values | dict(zip(axes, values, strict=True)), row.place)
            for row in rows
            for values in itertools.product(*axes.values())
        ]
        names += [axis for axis in axes if axis not in names]
        combos = self._included(names, self._excluded(names, combos))
        if not combos and not self.failed:
            self.refuse("KP307", (), "the matrix has no cells", key=True, hint="Look at `exclude` and at empty axes.")
        cells = [] if self.failed else self._named(names, combos)
        return [] if self.failed else cells

    def _axes(self) -> dict[str, list[Any]]:
        axes = {}
        for name, written in self.spec.items():
            if name in MATRIX:
                continue
            values = self.fill(written, (*self.path, name))
            if values is None and isinstance(written, str):
                self.failed = True
            elif not isinstance(name, str) or not name.isidentifier():
                self.refuse(
                    "KP106",
                    (name,),
                    f"`{name}` cannot be the name of an axis",
                    key=True,
                    allowed="letters, digits and _",
                )
            elif not isinstance(values, list) or not values:
                self.refuse("KP102", (name,), f"axis `{name}` wants a list of values", hint=f"Write {name}: [a, b].")
            else:
                axes[name] = [self._axis_value(name, index, value, written) for index, value in enumerate(values)]
        return axes

    def _axis_value(self, name: str, index: int, value: Any, written: Any) -> Any:
        if value is None and isinstance(written, list) and written[index] is not None:
            self.failed = True  # its template is reported already
        elif isinstance(value, list) or value is None or (isinstance(value, Mapping) and not value):
            what = "a list" if isinstance(value, list) else "empty"
            self.refuse("KP102", (name, index), f"a value of axis `{name}` cannot be {what}")
        return value

    # -- tables --------------------------------------------------------------------------------------------------

    def _rows(self) -> tuple[list[str], list[Row]]:
        """Rows of `from:` and the columns among them that are axes (all, unless `axes:` names some)."""
        if "from" not in self.spec:
            if "axes" in self.spec:
                self.refuse("KP102", ("axes",), "`axes` goes with `from`", key=True)
            return [], [Row({}, "")]
        source = self.fill(self.spec["from"], (*self.path, "from"))
        if not isinstance(source, str) or not source.strip():
            self.refuse("KP102", ("from",), "`from` wants the path of a csv, json or yaml file")
            return [], []
        before = self.trouble.errors
        shown = beside(self.document.name, source)
        rows = read_rows(
            self.folder / source,
            shown,
            lambda message, **facts: self.refuse("KP303", ("from",), message, **facts),
            self.trouble,
            self.opened,
        )
        self.failed |= self.trouble.errors > before
        self.broken = {row.place: row for row in rows if row.former}
        return self._axis_columns(rows), rows

    def _axis_columns(self, rows: list[Row]) -> list[str]:
        columns = list(dict.fromkeys(name for row in rows for name in row.values))
        wanted = self.spec.get("axes", columns)
        if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
            self.refuse("KP102", ("axes",), "`axes` wants a list of column names")
            return []
        for index, name in enumerate(wanted):
            if rows and name not in columns:
                self.refuse(
                    "KP304",
                    ("axes", index),
                    f"there is no column `{name}`",
                    near=nearest(name, columns),
                    allowed=", ".join(columns),
                )
        for name in self.spec:
            if name in columns:
                self.refuse(
                    "KP304",
                    (name,),
                    f"`{name}` is a column of the table and an axis",
                    key=True,
                    hint="Rename one of them.",
                )
        for row in rows:
            for name in wanted:
                if name in columns and row.values.get(name) is None:
                    self.refuse("KP304", ("from",), f"{row.place}: this row has no `{name}`", allowed=", ".join(wanted))
        return [name for name in wanted if name in columns]

    # -- include and exclude -------------------------------------------------------------------------------------

    def _entries(self, word: str) -> list[dict[str, Any]]:
        entries = self.fill(self.spec.get(word, []), (*self.path, word))
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) and entry for entry in entries):
            self.refuse("KP102", (word,), f"`{word}` wants a list of mappings", hint="Write [{axis: value}].")
            return []
        return entries

    def _excluded(self, names: list[str], combos: list[tuple[Combo, str]]) -> list[tuple[Combo, str]]:
        for index, entry in enumerate(self._entries("exclude")):
            known = list(dict.fromkeys([*names, *(combos[0][0] if combos else ())]))
            unknown = [name for name in entry if name not in known]
            for name in unknown:
                self.refuse(
                    "KP304",
                    ("exclude", index, name),
                    f"there is no axis `{name}`",
                    key=True,
                    near=nearest(str(name), known),
                    allowed=", ".join(known),
                )
            kept = [combo for combo in combos if not _matches(combo[0], entry)]
            if len(kept) == len(combos) and not unknown:
                values = {name: list(dict.fromkeys(str(combo[0].get(name)) for combo in combos)) for name in entry}
                allowed = "; ".join(f"{name}: {', '.join(listed[:8])}" for name, listed in values.items())
                self.refuse(
                    "KP305",
                    ("exclude", index),
                    "this excludes no cell",
                    level="warn",
                    allowed=allowed,
                    hint="Correct the value, or remove the entry.",
                )
            combos = kept
        return combos

    def _included(self, names: list[str], combos: list[tuple[Combo, str]]) -> list[tuple[Combo, str]]:
        """Each entry joins the cells whose axes it does not contradict; one that joins none is a cell of its own."""
        extra: list[tuple[Combo, str]] = []
        for index, entry in enumerate(self._entries("include")):
            axes = {name: value for name, value in entry.items() if name in names}
            joined = [combo for combo, _ in combos if _matches(combo, axes)]
            for combo in joined:
                combo.update(entry)
            if joined:
                continue
            missing = [name for name in names if name not in axes]
            if missing:
                self.refuse(
                    "KP304",
                    ("include", index),
                    f"no cell has these values, and a new cell needs `{missing[0]}` too",
                    allowed=", ".join(names),
                    hint="Name every axis, or values that a cell has.",
                )
            extra.append((dict(entry), ""))
        return combos + extra

    # -- names ---------------------------------------------------------------------------------------------------

    def _named(self, names: list[str], combos: list[tuple[Combo, str]]) -> list[Cell]:
        cells: dict[str, Cell] = {}
        slugs: dict[str, str] = {}
        for combo, row in combos:
            axes = {name: _text(combo.get(name)) for name in names}
            parts = [slugs.get(text) or slugs.setdefault(text, _slug(text)) for text in axes.values()]
            name = "-".join(parts)
            place = f" (row {row})" if row else ""
            if not all(parts):
                empty = names[parts.index("")]
                self.refuse(
                    "KP306",
                    (empty,) if empty in self.spec else (),
                    f"axis `{empty}` has a value without letters or digits{place}",
                    found=f"`{axes[empty]}`",
                    hint="Every value becomes part of an address and a file name.",
                )
            elif name in cells:
                other = f", as {cells[name].row} is" if cells[name].row else ""
                self.refuse(
                    "KP306",
                    (),
                    f"two cells of the matrix are both called `@{name}`{place}{other}",
                    key=True,
                    hint="Rename one value, or remove the second row.",
                )
            cells[name] = Cell(axes, combo, name, row, self._former(combo, row) if row in self.broken else ())
        return list(cells.values())

    def _former(self, combo: Combo, place: str) -> tuple[Combo, ...]:
        """A cell's data with what came from a broken row as it was read before."""
        row = self.broken[place]
        return tuple(
            {**combo, **{name: value for name, value in one.items() if combo.get(name) == row.values[name]}}
            for one in row.former
        )


def _matches(combo: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in combo and _text(combo[name]) == _text(value) for name, value in wanted.items())


def _text(value: Any) -> str:
    """An axis value as text; a mapping goes by its `id` or `name`, or its first value."""
    if isinstance(value, Mapping):
        value = value.get("id", value.get("name", next(iter(value.values()), "")))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _slug(text: str) -> str:
    found = slug(text)
    if len(found) <= _LONGEST_SLUG:
        return found
    # Long texts (a prompt as a column) stay usable as names: cut, and kept apart by a digest.
    return f"{found[:_LONGEST_SLUG].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
