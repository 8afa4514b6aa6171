"""Draws a card with Pillow: one base picture per shot, and the strip at its foot that moves with time."""

from __future__ import annotations

import colorsys
import hashlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from kling_pipe.emulator.media.card import FRAME_RATE, Card, Reference
from kling_pipe.emulator.media.fonts import Font, font_for, readable
from kling_pipe.emulator.media.frame_layout import Box, Layout
from kling_pipe.emulator.media.opened import opened

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
SOFT: Colour = (214, 219, 228)
INK: Colour = (18, 20, 26)
ACCENT: Colour = (255, 196, 61)
GOLDEN = 0.381966  # of the colour circle: neighbours always differ, however many shots there are


def hue(text: str) -> float:
    """A place on the colour circle (0 to 1) that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4], "big") / 2**32


def _rgb(h: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(h % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def swatch(name: str) -> Colour:
    """The colour that stands for a picture whose bytes are not here."""
    return _rgb(hue(name), 0.62, 0.78)


def backdrop(card: Card, shot: int) -> tuple[Colour, Colour]:
    """The colours at the top and at the foot of a shot's background."""
    tone = hue(card.seed) + shot * GOLDEN + (card.index - 1) * GOLDEN
    return _rgb(tone, 0.58, 0.46), _rgb(tone + 0.06, 0.66, 0.26)


def _gradient(size: tuple[int, int], top: Colour, foot: Colour) -> Image.Image:
    column = Image.new("RGB", (1, 64))
    for row in range(64):
        share = row / 63
        column.putpixel((0, row), tuple(round(a + (b - a) * share) for a, b in zip(top, foot, strict=True)))
    return column.resize(size, Image.Resampling.BILINEAR)


def _wrap(text: str, font: Font, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        wider = f"{line} {word}" if line else word
        if font.getlength(wider) <= width:
            line = wider
            continue
        lines += [line] if line else []
        line = word
        while font.getlength(line) > width and len(line) > 1:
            cut = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or font.getlength(line[:n]) <= width)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line] if line else lines


