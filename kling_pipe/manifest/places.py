"""Where a job's files go, decided before anything runs: inside the output folder, and no two jobs in one place."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from kling_pipe.catalog import Operation
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.scope import Recipe

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
_LONGEST = 200


def extension(operation: Operation) -> str:
    """The file extension of what an operation makes, without the dot; `""` when it makes no file."""
    return str(operation.kling["result"].get("extension", ""))


def default_place(recipe: Recipe, cell: Cell, take: int) -> str:
    """`image/keyframe@9x16.t2.png`, relative to the output folder; `""` for what has no file."""
    ending = extension(recipe.operation)
    at = f"@{cell.slug}" if cell.slug else ""
    suffix = f".t{take}" if take > 1 else ""
    return f"{recipe.kind}/{recipe.scope.prefix}{recipe.name}{at}{suffix}.{ending}" if ending else ""


def chosen_place(text: str, operation: Operation, take_suffix: str) -> str:
    """A `save_as` as a place, its extension added if missing. Raises ValueError with what is wrong."""
    path = PurePosixPath(text.strip())
    if not text.strip() or path.name in ("", "."):
        raise ValueError("`save_as` is empty")
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", text):
        raise ValueError(f"`{text}` leaves the output folder")
    if found := _FORBIDDEN.search(text):
        raise ValueError(f"`{text}` has `{found.group()}`, which not every system allows in a file name")
    for part in path.parts:
        if _RESERVED.match(part) or part.endswith((" ", ".")) or len(part.encode()) > _LONGEST:
            raise ValueError(f"`{part}` is no file name on every system")
    ending = f".{extension(operation)}"
    stem = str(path)[: -len(ending)] if path.suffix.lower() == ending else str(path)
    return f"{stem}{take_suffix}{ending}"


def numbered(place: str, output: int) -> str:
    """The place of the nth output of a job: `sheet.png`, `sheet.2.png`, ..."""
    if output == 1:
        return place
    stem, dot, ending = place.rpartition(".")
    return f"{stem}.{output}{dot}{ending}"


def folded(place: str) -> str:
    """What two places have in common when a file system tells no case or composed letters apart."""
    return unicodedata.normalize("NFC", place).casefold()
