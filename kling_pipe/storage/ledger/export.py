"""A whole ledger as a file, and back: JSON lines with a header first and a checksum last.

    {"format": "kling-pipe ledger", "format_version": "1.0", "emulated": false}
    {"record": {"account": ..., "external_task_id": ..., "task_id": ..., ...}}
    {"unlocked": {...}}, {"duration": {...}}, {"limit": {...}}
    {"end": 1234, "sha256": "..."}

Two files of the same ledger are equal, byte for byte. Neither keys nor a database's address are in a ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from kling_pipe.core.redact import bare, unsigned
from kling_pipe.errors import LocalStateError
from kling_pipe.storage.ledger.record_merge import TwoTasksError, merge_records
from kling_pipe.storage.ledger.rows import decoded, encoded
from kling_pipe.storage.ledger.tables import TABLES, Row, Table, Tables, in_batches
from kling_pipe.storage.record_fields import OUTPUT, RECORD, Rule

FORMAT = "kling-pipe ledger"
FORMAT_VERSION = "1.0"
_WORDS = {"record": "records", "unlocked": "unlocked", "duration": "durations", "limit": "limits"}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("take", "attempt", "created_at", "updated_at", "count", "slots"), int),
    **dict.fromkeys(("index", "url_at", "element_id", "size"), int),
    **dict.fromkeys(("mean", "low", "high", "at"), (int, float)),
    "outputs": list,
}
"""What stands in a column that does not hold text."""
_LIST = Rule("a list of outputs", lambda value: isinstance(value, list))
_REAL = Rule("a number", lambda value: value - value == 0)
_COUNT = Rule("an integer that is not negative", lambda value: 0 <= value < 1 << 63)
_COLUMNS: Mapping[str, Rule] = {
    "outputs": _LIST,
    "sort": RECORD["message"],
    "pool": RECORD["message"],
    "count": _COUNT,
    "slots": _COUNT,
    **dict.fromkeys(("mean", "low", "high", "at"), _REAL),
    **dict.fromkeys(("created_at", "updated_at", "url_at"), _COUNT),
    **dict.fromkeys(("units", "duration", "url", "address"), RECORD["message"]),
}
"""What a column may hold that no record has, or that a ledger keeps in Kling's own words, whatever they are."""
_BATCH = 500
_MOST_CONFLICTS = 10


@dataclass
class ImportResult:
    """What an import did: records by what became of them."""

    new: int = 0
    changed: int = 0
    known: int = 0
    conflicts: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        count = self.new + self.changed + self.known
        told = f"{self.new} new, {self.changed} brought up to date, {self.known} known already"
        return f"{count} record{'' if count == 1 else 's'}: {told}"


def give_out(tables: Tables, file: TextIO, *, emulated: bool = False) -> int:
    """Write everything. Returns how many records there are."""
    digest, lines, records = hashlib.sha256(), 0, 0

    def write(form: Mapping[str, Any]) -> None:
        text = json.dumps(form, ensure_ascii=False, separators=(",", ":")) + "\n"
        digest.update(text.encode("utf-8"))
        file.write(text)

    write({"format": FORMAT, "format_version": FORMAT_VERSION, "emulated": emulated})
    for word, name in _WORDS.items():
        for row in tables.rows(TABLES[name]):
            write({word: _form(word, row)})
            lines += 1
            records += word == "record"
    file.write(json.dumps({"end": lines, "sha256": digest.hexdigest()}) + "\n")
    return records


def take_in(tables: Tables, lines: Iterable[str], name: str, *, emulated: bool = False) -> ImportResult:
    """Bring in what `give_out` wrote. Raises LocalStateError, and then nothing may be kept: the caller undoes it.

    `name` is the file's, for messages. Rows that are here already are merged with those that come.
    """
    brought = ImportResult()
    for some in in_batches(_read(lines, name, emulated=emulated), _BATCH):
        for word, table in _WORDS.items():
            rows = [row for kind, row in some if kind == word]
            if rows:
                _MERGES[word](tables, TABLES[table], rows, brought)
    if brought.conflicts:
        raise _conflicting(brought.conflicts, name)
    return brought


def _form(word: str, row: Row) -> dict[str, Any]:
    form = dict(zip(TABLES[_WORDS[word]].columns, row, strict=True))
    if word == "record":
        form["outputs"] = [_unlinked(output) for output in json.loads(form["outputs"])]
        form["message"] = unsigned(form["message"])
    return form


def _unlinked(output: dict[str, Any]) -> dict[str, Any]:
    """An output without what its link is signed with, whatever keeps it: a file goes from hand to hand."""
    place = bare(output.get("url", ""))
    signed = {"url", "url_at", "sole"} if place != output.get("url", "") else {"sole"}
    rest = {name: value for name, value in output.items() if name not in signed}
    return {**rest, "url": place} if "url" in signed else rest


def _row(word: str, form: Mapping[str, Any]) -> Row:
    """A row of a form; one of a record as it would be encoded here. Raises KeyError, TypeError, ValueError."""
    table = TABLES[_WORDS[word]]
    if set(form) != set(table.columns):
        raise KeyError(next(iter(set(table.columns) ^ set(form))))
    for name in table.columns:
        _check(name, form[name])
    for output in form.get("outputs", ()):
        for name, value in {"index": 0, **output}.items():
            _check(name, value, OUTPUT)
    if word != "record":
        return tuple(form[name] for name in table.columns)
    values = {**form, "outputs": json.dumps(form["outputs"])}
    return encoded(decoded(tuple(values[name] for name in table.columns)))


