"""Text that can be read: fonts that have the glyphs, or a note in place of what no font here can show."""

from __future__ import annotations

import itertools
import os
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import ImageFont, features

Font = ImageFont.FreeTypeFont

# Best first, with wide coverage before style. The first that has every letter of a text draws it.
NAMES = (
    "DejaVuSans-Bold.ttf",
    "NotoSans-Bold.ttf",
    "NotoSansCJK-Bold.ttc",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "SegoeUIb.ttf",
    "arialbd.ttf",
    "msyh.ttc",
    "YuGothB.ttc",
    "malgun.ttf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "AppleSDGothicNeo.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
)
# Scripts whose letters join or reorder: without a shaping engine they come out wrong, which is worse than a note.
SHAPED = frozenset({"Arabic", "Devanagari", "Bengali", "Tamil", "Telugu", "Thai", "Khmer", "Myanmar", "Hebrew"})
JAPANESE = ("HIRAGANA", "KATAKANA")


def folders() -> Iterator[Path]:
    """Where this system keeps its fonts."""
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), Path.home() / "Library/Fonts")
    else:
        yield from (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")


@cache
def font_files() -> tuple[Path, ...]:
    """The known fonts that are here, best first."""
    found = {path.name: path for folder in folders() if folder.is_dir() for path in folder.rglob("*.[to]t[fc]")}
    return tuple(found[name] for name in NAMES if name in found)


@cache
def load(path: Path | None, size: int) -> Font:
    """A font at a size in pixels; None is the one that Pillow brings along."""
    if path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font
    return ImageFont.truetype(str(path), size)


@cache
def _drawn(path: Path | None, character: str) -> bytes:
    return bytes(load(path, 24).getmask(character, mode="1"))


@cache
def has(path: Path | None, character: str) -> bool:
    """Whether a font has a glyph for a character: what it draws differs from its "no such glyph" box."""
    if character.isspace():
        return True
    return _drawn(path, character) not in (_drawn(path, "\U0010fffd"), _drawn(path, "\uffff"), b"")


def covers(path: Path | None, text: str) -> bool:
    """Whether a font has a glyph for every character."""
    return all(has(path, character) for character in set(text))


@cache
def script(character: str) -> str:
    """The script of a character in words: `Japanese`, `Arabic`, `emoji`."""
    if character.isascii():
        return "Latin"
    if unicodedata.category(character) in {"So", "Sk", "Cs", "Co", "Cn"}:
        return "emoji"
    first = unicodedata.name(character, "OTHER").split()[0]
    return {"CJK": "Chinese", "HANGUL": "Korean", **dict.fromkeys(JAPANESE, "Japanese")}.get(first, first.title())


def _readable(paths: tuple[Path | None, ...], character: str) -> bool:
    if script(character) in SHAPED and not features.check("raqm"):
        return False
    return any(has(path, character) for path in paths)


def _note(characters: str) -> str:
    letters = [character for character in characters if not character.isspace()]
    scripts = [script(character) for character in letters]
    # Japanese is written with Chinese characters too: one kana settles it.
    name = "Japanese" if "Japanese" in scripts else max(scripts, key=scripts.count)
    return f"[text in {name}, {len(letters)} character{'' if len(letters) == 1 else 's'}]"


def readable(text: str, files: tuple[Path, ...] | None = None) -> str:
    """The text with every run that no single font here can show replaced by a note of its script and length.

    `files` are the fonts to choose from beside Pillow's own; those of this system if not given.
    """
    text = "".join(
        " " if unicodedata.category(letter) == "Cc" else letter for letter in unicodedata.normalize("NFC", text)
    )
    text = "".join(
        letter for letter in text if unicodedata.category(letter) != "Cf" and not "\ufe00" <= letter <= "\ufe0f"
    )
    paths = (*(font_files() if files is None else files), None)
    if any(covers(path, text) for path in paths) and all(_readable(paths, letter) for letter in set(text)):
        return text
    best = max(paths, key=lambda path: sum(has(path, character) for character in text))
    shown = {letter: has(best, letter) and _readable((best,), letter) for letter in set(text)}
    runs = itertools.groupby(_spaces_with_neighbours(text, shown), key=lambda pair: pair[1])
    return "".join(_run("".join(letter for letter, _ in run), ok) for ok, run in runs)


def _run(letters: str, ok: bool) -> str:
    return letters if ok else f"{_note(letters)}{' ' if letters[-1].isspace() else ''}"


def _spaces_with_neighbours(text: str, shown: dict[str, bool]) -> Iterator[tuple[str, bool]]:
    """Each character with whether it is shown; punctuation and spaces inside a hidden run belong to it."""
    last = True
    for letter in text:
        last = last if letter.isspace() else shown[letter]
        yield letter, last


def font_for(text: str, size: int) -> Font:
    """The first font that has every glyph of a text that went through `readable`."""
    paths = (*font_files(), None)
    return load(next((path for path in paths if covers(path, text)), paths[0]), size)
