"""Where a job's files go, decided before anything runs: inside the output folder, and no two jobs in one place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from posixpath import splitext

from kling_pipe.catalog.operations import Operation, output_count
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.scope import Recipe
from kling_pipe.manifest.template_text import Texts
from kling_pipe.model import Job
from kling_pipe.storage.outputs.file_names import MEDIA_SUFFIXES

_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?\Z", re.IGNORECASE)
_LONGEST = 200
_BELOW = "Write a path below the output folder, with / between folders."
_FAMILIES = ({".png", ".jpg", ".jpeg", ".webp"}, {".mp4", ".mov", ".webm"}, {".mp3", ".wav", ".m4a"})


def makes_files(operation: Operation) -> bool:
    """Whether an operation's results are files (an element is only an id)."""
    return "extension" in operation.kling["result"]


def default_place(recipe: Recipe, cell: Cell, take: int) -> str:
    """`image/keyframe@9x16.t2`: the file's own kind adds the extension; `""` for what has no file."""
    if not makes_files(recipe.operation):
        return ""
    at = f"@{cell.slug}" if cell.slug else ""
    return f"{recipe.kind}/{recipe.scope.prefix}{recipe.name}{at}{f'.t{take}' if take > 1 else ''}"


def place_of(case: JobContext, texts: Texts) -> str:
    """The place of one case: its `save_as`, or the default. What is wrong goes to the case."""
    recipe = case.recipe
    written = recipe.tool.get("save_as")
    place = default_place(recipe, case.cell, case.take)
    if written is None:
        return place
    path = recipe.origins["save_as"]
    if not isinstance(written, str) or not place:
        case.refuse(
            "KP102",
            path,
            "`save_as` wants a path" if place else f"this makes no file to save, only the id of the {recipe.kind}",
            hint="" if place else "Remove `save_as`.",
        )
        return place
    uses, texts.uses_take = texts.uses_take, False
    text = texts.text(written, path)
    # A take that the template names itself needs no suffix of ours.
    suffix = "" if texts.uses_take or case.take == 1 else f".t{case.take}"
    texts.uses_take = uses
    if text is None:
        return place
    try:
        return chosen_place(text, recipe.operation, suffix)
    except ValueError as error:
        shown = f"`{text}`" if text != written else ""
        message, hint = (*error.args, _BELOW)[:2]
        case.refuse("KP314", path, message, found=shown, hint=hint)
        return place


def chosen_place(text: str, operation: Operation, take_suffix: str) -> str:
    """A `save_as` as a place. Raises ValueError with what is wrong, and the next step where it is a special one."""
    text = text.strip()
    if text.startswith(("/", "~")) or ".." in text.split("/") or "\\" in text or re.match(r"[A-Za-z]:", text):
        raise ValueError(f"`{_short(text)}` leaves the output folder")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts or text.endswith("/") or parts[-1].startswith("."):
        raise ValueError("`save_as` names no file")
    if found := _FORBIDDEN.search(text):
        raise ValueError(
            f"`{_short(text)}` has `{found.group() if found.group().isprintable() else 'a control character'}`,"
            " which not every system allows in a file name",
            "Leave it out; in a template `| slug` makes a file name of any text.",
        )
    for part in parts:
        if _RESERVED.match(part) or part.endswith((" ", ".")) or len(part.encode()) > _LONGEST:
            raise ValueError(f"`{_short(part)}` is no file name on every system", "Choose another name.")
    place = "/".join(parts)
    stem, dot, end = parts[-1].rpartition(".")
    own = f".{end}" if dot and stem and f".{end}".lower() in MEDIA_SUFFIXES else ""
    if own and not _fits(own, operation):
        raise ValueError(
            f"`{_short(text)}`: the result is a .{operation.kling['result']['extension']} file, not a {own} file",
            f"End it with .{operation.kling['result']['extension']}, or with nothing.",
        )
    return f"{place[: len(place) - len(own)]}{take_suffix}{own}"


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:80]}...{text[-15:]}"


def _fits(suffix: str, operation: Operation) -> bool:
    made = f".{operation.kling['result']['extension']}"
    return any({suffix.lower(), made} <= family for family in _FAMILIES)


def numbered(place: str, output: int) -> str:
    """The stem of the nth output of a job: `sheet`, `sheet.2`, ...; two equal stems are one file too many."""
    suffix = splitext(place)[1]
    stem = place[: -len(suffix)] if suffix.lower() in MEDIA_SUFFIXES else place
    return stem if output == 1 else f"{stem}.{output}"


def folded(place: str) -> str:
    """What two places have in common when a file system tells no case or composed letters apart."""
    return (
        place.lower()
        if place.isascii()
        else unicodedata.normalize("NFC", unicodedata.normalize("NFC", place).casefold())
    )


Clash = Callable[[Job, str, str], None]
"""Told of a job, the address of the other one, and the place that both want."""


def check_places(jobs: Iterable[Job], operations: Callable[[str], Operation], clash: Clash) -> None:
    """Report jobs that would write a file which another one writes."""
    taken: dict[str, str] = {}
    for job in jobs:
        if not job.place:
            continue
        for output in range(1, _outputs(job, operations) + 1):
            place = numbered(job.place, output)
            other = taken.setdefault(folded(place), job.address)
            if other != job.address:
                clash(job, other, place)
                break


def _outputs(job: Job, operations: Callable[[str], Operation]) -> int:
    operation = operations(job.operation)
    count = operation.kling["outputs"]["count"]
    return count if isinstance(count, int) else output_count(operation, job.request) or 1
