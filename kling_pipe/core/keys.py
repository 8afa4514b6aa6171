"""What a job asks for, as a digest. The meaning of `kp1` is frozen: a change would make people pay twice.

key              SHA-256 over canonical JSON (RFC 8785) of {v, operation, request}
external id      kp1-<project>-<first 20 hex of key>[-t<take>][-a<attempt>]
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from kling_pipe.model import FileRef, Json, OutputRef, PresetRef

PREFIX = "kp1"
_DIGEST_LENGTH = 20
_EASY = frozenset({str, int, bool, type(None)})
_PLAIN = _EASY | {float}
"""Types of leaves that are what they say; a subclass, or a reference, is looked at more closely."""


class ExistingId(int):
    """An id of something that exists at Kling. Sent as an integer, digested as a decimal string."""

    __slots__ = ()


def key_of(operation: str, request: Mapping[str, Json], key_at: Callable[[str], str]) -> str:
    """The key of a request: 64 hex characters.

    `request` is in normal form (see `pruned`); `key_at` gives the key of the job at an address.
    """
    form = {"v": 1, "operation": operation, "request": _digest_form(request, key_at)}
    return hashlib.sha256(canonical(form).encode("utf-8")).hexdigest()


def external_id(project: str, key: str, take: int = 1, attempt: int = 1) -> str:
    """The `external_task_id` of one attempt at one take; suffixes from 2 on only."""
    take_suffix = f"-t{take}" if take > 1 else ""
    attempt_suffix = f"-a{attempt}" if attempt > 1 else ""
    return f"{PREFIX}-{project}-{key[:_DIGEST_LENGTH]}{take_suffix}{attempt_suffix}"


def pruned(value: Json) -> Json:
    """The same value without what Kling reads as absent: `""`, null and `[]` in mappings, at any depth."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {name: kept for name, item in value.items() if not _is_absent(kept := pruned(item))}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def _is_absent(value: Json) -> bool:
    return value is None or (isinstance(value, str | list) and not value)


def _digest_form(value: Json, key_at: Callable[[str], str]) -> Json:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {name: _digest_form(item, key_at) for name, item in value.items()}
    if isinstance(value, list):
        return [_digest_form(item, key_at) for item in value]
    return _leaf_form(value, key_at)


def _leaf_form(value: Json, key_at: Callable[[str], str]) -> Json:
    if isinstance(value, OutputRef):
        return {"key": key_at(value.address), "take": value.take, "output": value.output}
    if isinstance(value, FileRef):
        return {"sha256": value.sha256}
    if isinstance(value, PresetRef):
        return {"preset": value.name}
    return str(int(value)) if isinstance(value, ExistingId) else value


def canonical(value: Json) -> str:
    """Canonical JSON after RFC 8785: sorted keys, shortest numbers, no spaces. Integers are exact at any size."""
    # Python's encoder sorts by code points and spells floats its own way: it is right where neither matters.
    return _encode(value) if _is_easy(value) else _canonical(value)


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode


def _is_easy(value: Json) -> bool:
    kind = type(value)
    if kind in _EASY:
        return True
    if kind is dict:
        try:
            return "".join(value).isascii() and all(map(_is_easy, value.values()))
        except TypeError:  # a name that is no text
            return False
    return kind in (list, tuple) and all(map(_is_easy, value))


def _canonical(value: Json) -> str:
    if isinstance(value, Mapping):
        items = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(f"{_text(name)}:{_canonical(item)}" for name, item in items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """A double as ECMAScript prints it (RFC 8785 section 3.2.2.3): Python's shortest digits, the point set its way."""
    if not math.isfinite(value):
        raise ValueError("JSON has no NaN and no infinity")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(power or 0)  # the value is 0.<digits> times ten to the point
    digits = f"{whole}{fraction}".lstrip("0")
    point -= len(f"{whole}{fraction}") - len(digits)
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        padded = digits.ljust(point, "0")
        return sign + padded[:point] + (f".{padded[point:]}" if padded[point:] else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    more = f".{digits[1:]}" if digits[1:] else ""
    return f"{sign}{digits[0]}{more}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def fields_digest(request: Mapping[str, Json], key_at: Callable[[str], str]) -> dict[str, Any]:
    """A short digest per top-level field of a request: enough to say later which field changed."""
    form = _digest_form(request, key_at)
    return {name: hashlib.sha256(canonical(item).encode()).hexdigest()[:8] for name, item in form.items()}
