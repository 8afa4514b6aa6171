"""`pick:` written into a manifest in place: one number changes or one entry is added, everything else stays."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from kling_pipe.core.text import nearest
from kling_pipe.errors import LocalStateError, UsageError
from kling_pipe.manifest import Manifest
from kling_pipe.manifest.entries import EVERY
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.scope import Recipe, Scope
from kling_pipe.manifest.yaml.entry_spans import Block, Span, block_at
from kling_pipe.manifest.yaml.scalars import plain
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.temp_files import part_of


@dataclass(frozen=True, slots=True)
class PickEdit:
    """What was written where. `before` is the take that was picked until then."""

    recipe: str
    take: int
    before: int
    file: Path
    line: int


def pick(manifest: Manifest, address: str, take: int, effects: Effects | None = None) -> PickEdit:
    """Make `take` the one that later jobs use, for the recipe or the cell at `address` (its take is not looked at).

    Raises UsageError for what cannot be picked, LocalStateError when the file cannot be written.
    """
    recipe, cell = _recipe(manifest, address)
    if not 1 <= take <= recipe.takes:
        have = "one take" if recipe.takes == 1 else f"{recipe.takes} takes"
        raise UsageError(f"`{recipe.title}` has {have}: there is no take {take}", hint="raise `takes` first, and run")
    file = Path(recipe.scope.document.name).absolute()
    text = _read(file)
    new, at = with_pick(text, [str(part) for part in recipe.path], take, cell.slug if cell else "")
    if new != text:
        _write(file, new, effects or Effects())
    title, before = (recipe.base(cell), recipe.picked(cell)) if cell else (recipe.title, recipe.pick)
    return PickEdit(title, take, before, file, new.count("\n", 0, at) + 1)


def with_pick(text: str, path: list[str], take: int, cell: str = "") -> tuple[str, int]:
    """A manifest's text with `pick: take` in the recipe at `path`, and where that stands. Raises UsageError.

    With `cell` it is `pick: { cell: take }`; what was picked for the other cells stays.
    """
    block = block_at(text, path)
    if block is None:
        raise UsageError(f"`{'.'.join(path)}` is not written out here", hint=f"write `pick: {take}` by hand")
    known = block.entries.get("pick")
    if known is not None:
        if cell:
            return _with_cell(text, [*path, "pick"], known, _key(cell), take)
        if not known.is_scalar:
            hint = f"name one, such as @cell, or write `pick: {take}` by hand"
            raise UsageError(f"`{'.'.join(path)}.pick` says it cell by cell", hint=hint)
        return f"{text[: known.value]}{take}{text[known.end :]}", known.value
    near = block.entries.get("takes")
    if near is None or not near.is_scalar:
        raise UsageError(f"`{'.'.join(path)}` gets its `takes` from elsewhere", hint=f"write `pick: {take}` by hand")
    return _inserted(text, block, near, f"pick: {{ {_key(cell)}: {take} }}" if cell else f"pick: {take}")


def _with_cell(text: str, path: list[str], known: Span, cell: str, take: int) -> tuple[str, int]:
    """`pick` says something already: a number for all cells, or a mapping."""
    if known.is_scalar:
        others = text[known.value : known.end].strip("'\"")
        rest = f', "{EVERY}": {others}' if others != "1" else ""
        return f"{text[: known.value]}{{ {cell}: {take}{rest} }}{text[known.end :]}", known.value
    block = block_at(text, path)
    if block is None:
        raise UsageError(f"`{'.'.join(path)}` is not written out here", hint=f"write `{cell}: {take}` by hand")
    standing = block.entries.get(cell.strip('"'))
    if standing is not None:
        return f"{text[: standing.value]}{take}{text[standing.end :]}", standing.value
    return _inserted(text, block, list(block.entries.values())[-1], f"{cell}: {take}")


def _key(cell: str) -> str:
    """A cell's name as YAML: quoted where it would be read as something else than text."""
    return cell if isinstance(plain(cell), str) else f'"{cell}"'


def _inserted(text: str, block: Block, near: Span, entry: str) -> tuple[str, int]:
    """Behind `near`: after a comma in braces, on a line of its own in a block."""
    if block.is_flow:
        return f"{text[: near.end]}, {entry}{text[near.end :]}", near.end + 2
    ending = re.compile("\r\n|\n|\\Z").search(text, near.end)
    assert ending is not None  # \Z always matches
    line = ending[0] or "\n"
    at = ending.start()
    return f"{text[:at]}{line}{' ' * block.indent}{entry}{text[at:]}", at + len(line) + block.indent


def _recipe(manifest: Manifest, address: str) -> tuple[Recipe, Cell | None]:
    """The recipe at an address, and the cell when one of several is named."""
    title = address.partition("#")[0].partition("@")[0]
    recipes = {recipe.title: recipe for scope in _scopes(manifest.scope) for recipe in scope.recipes()}
    if title not in recipes:
        near = nearest(title, recipes)
        raise UsageError(f"there is no `{title}` to pick a take of", hint=f"did you mean `{near}`?" if near else "")
    recipe = recipes[title]
    cell = address.partition("#")[0].partition("@")[2]
    if cell and cell not in recipe.by_slug:
        near = nearest(cell, recipe.by_slug)
        raise UsageError(f"`{title}` has no cell `{cell}`", hint=f"did you mean `{title}@{near}`?" if near else "")
    return recipe, recipe.by_slug[cell] if cell and len(recipe.cells) > 1 else None


def _scopes(scope: Scope) -> list[Scope]:
    return [scope, *(inner for one in scope.includes.values() for inner in _scopes(one))]


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalStateError(f"`{file}` cannot be read: {error}") from error


def _write(file: Path, text: str, effects: Effects) -> None:
    part = part_of(file)
    marked = file.read_bytes().startswith(b"\xef\xbb\xbf")
    try:
        with part.open("wb") as writer:
            writer.write(text.encode("utf-8-sig" if marked else "utf-8"))
            effects.fsync(writer)
        shutil.copymode(file, part)
        effects.replace(part, file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LocalStateError(f"`{file}` cannot be written: {error.strerror or error}") from error
