"""Where a job's files go, decided before anything runs: inside the output folder, and no two jobs in one place."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from kling_pipe.catalog import Operation
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.scope import Recipe
from kling_pipe.outputs.names import MEDIA_SUFFIXES

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?\Z", re.IGNORECASE)
_LONGEST = 200


def makes_files(operation: Operation) -> bool:
    """Whether an operation's results are files (an element is only an id)."""
    return "extension" in operation.kling["result"]


def default_place(recipe: Recipe, cell: Cell, take: int) -> str:
    """`image/keyframe@9x16.t2`: the file's own kind adds the extension; `""` for what has no file."""
    if not makes_files(recipe.operation):
        return ""
    at = f"@{cell.slug}" if cell.slug else ""
    return f"{recipe.kind}/{recipe.scope.prefix}{recipe.name}{at}{f'.t{take}' if take > 1 else ''}"


def chosen_place(text: str, operation: Operation, take_suffix: str) -> str:
    """A `save_as` as a place. Raises ValueError with what is wrong."""
    text = text.strip()
    path = PurePosixPath(text)
    if not text or path.name in ("", ".") or text.endswith("/"):
        raise ValueError("`save_as` names no file")
    if path.is_absolute() or ".." in path.parts or "\\" in text or re.match(r"[A-Za-z]:", text):
        raise ValueError(f"`{text}` leaves the output folder")
    if found := _FORBIDDEN.search(text):
        raise ValueError(f"`{text}` has `{found.group()}`, which not every system allows in a file name")
    for part in path.parts:
        if _RESERVED.match(part) or part.endswith((" ", ".")) or len(part.encode()) > _LONGEST:
            raise ValueError(f"`{part}` is no file name on every system")
    own = path.suffix if path.suffix.lower() in MEDIA_SUFFIXES else ""
    if own and not _fits(own, operation):
        raise ValueError(f"`{text}`: the result is a .{operation.kling['result']['extension']} file, not a {own} file")
    stem = str(path)[: len(str(path)) - len(own)]
    return f"{stem}{take_suffix}{own}"


def _fits(suffix: str, operation: Operation) -> bool:
    families = ({".png", ".jpg", ".jpeg", ".webp"}, {".mp4", ".mov", ".webm"}, {".mp3", ".wav", ".m4a"})
    made = f".{operation.kling['result']['extension']}"
    return any({suffix.lower(), made} <= family for family in families)


def numbered(place: str, output: int) -> str:
    """The stem of the nth output of a job: `sheet`, `sheet.2`, ...; two equal stems are one file too many."""
    path = PurePosixPath(place)
    stem = place[: -len(path.suffix)] if path.suffix.lower() in MEDIA_SUFFIXES else place
    return stem if output == 1 else f"{stem}.{output}"


def folded(place: str) -> str:
    """What two places have in common when a file system tells no case or composed letters apart."""
    return unicodedata.normalize("NFC", place).casefold()
