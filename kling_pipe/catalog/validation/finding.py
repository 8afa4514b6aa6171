"""What a check finds, and the words in which it says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from kling_pipe.core.json_pointer import Pointer


class Finding(NamedTuple):
    """One thing in a request body that is wrong or doubtful; the caller knows where the body stands in a file.

    `rule` is the API rule's id (`OV-05`) or `schema/<keyword>`. `pointer` leads to the very value at fault;
    for something that is missing, to where it would stand. `source` is the page that says so.
    """

    rule: str
    level: str
    pointer: Pointer
    message: str
    found: str = ""
    allowed: str = ""
    near: str = ""
    hint: str = ""
    source: str = ""


_LONGEST_QUOTE = 60


def quoted(value: Any) -> str:
    """A value as a person wrote it, shortened: `on`, `3`, `true`, `[3 items]`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = str(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def choices(values: Sequence[Any], word: str = "or") -> str:
    """Alternatives as words: `std, pro or 4k`; `3 to 15` for four or more numbers in a row."""
    texts = [quoted(value) for value in values]
    if len(texts) > 3 and _in_a_row(texts):
        return f"{texts[0]} to {texts[-1]}"
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def _in_a_row(texts: Sequence[str]) -> bool:
    return all(text.isdecimal() for text in texts) and all(
        int(after) == int(before) + 1 for before, after in pairwise(texts)
    )


def label(schema: Mapping[str, Any], pointer: Pointer) -> str:
    """How a person calls a place: ``shot 3: `prompt` ``. List items have the name that `x-item` gives them."""
    places, field, at = [], "", schema
    for step in pointer:
        if isinstance(step, int):
            places.append(f"{at.get('x-item', field)} {step + 1}")
            at, field = at.get("items", {}), ""
        else:
            at, field = at.get("properties", {}).get(step, {}), step
    return ": ".join([*places, *([f"`{field}`"] if field else [])])
