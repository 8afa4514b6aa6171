"""JSON values of others as values of the right types, within the bounds of every ledger, or OddError. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.core.redact import printable

_ID = re.compile(r"\w[\w.:/+=-]{0,199}", re.ASCII)
_UNITS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e[-+]?[0-9]{1,2})?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,19}")
_UNSPEAKABLE = re.compile("[\\x00-\\x20\\x7f-\\x9f]")
_LATEST = 32_503_679_999_999
"""The last millisecond of the year 2999: what comes later is no time of a task."""

_LARGEST = 2**63 - 1
_LONGEST_LINK = 16 * 1024
_SHOWN = 40


class OddError(ValueError):
    """A value is not what it should be. The text says what was found, safe to print."""


def found(value: Any) -> str:
    """A value as an error names it: short, and without what a link is signed with."""
    if value is None or isinstance(value, bool | int | float):
        return str(value)[:_SHOWN]
    if isinstance(value, str):
        text = printable(value)
        return f"a link of {len(value)} letters" if "://" in text else f"`{text[:_SHOWN].replace('`', '')}`"
    return "a list" if isinstance(value, list) else "an object"


def text(value: Any) -> str:
    """What people read, safe to print: a text or a number; anything else is left out."""
    return printable(value) if isinstance(value, str) else str(value) if type(value) in (int, float) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; nothing for null. Raises OddError."""
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise OddError(found(value))


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """A list of objects; nothing for null. Raises OddError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise OddError(found(value))
    for one in value:
        if not isinstance(one, Mapping):
            raise OddError(f"a list with {found(one)}")
    return value


def word(value: Any) -> str:
    """A status. Raises OddError."""
    if isinstance(value, str) and value and (told := printable(value)):
        return told
    raise OddError(found(value))


def identifier(value: Any) -> str:
    """An id of Kling's: text or a whole number, never a float, which has lost its last digits. "" for none.

    Raises OddError.
    """
    if value is None or value == "":
        return ""
    told = str(value) if type(value) is int and value > 0 else value
    if isinstance(told, str) and _ID.fullmatch(told):
        return told
    raise OddError(found(value))


def number_id(value: Any) -> int:
    """An id that is a whole number which a ledger can hold, in digits or not. Raises OddError."""
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if type(number) is int and 0 < number <= _LARGEST:
        return number
    raise OddError(found(value))


def moment(value: Any) -> int:
    """A time in ms; 0 for none. Raises OddError."""
    if value is None or value == "":
        return 0
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if isinstance(number, float) and math.isfinite(number):
        number = int(number)
    if type(number) is int and 0 <= number <= _LATEST:
        return number
    raise OddError(found(value))


def amount(value: Any) -> str:
    """Units or seconds as Kling writes them, verbatim; "" for none. Raises OddError for what is no number."""
    if value is None or value == "":
        return ""
    told = str(value) if type(value) in (int, float) else value
    if isinstance(told, str) and _UNITS.fullmatch(told):
        return told
    raise OddError(found(value))


def number(value: Any) -> float:
    """A number of any size and sign; 0 for none. Raises OddError."""
    if value is None or value == "":
        return 0.0
    told = str(value) if type(value) in (int, float) else value
    if isinstance(told, str) and _NUMBER.fullmatch(told) and math.isfinite(float(told)):
        return float(told)
    raise OddError(found(value))


def link(value: Any) -> str:
    """A link that can be asked for; "" for none. Raises OddError."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_LINK or _UNSPEAKABLE.search(value):
        raise OddError(found(value))
    try:
        parts = urlsplit(value.encode("utf-8").decode("utf-8"))
        is_whole = parts.scheme in ("http", "https") and bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise OddError(found(value))
    return value
