"""What the rules can see of a request, as a hashable value: requests that are alike are checked once.

Rules look at values, at which inputs are equal, and at the numbered tokens and the length of prompts; the words of a
prompt tell them nothing. A test asserts that a check says the same of all requests that are alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kling_pipe.manifest.operation_layout import OperationLayout
from kling_pipe.model import FileRef, OutputRef

RequestShape = tuple[Any, ...]
_TOKENS = re.compile(r"<<<[a-z]+_[0-9]+>>>")
# Where one of these stands outside of a token, a rule about misspelt tokens may have an opinion.
_MARKS = re.compile(r"[<>@]")


class _Unlike(Exception):
    """A part that only a check can judge."""


def request_shape(
    form: OperationLayout, request: Mapping[str, Any], element_kinds: Mapping[int, str]
) -> RequestShape | None:
    """What the rules can see of a request, or None when that is all of it."""
    inputs: dict[Any, int] = {}
    try:
        fields = tuple([(name, _seen(value, (name,), form, inputs)) for name, value in request.items()])
    except _Unlike:
        return None
    return (fields, tuple(element_kinds.items())) if element_kinds else (fields,)


def _seen(value: Any, pattern: tuple[str, ...], form: OperationLayout, inputs: dict[Any, int]) -> Any:
    if isinstance(value, str):
        return _text(value, pattern, form, inputs)
    if isinstance(value, dict):
        return ("{", *[(name, _seen(item, (*pattern, name), form, inputs)) for name, item in value.items()])
    if isinstance(value, list):
        return ("[", *[_seen(item, (*pattern, "*"), form, inputs) for item in value])
    if isinstance(value, OutputRef):
        return (value.kind, inputs.setdefault((value.address, value.output), len(inputs)))
    if isinstance(value, FileRef):
        return ("file", inputs.setdefault(value.sha256, len(inputs)))
    return (type(value), value)  # true is not 1


def _text(value: str, pattern: tuple[str, ...], form: OperationLayout, inputs: dict[Any, int]) -> Any:
    if pattern in form.prompts:
        return _prompt(value, form.shortest_prompt)
    if pattern in form.medias and value.startswith(("http://", "https://")):
        return ("url", inputs.setdefault(value, len(inputs)))
    return value


def _prompt(text: str, longest: int) -> RequestShape:
    if len(text) > longest:
        raise _Unlike
    if "<" not in text and ">" not in text and "@" not in text:
        return ("prompt",)
    if _MARKS.search(_TOKENS.sub("", text)):
        raise _Unlike
    return ("prompt", *_TOKENS.findall(text))