def _check(name: str, value: Any, rules: Mapping[str, Rule] = RECORD) -> None:
    """Raise ValueError for a value that no ledger has in a column."""
    wanted = _TYPES.get(name, str)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ValueError(f"{name} is {_shown(value)}")  # noqa: TRY004  # told like any other value that is none
    rule = _COLUMNS.get(name) or rules.get(name)
    if rule is None or not rule.holds(value):
        raise ValueError(f"{name} is {_shown(value)}; allowed is {rule.allowed if rule else 'no such field'}")


def _shown(value: Any) -> str:
    return ascii(value)[:60]


def _read(lines: Iterable[str], name: str, *, emulated: bool) -> Iterator[tuple[str, Row]]:
    """Rows with their word, each checked; at the end the checksum of all. Raises LocalStateError."""
    digest, count, ended = hashlib.sha256(), -1, False
    for number, line in enumerate(lines, start=1):
        form = _json(line, name, number)
        if count < 0:
            _check_header(form, name, emulated=emulated)
        elif ended:
            raise _damaged(name, number, "there is something behind the end")
        elif "end" in form:
            if (form["end"], form.get("sha256")) != (count, digest.hexdigest()):
                raise _damaged(name, number, "its checksum is another one: it was cut, or changed by hand")
            ended = True
        else:
            ((word, inner),) = form.items() if len(form) == 1 else (("", {}),)
            try:
                yield word, _row(word, inner)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise _damaged(name, number, f"this is no row of a ledger ({error})") from None
        digest.update(line.encode("utf-8"))
        count += 1
    if not ended:
        raise _damaged(name, count + 2, "it ends early")


def _json(line: str, name: str, number: int) -> dict[str, Any]:
    try:
        form = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged(name, number, "this is no JSON") from None
    if not isinstance(form, dict):
        raise _damaged(name, number, "this is no row of a ledger")
    return form


def _check_header(form: Mapping[str, Any], name: str, *, emulated: bool) -> None:
    if form.get("format") != FORMAT:
        raise LocalStateError(f"`{name}` is no exported ledger", hint="`kling-pipe ledger export FILE` writes one")
    version = str(form.get("format_version"))
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise LocalStateError(
            f"`{name}` has format {version}, this kling-pipe reads {FORMAT_VERSION}",
            hint="update kling-pipe; nothing was changed",
        )
    if bool(form.get("emulated")) != emulated:
        what = "of a rehearsal" if form.get("emulated") else "of a real account"
        hint = "add --emulator" if form.get("emulated") else "leave --emulator out"
        raise LocalStateError(f"`{name}` is the ledger {what}", hint=f"{hint}; nothing was changed")


def _damaged(name: str, number: int, why: str) -> LocalStateError:
    return LocalStateError(f"{name}:{number}: {why}", hint="export it again; nothing was changed")


def _conflicting(conflicts: list[str], name: str) -> LocalStateError:
    more = len(conflicts) - _MOST_CONFLICTS
    shown = [*conflicts[:_MOST_CONFLICTS], *([f"and {more} more"] if more > 0 else [])]
    count = "an external id stands" if len(conflicts) == 1 else f"{len(conflicts)} external ids stand"
    return LocalStateError(
        "\n  ".join([f"in `{name}` {count} for another task than here:", *shown]),
        hint="nothing was changed; look at both tasks, and bind the right one with `kling-pipe adopt ADDRESS TASK_ID`"
        " on the machine that is wrong",
    )


def _key(table: Table, row: Row) -> Row:
    return tuple(row[table.columns.index(name)] for name in table.key)


def _merge_records(tables: Tables, table: Table, rows: list[Row], brought: ImportResult) -> None:
    here = tables.found(table, [_key(table, row) for row in rows])
    changed: dict[Row, Row] = {}
    for row in rows:
        key = _key(table, row)
        known = changed.get(key) or here.get(key)
        if known is None:
            brought.new += 1
            changed[key] = row
            continue
        if known == row:
            brought.known += 1
            continue
        try:
            together = encoded(merge_records(decoded(known), decoded(row)))
        except TwoTasksError:
            brought.conflicts.append(_told(decoded(known), decoded(row)))
            continue
        if together == encoded(decoded(known)):
            brought.known += 1
        else:
            brought.changed += 1
            changed[key] = together
    tables.put(table, changed.values())


def _told(ours: Any, theirs: Any) -> str:
    return (
        f"{theirs.external_task_id} ({theirs.address or ours.address}): here task {ours.task_id}, {ours.state};"
        f" in the file task {theirs.task_id}, {theirs.state}"
    )


def _merge_marks(tables: Tables, table: Table, rows: list[Row], _: ImportResult) -> None:
    tables.put(table, dict.fromkeys(rows))


def _merge_durations(tables: Tables, table: Table, rows: list[Row], _: ImportResult) -> None:
    """What was learned from more tasks counts."""
    _merge_best(tables, table, rows, lambda row: tuple(row[1:]))


def _merge_limits(tables: Tables, table: Table, rows: list[Row], _: ImportResult) -> None:
    """What was learned later counts."""
    _merge_best(tables, table, rows, lambda row: (row[3], row[2]))


def _merge_best(tables: Tables, table: Table, rows: list[Row], rank: Callable[[Row], Row]) -> None:
    best = tables.found(table, [_key(table, row) for row in rows])
    for row in rows:
        key = _key(table, row)
        best[key] = max(best.get(key, row), row, key=rank)
    tables.put(table, best.values())


_Merge = Callable[[Tables, Table, list[Row], ImportResult], None]
_MERGES: Mapping[str, _Merge] = {
    "record": _merge_records,
    "unlocked": _merge_marks,
    "duration": _merge_durations,
    "limit": _merge_limits,
}
