"""The sheet on the disk: one folder that opens from there, or one file that holds everything."""

from __future__ import annotations

import base64
import mimetypes
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kling_pipe.effects import Effects
from kling_pipe.errors import LocalStateError
from kling_pipe.outputs.inside import must_stay
from kling_pipe.parts import part_of, sweep
from kling_pipe.posters import Poster, Posters
from kling_pipe.report.sheet.compare import Comparison
from kling_pipe.report.sheet.page import page
from kling_pipe.report.sheet.shelf import Thumb
from kling_pipe.report.sheet.values import Card, Picture, Sheet

_SUFFIXES = {"video": ".mp4", "image": ".png", "audio": ".mp3"}
"""For files whose name does not tell."""


def written(
    sheet: Sheet,
    target: Path,
    posters: Posters,
    *,
    single: bool = False,
    comparison: Comparison | None = None,
    effects: Effects | None = None,
) -> Path:
    """Write the sheet and return the page's path: `target` itself with `single`, else `target/index.html`.

    Pictures are hard links where the disk has them, copies elsewhere. Raises LocalStateError, also where a link below
    `target` leads out of it.
    """
    effects = effects or Effects()
    folders = [target.parent] if single else [target, target / "media", target / "posters"]
    for folder in folders[1:]:
        must_stay(folder, target)
    sweep(folders)
    found = posters.of((one.sha256, one.source) for one in pictures(sheet, comparison) if one.kind != "audio")
    try:
        if single:
            return _save(target, page(sheet, _Inline(found), comparison), effects)
        shelf = FolderShelf(found)
        text = page(sheet, shelf, comparison)
        for name, source in shelf.wanted.items():
            _place(source, target / name, effects)
        return _save(target / "index.html", text, effects)
    except OSError as error:
        hint = "choose another folder with --out, or make room"
        raise LocalStateError(f"`{target}` cannot be written: {error.strerror or error}", hint=hint) from error


def pictures(sheet: Sheet, comparison: Comparison | None = None) -> Iterator[Picture]:
    """Everything that the page may show."""
    before = [change.before for change in comparison.changes if change.before] if comparison else []
    for card in (*sheet.cards, *before):
        yield from _of_card(card)


def _of_card(card: Card) -> Iterator[Picture]:
    for take in card.takes:
        yield from take.pictures
    for reference in card.references:
        if reference.picture is not None:
            yield reference.picture


@dataclass(slots=True)
class FolderShelf:
    """Names below the page. `wanted` are the files that must stand at them."""

    posters: Mapping[str, Poster]
    wanted: dict[str, Path] = field(default_factory=dict)
    inline: bool = False

    def full(self, picture: Picture) -> str:
        """The file beside the page, by its checksum: two jobs that share a result share the file."""
        name = f"media/{picture.sha256[:20]}{_suffix(picture)}"
        self.wanted[name] = picture.source
        return name

    def thumb(self, picture: Picture) -> Thumb | None:
        """The poster beside the page."""
        poster = self.posters.get(picture.sha256)
        if poster is None:
            return None
        name = f"posters/{picture.sha256[:20]}.webp"
        self.wanted[name] = poster.path
        return Thumb(name, poster.width, poster.height)


@dataclass(slots=True)
class _Inline:
    """URLs that carry the bytes."""

    posters: Mapping[str, Poster]
    inline: bool = True

    def full(self, picture: Picture) -> str:
        """The file's bytes."""
        return _data(picture.source, _suffix(picture))

    def thumb(self, picture: Picture) -> Thumb | None:
        """The poster's bytes."""
        poster = self.posters.get(picture.sha256)
        return Thumb(_data(poster.path, poster.path.suffix), poster.width, poster.height) if poster else None


def _suffix(picture: Picture) -> str:
    return picture.source.suffix or picture.suffix or _SUFFIXES[picture.kind]


def _data(path: Path, suffix: str) -> str:
    kind = mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _place(source: Path, target: Path, effects: Effects) -> None:
    """Link or copy, unless the very file stands there already."""
    if target.exists():
        return  # names follow from the bytes
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        effects.link(source, target)
    except OSError:  # no hard links here, or another disk
        part = part_of(target)
        shutil.copyfile(source, part)
        effects.replace(part, target)


def _save(target: Path, text: str, effects: Effects) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    part.write_text(text, encoding="utf-8", newline="\n")
    effects.replace(part, target)
    return target
