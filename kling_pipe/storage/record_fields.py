"""What each field of a record may hold, wherever it was written down: lock, exported ledger, sidecar. Pure.

Such files come with branches and by mail. What a field may hold is what can do no harm as a path, in a URL, in a
database and in arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

from kling_pipe.model import Failure, State

_MOST = (1 << 63) - 1
_LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999, after which nothing can tell a date."""

_MOST_TRIES = 9_999
"""Takes and attempts: each attempt up to the last may be asked for."""

_DEEPEST = 32

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,127}")
_OPERATION = re.compile(r"[0-9a-z][0-9a-z-]{0,63}")
_PROJECT = re.compile(r"[0-9a-z][0-9a-z-]{0,23}")
_NUMBER = re.compile(r"([0-9]{1,12}(\.[0-9]{1,20})?)?")
_NAME = re.compile(r"[^\s/\\\x00-\x1f\x7f-\x9f]{1,500}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NO_PATH = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f\ud800-\udfff]')
_NO_KEY = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")
_BUCKET = re.compile(r"(?:s3|s3a|gs|az)://[^/\s]+/(.+)", re.DOTALL)
_FOLDERS = ("out", "out-emulator")
_LONGEST_PATH = 4096


class Rule(NamedTuple):
    """What is allowed, in words, and whether a value is that."""

    allowed: str
    holds: Callable[[Any], bool]


class Fault(NamedTuple):
    """A value that its field may not hold: where (`outputs[2].path`), the value, and what is allowed."""

    field: str
    value: Any
    allowed: str


def is_digest(value: Any) -> bool:
    """Whether a value is a SHA-256 in hex."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def is_place(value: Any) -> bool:
    """Whether a value is where an output may be: a path below an output folder, or a key in a bucket."""
    if not isinstance(value, str) or len(value) > _LONGEST_PATH:
        return False
    bucket = _BUCKET.fullmatch(value)
    if bucket:
        return not _NO_KEY.search(value) and ".." not in bucket[1].split("/")
    first, *others = value.split("/")
    # On Windows `.. ` is `..`, and a name that ends in dots is the same without them.
    return first in _FOLDERS and bool(others) and not _NO_PATH.search(value) and all(one.strip(" .") for one in others)


def is_text(value: Any) -> bool:
    """Whether a value is text that can be written down: no half of a surrogate pair."""
    return isinstance(value, str) and (value.isascii() or not _has_surrogate(value))


def is_plain_json(value: Any, deep: int = 0) -> bool:
    """Whether a value can be written as JSON again: no NaN, no infinity, no halves of pairs, not too deep."""
    if isinstance(value, str):
        return is_text(value)
    if isinstance(value, float):
        return value - value == 0
    if isinstance(value, list):
        return deep < _DEEPEST and all(is_plain_json(one, deep + 1) for one in value)
    if isinstance(value, dict):
        return deep < _DEEPEST and all(is_text(name) and is_plain_json(one, deep + 1) for name, one in value.items())
    return value is None or isinstance(value, int)


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in value)


def _matching(pattern: re.Pattern[str], allowed: str, *, empty: bool = False) -> Rule:
    def holds(value: Any) -> bool:
        return isinstance(value, str) and ((empty and not value) or pattern.fullmatch(value) is not None)

    return Rule(f"{allowed}, or nothing" if empty else allowed, holds)


def _within(low: int, high: int) -> Rule:
    def holds(value: Any) -> bool:
        return type(value) is int and low <= value <= high  # a bool is no number here

    return Rule(f"an integer from {low} to {high}", holds)


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and not _CONTROL.search(value)


def _is_id(value: Any) -> bool:
    """An id as Kling gives them: it is quoted wherever it goes into a URL, but a name of dots would be a step."""
    return _is_line(value) and len(value) <= 500 and value not in (".", "..")


def _digests(value: Any) -> bool:
    return isinstance(value, dict) and all(is_text(name) and is_text(one) for name, one in value.items())


_TIME = _within(0, _LATEST)
_NUMBERED = _within(1, _MOST_TRIES)
_TEXT = Rule("text", is_text)
_KNOWN_BY = Rule("an id: text without control characters", _is_id)
_OUT = f"a path below `{'/` or `'.join(_FOLDERS)}/`, or a bucket's URL"

RECORD: Mapping[str, Rule] = {
    "account": _matching(_TOKEN, "an account's id: letters and digits"),
    "project": _matching(_PROJECT, "a project's name: small letters, digits, `-`"),
    "operation": _matching(_OPERATION, "an operation's name: small letters, digits, `-`"),
    "key": _matching(_DIGEST, "64 hex digits"),
    "take": _NUMBERED,
    "attempt": _NUMBERED,
    "external_task_id": _matching(_TOKEN, "an external id: letters, digits, `-`, `_`, `.`"),
    "task_id": _KNOWN_BY,
    "draft": _matching(_TOKEN, "an external id: letters, digits, `-`, `_`, `.`", empty=True),
    "created_at": _TIME,
    "updated_at": _TIME,
    "units": _matching(_NUMBER, "a number as text, or nothing"),
    "message": _TEXT,
    "failure": Rule(f"one of {', '.join(filter(None, get_args(Failure)))}, or nothing", get_args(Failure).__contains__),
    "state": Rule(f"one of {', '.join(get_args(State))}", get_args(State).__contains__),
    "address": _matching(_NAME, "a job's address", empty=True),
    "fields": Rule("digests by field, both as text", _digests),
}
"""The fields of a record, and of a block in the lock."""

OUTPUT: Mapping[str, Rule] = {
    "index": _within(1, _MOST_TRIES),
    "path": Rule(f"{_OUT}, or nothing", lambda value: value == "" or is_place(value)),
    "sha256": _matching(_DIGEST, "64 hex digits", empty=True),
    "size": _within(0, _MOST),
    "duration": _matching(_NUMBER, "a number of seconds as text, or nothing"),
    "id": _KNOWN_BY,
    "element_id": _within(0, _MOST),
    "url": Rule("a link: text without control characters", _is_line),
    "url_at": _TIME,
}
"""The fields of one output."""

_OTHER = Rule("JSON that every tool can write again", is_plain_json)


def faults(form: Mapping[str, Any], rules: Mapping[str, Rule], at: str = "") -> Iterator[Fault]:
    """What stands in a form and may not. Fields that have no rule are those of another version."""
    for name, value in form.items():
        rule = rules.get(name, _OTHER)
        if not rule.holds(value):
            yield Fault(f"{at}{name}", value, rule.allowed)


def output_faults(outputs: Any) -> Iterator[Fault]:
    """What stands in a list of outputs and may not."""
    if not isinstance(outputs, list):
        yield Fault("outputs", outputs, "a list of outputs")
        return
    for number, output in enumerate(outputs, start=1):
        if isinstance(output, dict):
            yield from faults(output, OUTPUT, f"outputs[{number}].")
        else:
            yield Fault(f"outputs[{number}]", output, "the fields of an output")
