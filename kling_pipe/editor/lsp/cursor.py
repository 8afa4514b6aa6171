"""Where the cursor stands in a manifest that may be half typed: at a key, at a value, in a template. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kling_pipe.editor.lsp.partial_flow import flow_place
from kling_pipe.editor.lsp.partial_yaml import KEY, PartialYaml, Path_, lines_of

_CLOSED = {"{{": "}}", "{%": "%}"}


@dataclass(frozen=True, slots=True)
class CursorContext:
    """Where the cursor stands.

    `path` leads to the mapping whose key is typed (`is_key`), or to the value. `may_be_value`: a word that may turn out
    to be either. `start` is where the word under the cursor begins; `keys` are those of a flow mapping so far.
    """

    path: Path_
    is_key: bool
    start: int
    prefix: str
    may_be_value: bool = False
    expression: str | None = None
    keys: tuple[str, ...] = ()


def place_at(text: str, offset: int) -> CursorContext | None:
    """The place at a character; None in a comment."""
    sketch = PartialYaml()
    for start, line in lines_of(text):
        if start + len(line) > offset or (start + len(line) == offset and not line.endswith("\n")):
            return _within(sketch, text, start, offset)
        sketch.feed(line, start)
    return _within(sketch, text, offset, offset)


def _within(sketch: PartialYaml, text: str, start: int, offset: int) -> CursorContext | None:
    before = text[start:offset]
    column = len(before) - len(before.lstrip(" "))
    sketch.recover(before, column)
    in_block = sketch.block is not None and (column > sketch.block or not before.strip())
    if in_block or sketch.quote:
        return _value(sketch.path, text, sketch.value_start, offset)
    if sketch.flow:
        return _in_flow(sketch.path, text, sketch.flow_start, offset)
    if before.lstrip().startswith("#"):
        return None
    sketch.block = None
    column = sketch.dashes(before, column)
    match = KEY.match(before, column)
    if match is None:
        return _open_word(sketch, text, start + column, offset, column)
    sketch.close(column)
    path = (*sketch.path, match[1].strip("'\""))
    value = start + match.end() + len(before[match.end() :]) - len(before[match.end() :].lstrip())
    return (
        _in_flow(path, text, value, offset)
        if text[value : value + 1] in ("{", "[")
        else _value(path, text, value, offset)
    )


def _open_word(sketch: PartialYaml, text: str, start: int, offset: int, column: int) -> CursorContext:
    """A line without a colon: a key that is being typed, an item of a list, or a value on its own line."""
    if text[start:offset][:1] in ("{", "["):
        return _in_flow(sketch.path, text, start, offset)
    is_item = bool(sketch.stack) and isinstance(sketch.stack[-1][1], int) and sketch.stack[-1][0] < column
    if not is_item:
        sketch.close(column)
    if (expression := _expression(text, start, offset)) is not None:
        return CursorContext(sketch.path, False, offset, "", expression=expression)
    begins = start + (1 if text[start : start + 1] in ("'", '"') and start < offset else 0)
    return CursorContext(sketch.path, True, begins, text[begins:offset], may_be_value=True)


def _value(path: Path_, text: str, start: int, offset: int) -> CursorContext | None:
    if (expression := _expression(text, start, offset)) is not None:
        return CursorContext(path, False, offset, "", expression=expression)
    begins = min(start, offset)
    if text[begins:offset][:1] not in ("'", '"') and " #" in text[begins:offset]:
        return None
    if text[begins:offset][:1] in ("'", '"'):
        begins += 1
    return CursorContext(path, False, begins, text[begins:offset])


def _in_flow(path: Path_, text: str, start: int, offset: int) -> CursorContext:
    found = flow_place(text[start:offset])
    below = (*path, *found.path)
    begins = start + found.start
    if (expression := _expression(text, start, offset)) is not None:
        return CursorContext(below, False, offset, "", expression=expression)
    return CursorContext(below, found.is_key, begins, text[begins:offset], keys=found.keys)


def _expression(text: str, start: int, offset: int) -> str | None:
    """What stands between `{{` and the cursor; None outside of templates."""
    tail = text[start:offset]
    opened = max(tail.rfind("{{"), tail.rfind("{%"))
    if opened < 0:
        return None
    inner = tail[opened + 2 :]
    return None if _CLOSED[tail[opened : opened + 2]] in inner else inner
