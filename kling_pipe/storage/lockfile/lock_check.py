"""What a lock may say: a branch that nobody trusts carries one, too. Quick, for all of it is read at every start."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.lockfile.blocks import FIELDS
from kling_pipe.storage.record_fields import RECORD, Fault, Rule, faults, output_faults

NEEDED = frozenset(("account", "operation"))
MADE = NEEDED | {"project", "key", "take", "attempt", "external_task_id", "outputs"}
_FAILED = frozenset(("project", "key", "take", "attempt", "external_task_id", "failure"))
_SHOWN = 60
_HINT = (
    "nothing was changed; restore the file from version control, or delete it and run `kling-pipe sync`:"
    " a lock that came with a branch is worth a look at who wrote it"
)

_WORD = r'"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,127}"'
_SEGMENTS = r"(?:/[0-9A-Za-z_@-][0-9A-Za-z_@.-]{0,200}){1,20}"
_DIGEST = r'"[0-9a-f]{64}"'
_NUMBER = r'"[0-9]{1,12}(?:\.[0-9]{1,20})?"'
_OUTPUT = (
    rf'\{{(?:"path": "out(?:-emulator)?{_SEGMENTS}"(?:, )?)?'
    rf'(?:"sha256": {_DIGEST}(?:, )?)?(?:"size": [0-9]{{1,18}}(?:, )?)?'
    rf'(?:"duration": {_NUMBER}(?:, )?)?(?:"id": "[0-9A-Za-z_-]{{1,100}}"(?:, )?)?(?:"element_id": [0-9]{{1,18}})?\}}'
)
_USUAL = {
    "account": _WORD,
    "project": r'"[a-z][a-z0-9-]{0,23}"',
    "operation": r'"[a-z][a-z0-9-]{0,63}"',
    "key": _DIGEST,
    "take": r"[1-9][0-9]{0,3}",
    "attempt": r"[1-9][0-9]{0,3}",
    "external_task_id": _WORD,
    "task_id": r'"[0-9A-Za-z_-]{0,128}"',
    "draft": _WORD,
    "created_at": r"[0-9]{1,14}",
    "units": _NUMBER,
    "outputs": rf"\[(?:{_OUTPUT}(?:, )?)*\]",
    "fields": r'\{(?:"[0-9a-z_]+": "[0-9a-f]{8}"(?:, )?)*\}',
}
"""Values as they are written nearly always, as JSON. Texts among them have no escapes."""

_LINE = "|".join(f"{name}: {pattern}" for name, pattern in _USUAL.items())
_LINES = re.compile(rf"(?<=\n)(?:  (?:{_LINE})\n)+")
USUAL: Mapping[str, Callable[[str], object]] = {name: re.compile(one).fullmatch for name, one in _USUAL.items()}
"""Whether a field's value is a usual one, which saves the closer look."""


def is_usual(text: str) -> bool:
    """Whether every field of a whole lock is a usual one: asked at once, for 10,000 blocks take a while one by one."""
    return "\n  " not in _LINES.sub("", text)


def field_fault(name: str, value: Any) -> Fault | None:
    """What is wrong with a block's field, the first of it."""
    return next(_faults(name, value), None)


def refuse(place: str, block: str, fault: Fault) -> NoReturn:
    """Raise LocalStateError for a field; `place` is the file and the line."""
    found = shown(fault.value)
    what = f"{place} has `{found}` as `{fault.field}` of `{block}`; allowed is {fault.allowed}"
    raise LocalStateError(what, hint=_HINT)


def shown(value: Any) -> str:
    """A value in a message: as JSON, escaped, and cut where it is long."""
    try:
        found = json.dumps(value)
    except (ValueError, RecursionError):
        return "..."
    return found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."


def _faults(name: str, value: Any) -> Iterator[Fault]:
    if name == "outputs":
        yield from output_faults(value)
    elif name == "failed":
        yield from _failed_faults(value)
    else:
        yield from faults({name: value}, _BLOCK)


def _failed_faults(value: Any) -> Iterator[Fault]:
    if not isinstance(value, dict) or (value and not value.keys() >= _FAILED):
        yield Fault("failed", value, f"a failure with {', '.join(sorted(_FAILED))}")
    else:
        yield from faults(value, RECORD, "failed.")


_BLOCK: Mapping[str, Rule] = {name: RECORD[name] for name in FIELDS if name in RECORD}
