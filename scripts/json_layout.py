"""JSON as people lay it out in `schemas/`: short things on one line."""

from __future__ import annotations

import json
from typing import Any


def layout(value: Any, indent: int = 0) -> str:
    """JSON as the operation files have it: what fits stands on one line, the outermost never does."""
    flat = _flat(value)
    if not isinstance(value, dict | list) or not value or (indent and indent + len(flat) <= 110):
        return flat
    space = "\n" + " " * (indent + 2)
    named = value.items() if isinstance(value, dict) else [(None, one) for one in value]
    rows = [f"{'' if key is None else json.dumps(key) + ': '}{layout(one, indent + 2)}" for key, one in named]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{space}{f',{space}'.join(rows)}{space[:-2]}{closing}"


def _flat(value: Any) -> str:
    if isinstance(value, dict) and value:
        return f"{{ {', '.join(f'{json.dumps(key)}: {_flat(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    return json.dumps(value, ensure_ascii=False)