def _fit(text: str, box: Box, largest: int, smallest: int) -> tuple[list[str], Font]:
    """The text as lines in the largest size that fits a box; what does not fit at the smallest ends in an ellipsis."""
    size = largest
    while True:
        font = font_for(text, size)
        lines = _wrap(text, font, box.width)
        room = max(1, box.height // (size * 4 // 3))
        if len(lines) <= room:
            return lines, font
        if size <= smallest:
            return [*lines[: room - 1], lines[room - 1][:-1].rstrip() + "…"], font
        size = max(smallest, size * 9 // 10)


def _line(
    pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, *, fill: Colour, anchor: str = "lm"
) -> None:
    pen.text(at, text, font=font_for(text, max(8, size)), fill=fill, anchor=anchor)


def _shortened(text: str, size: int, width: int) -> str:
    text = readable(text)
    font = font_for(text, max(8, size))
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text


def _header(pen: ImageDraw.ImageDraw, card: Card, layout: Layout) -> None:
    box, unit = layout.header, layout.unit
    badge = Box(box.left, box.top, box.left + 30 * unit, box.bottom)
    pen.rounded_rectangle(badge, radius=box.height // 2, fill=ACCENT)
    _line(pen, badge.center, "EMULATED", 4 * unit, fill=INK, anchor="mm")
    right = (box.right, badge.center[1])
    title = _shortened(card.title, 4 * unit, box.width - badge.width - 3 * unit)
    _line(pen, right, title, 4 * unit, fill=WHITE, anchor="rm")


def _panel(picture: Image.Image, pen: ImageDraw.ImageDraw, card: Card, layout: Layout, shot: int) -> None:
    box, unit = layout.panel, layout.unit
    shade = Image.new("RGB", (box.width, box.height), INK)
    mask = Image.new("L", (box.width, box.height), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, box.width - 1, box.height - 1), radius=3 * unit, fill=96)
    picture.paste(shade, (box.left, box.top), mask)
    heading = _heading(card, shot)
    top = box.top + 6 * unit
    _line(pen, (box.left + 4 * unit, top), heading, 5 * unit, fill=ACCENT)
    taken = font_for(heading, 5 * unit).getlength(heading)
    detail = _shortened(card.detail, 3 * unit, int(box.width - taken - 12 * unit))
    _line(pen, (box.right - 4 * unit, top), detail, 3 * unit, fill=SOFT, anchor="rm")
    room = Box(box.left + 4 * unit, box.top + 11 * unit, box.right - 4 * unit, box.bottom - 2 * unit)
    if room.height > 3 * unit:
        lines, font = _fit(readable(card.shots[shot].prompt), room, 7 * unit, max(9, 5 * unit // 2))
        pen.multiline_text((room.left, room.top), "\n".join(lines), font=font, fill=WHITE, spacing=int(font.size // 3))


def _heading(card: Card, shot: int) -> str:
    if len(card.shots) > 1:
        return f"SHOT {shot + 1}/{len(card.shots)}"
    if card.count > 1:
        return f"{card.index} OF {card.count}"
    return "CLIP" if card.seconds else "IMAGE"


def _picture_of(reference: Reference, side: int) -> Image.Image:
    if reference.path:
        try:
            return ImageOps.fit(opened(Path(reference.path)), (side, side))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            pass  # not a picture after all: the swatch says so as well as an error would
    tile = Image.new("RGB", (side, side), swatch(reference.name))
    pen = ImageDraw.Draw(tile)
    name = _shortened(reference.name.rpartition("/")[2] or reference.name, side // 9, side * 9 // 10)
    _line(pen, (side // 2, side * 4 // 5), name, side // 9, fill=WHITE, anchor="mm")
    return tile


def _thumbnails(picture: Image.Image, pen: ImageDraw.ImageDraw, card: Card, layout: Layout) -> None:
    unit = layout.unit
    for number, reference in enumerate(card.references, 1):
        box = layout.thumbnail(number)
        mask = Image.new("L", (box.width, box.height), 0)
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, box.width - 1, box.height - 1), radius=2 * unit, fill=255)
        picture.paste(_picture_of(reference, box.width), (box.left, box.top), mask)
        label = _shortened(reference.label, 5 * unit // 2, box.width)
        _line(pen, (box.center[0], box.bottom + 5 * unit // 2), label, 5 * unit // 2, fill=SOFT, anchor="mm")


def _foot(pen: ImageDraw.ImageDraw, card: Card, layout: Layout, top: int) -> None:
    """What stands in the strip whatever the time: the seed's digest at the right."""
    line = layout.bar.bottom - top + 5 * layout.unit // 2
    _line(pen, (layout.bar.right, line), f"request {card.digest[:12]}", 5 * layout.unit // 2, fill=SOFT, anchor="rm")


def base(card: Card, shot: int = 0) -> Image.Image:
    """The whole card while a shot plays, without the progress on its strip."""
    layout = Layout(card.width, card.height, len(card.references))
    picture = _gradient((card.width, card.height), *backdrop(card, shot))
    pen = ImageDraw.Draw(picture)
    _header(pen, card, layout)
    _panel(picture, pen, card, layout, shot)
    _thumbnails(picture, pen, card, layout)
    _foot(pen, card, layout, 0)
    return picture


def _segments(card: Card, layout: Layout) -> list[tuple[int, int, int]]:
    """Each shot with the columns where its part of the bar begins and ends."""
    total, done, parts = card.frames / FRAME_RATE, 0.0, []
    for index, shot in enumerate(card.shots):
        last = index == len(card.shots) - 1
        end = total if last else done + shot.seconds
        parts.append((index, layout.bar_at(done / total), layout.bar_at(end / total)))
        done = end
    return parts


def strip(card: Card, layout: Layout, ground: Image.Image, frame: int) -> Image.Image:
    """The strip of one frame, drawn over `ground` (the strip of that shot's base)."""
    picture = ground.copy()
    pen, unit, top = ImageDraw.Draw(picture), layout.unit, layout.strip.top
    upper, lower = layout.bar.top - top, layout.bar.bottom - top - 1
    now = layout.bar_at((frame + 1) / card.frames)
    for index, left, right in _segments(card, layout):
        inner = right - (unit if index < len(card.shots) - 1 else 0)
        pen.rectangle((left, upper, inner, lower), fill=(90, 96, 110))
        if now > left:
            pen.rectangle((left, upper, min(now, inner), lower), fill=ACCENT)
    seconds = frame / FRAME_RATE
    clock = f"{seconds:04.1f} s of {card.seconds:g} s"
    _line(pen, (layout.bar.left, layout.bar.bottom - top + 5 * unit // 2), clock, 5 * unit // 2, fill=WHITE)
    return picture
