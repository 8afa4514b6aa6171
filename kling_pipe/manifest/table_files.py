"""Rows of a table for `matrix: {from: ...}`: csv, json or yaml, each row with the line that it stands on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kling_pipe.core.text import nearest
from kling_pipe.manifest.problems import ProblemCollector
from kling_pipe.manifest.yaml import Opened
from kling_pipe.manifest.yaml.document import parse
from kling_pipe.model import Position, Problem

_MOST_BYTES = 64 * 1024 * 1024


class Row(NamedTuple):
    """One row: its values by column, and where it stands (`teas.csv:14`).

    `former` are cells as earlier versions read them: with CRLF, as git may check a file out, and as the file has them.
    Empty where no cell holds a line break.
    """

    values: dict[str, Any]
    place: str
    former: tuple[Mapping[str, Any], ...] = ()


Refuse = Callable[..., None]


def read_rows(file: Path, name: str, refuse: Refuse, trouble: ProblemCollector, opened: Opened) -> list[Row]:
    """The rows of a table; none after a problem. `refuse(message, **facts)` blames the manifest, not the table."""
    reader = {".csv": _csv, ".json": _json, ".yaml": _yaml, ".yml": _yaml}.get(file.suffix.lower())
    if reader is None:
        refuse(f"`{file.name}` is no table", allowed=".csv, .json, .yaml")
        return []
    text = opened(file)
    if text is None:
        text = _text(file, refuse)
    return reader(text, name, trouble) if text is not None else []


def _text(file: Path, refuse: Refuse) -> str | None:
    """What the file holds; None after a problem."""
    try:
        if not file.is_file():
            raise FileNotFoundError(2, "no such file" if not file.exists() else "not a file")
        if file.stat().st_size > _MOST_BYTES:
            refuse(f"`{file.name}` is larger than {_MOST_BYTES:,} bytes", hint="Split the table.")
            return None
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(f"`{file.name}` is not UTF-8 (byte {error.start})", hint="Save the file as UTF-8.")
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        names = [one.name for one in file.parent.iterdir() if one.is_file()] if file.parent.is_dir() else []
        refuse(
            f"cannot read `{file.name}`: {reason}",
            near=nearest(file.name, names),
            hint="Paths are relative to the manifest.",
        )
        return None
    return text


def _complain(
    trouble: ProblemCollector, name: str, line: int, message: str, text: str = "", hint: str = "", column: int = 1
) -> list[Row]:
    lines = text.splitlines()
    excerpt = lines[line - 1] if 0 < line <= len(lines) else ""
    trouble.put(Problem("KP317", "error", message, Position(name, line, column), excerpt=excerpt, hint=hint))
    return []


def _csv(text: str, name: str, trouble: ProblemCollector) -> list[Row]:
    """Cells are read with LF, however git checked the file out: a request, and its key, must not depend on that."""
    unified = text.replace("\r\n", "\n")
    rows = _csv_rows(unified, name, trouble)
    if unified.rstrip("\n").count("\n") <= len(rows):  # a line for each, and one for the header: no cell is broken
        return rows
    as_it_is = _csv_rows(text, name, trouble) if text != unified else rows
    return [_with_former(row, raw) for row, raw in zip(rows, as_it_is, strict=True)]


def _with_former(row: Row, raw: Row) -> Row:
    broken = [name for name, value in row.values.items() if "\n" in value]
    if not broken:
        return row
    # Columns by their place: a name may hold a line break, too.
    found = dict(zip(row.values, raw.values.values(), strict=True))
    with_crlf = {name: row.values[name].replace("\n", "\r\n") for name in broken}
    return row._replace(former=(with_crlf, {name: found[name] for name in broken}))


def _csv_rows(text: str, name: str, trouble: ProblemCollector) -> list[Row]:
    import csv

    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    try:
        header = [column.strip() for column in next(reader, [])]
        if not header:
            return _complain(trouble, name, 1, f"`{name}` is empty", hint="The first line names the columns.")
        if "" in header or len(set(header)) < len(header):
            return _complain(trouble, name, 1, "a column has no name, or two have the same", text)
        if len(header) == 1 and (other := next((mark for mark in ";\t" if mark in header[0]), "")):
            # What a spreadsheet saves in countries that write 1,5.
            shown = "a tab" if other == "\t" else f"`{other}`"
            message = f"the columns are separated by {shown}, not by a comma"
            return _complain(trouble, name, 1, message, text, "Save the table as CSV with commas.")
        ended = reader.line_num
        for values in reader:
            line, ended = ended + 1, reader.line_num
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(header):
                return _complain(
                    trouble,
                    name,
                    line,
                    f"this row has {len(values)} value{'s' * (len(values) > 1)} for {len(header)} columns",
                    text,
                    "Quote a value that holds a comma."
                    if len(values) > len(header)
                    else "Write a comma for each column, also for one that is empty.",
                )
            rows.append(Row(dict(zip(header, values, strict=True)), f"{name}:{line}"))
    except csv.Error as error:
        return _complain(
            trouble,
            name,
            max(1, reader.line_num),
            f"not CSV: {error}",
            text,
            "Look at the quotes of this row and the one above.",
        )
    return rows or _complain(trouble, name, 1, f"`{name}` has no rows", text)


def _json(text: str, name: str, trouble: ProblemCollector) -> list[Row]:
    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        return _complain(trouble, name, error.lineno, f"not JSON: {error.msg}", text, column=error.colno)
    except (ValueError, RecursionError) as error:  # NaN, half of a surrogate pair, brackets without end
        return _complain(trouble, name, 1, f"not JSON: {str(error).splitlines()[0]}")
    return _listed(data, name, trouble, lambda index: f"{name}[{index}]")


def _yaml(text: str, name: str, trouble: ProblemCollector) -> list[Row]:
    document = parse(text, name)
    for problem in document.problems:
        trouble.put(problem)
    if document.problems:
        return []
    return _listed(document.data, name, trouble, lambda index: f"{name}:{document.locate((index,)).line}")


def _listed(data: Any, name: str, trouble: ProblemCollector, place: Callable[[int], str]) -> list[Row]:
    if not isinstance(data, list) or not all(isinstance(row, dict) and row for row in data):
        return _complain(trouble, name, 1, f"`{name}` wants a list of mappings, one a row")
    rows = [Row({str(column): value for column, value in row.items()}, place(index)) for index, row in enumerate(data)]
    return rows or _complain(trouble, name, 1, f"`{name}` has no rows")
