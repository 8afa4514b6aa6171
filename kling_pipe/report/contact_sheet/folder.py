"""The sheet on the disk: one folder that opens from there, or one file that holds everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from kling_pipe.errors import LocalStateError
from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.report.contact_sheet.asset_urls import FolderAssets, InlineShelf
from kling_pipe.report.contact_sheet.compare import Comparison
from kling_pipe.report.contact_sheet.page import page
from kling_pipe.report.contact_sheet.sheet_model import Card, Picture, Sheet
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs.safe_path import must_stay
from kling_pipe.storage.temp_files import part_of, sweep


def written(
    sheet: Sheet,
    target: Path,
    posters: Thumbnails,
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
            return _save(target, page(sheet, InlineShelf(found), comparison), effects)
        shelf = FolderAssets(found)
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
