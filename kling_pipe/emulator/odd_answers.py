"""Answers in which one value is another one, as no page of the vendor's says it: what a client has to live with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def changed(body: bytes, at: str, value: Any, *, out: bool = False) -> bytes:
    """An answer's JSON with `value` at a JSON pointer (`*`: in every item of a list), or without what is there (`out`).

    An answer that has no such place stays as it is; "" is all of it.
    """
    if not at:
        return json.dumps(value).encode()
    try:
        form = json.loads(body)
    except ValueError:
        return body
    steps = [step.replace("~1", "/").replace("~0", "~") for step in at.split("/")[1:]]
    _put(form, steps, value, out=out)
    return json.dumps(form).encode()


def _put(form: Any, steps: Sequence[str], value: Any, *, out: bool) -> None:
    step, *rest = steps
    if isinstance(form, list):
        chosen = range(len(form)) if step == "*" else [int(step)] if step.isdecimal() and int(step) < len(form) else []
        for index in chosen:
            if rest:
                _put(form[index], rest, value, out=out)
            else:
                form[index] = None if out else value
    elif isinstance(form, dict) and rest:
        _put(form.get(step), rest, value, out=out)
    elif isinstance(form, dict) and out:
        form.pop(step, None)
    elif isinstance(form, dict):
        form[step] = value
