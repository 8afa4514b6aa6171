"""The comparison as a section: before and now side by side, the texts with what was added and taken away."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from kling_pipe.report.sheet.cards import TOKEN, badge, media
from kling_pipe.report.sheet.compare import Change, Comparison
from kling_pipe.report.sheet.markup import Markup, el, many
from kling_pipe.report.sheet.shelf import Shelf
from kling_pipe.report.sheet.values import Card

_WORDS = re.compile(r"\s+|[^\s]+")


def changes(comparison: Comparison, shelf: Shelf) -> Markup:
    """The section; it says so when nothing changed."""
    count = len(comparison.changes)
    title = f"{count} change{'' if count == 1 else 's'} since {comparison.name}"
    note = el("p", f"{comparison.same} cells are the same. {_cost(comparison)}", class_="note")
    shown = [_change(one, shelf) for one in comparison.changes]
    return el("section", el("h2", title), note, *shown, id="changes", class_="changes")


def _cost(comparison: Comparison) -> str:
    before = sum(_usd(one.before) for one in comparison.changes)
    now = sum(_usd(one.now) for one in comparison.changes)
    return f"The changed cells cost ${before:.2f} then and ${now:.2f} now (estimated)." if comparison.changes else ""


def _usd(card: Card | None) -> float:
    return sum(take.estimated.usd or 0.0 for take in card.takes) if card else 0.0


def _change(one: Change, shelf: Shelf) -> Markup:
    heading = el(
        "h3", el("a", one.address, href=f"#{one.address}"), " ", el("span", one.what, class_=f"what {one.what}")
    )
    sides = el("div", _side("before", one.before, shelf), _side("now", one.now, shelf), class_="sides")
    return el("article", heading, sides, _texts(one), _facts(one), class_="change")


def _side(name: str, card: Card | None, shelf: Shelf) -> Markup:
    if card is None:
        return el("figure", el("div", el("span", "nothing"), class_="frame empty"), el("figcaption", name))
    take = next((one for one in card.takes if one.number == card.picked), card.takes[0])
    shown = [media(picture, shelf, f"{card.address}, {name}") for picture in take.pictures]
    empty = el("div", badge(card.state), class_=f"frame empty {card.state}")
    caption = f"{name}, take {take.number}" if len(card.takes) > 1 else name
    charged = f", {take.charged:g} units" if take.charged else ""
    return el("figure", *(shown or [empty]), el("figcaption", caption + charged))


def _texts(one: Change) -> Markup | None:
    before, now = _text(one.before), _text(one.now)
    if before == now:
        return None
    return el("p", difference(before, now), class_="difference", dir="auto")


def _text(card: Card | None) -> str:
    written = " / ".join(shot.text.strip() for shot in card.shots) if card else ""
    return TOKEN.sub(r"‹\1 \2›", written)


def difference(before: str, now: str) -> Markup:
    """Both texts in one, by words: what was taken away in `del`, what was added in `ins`."""
    old, new = _WORDS.findall(before), _WORDS.findall(now)
    parts: list[Markup | str] = []
    for what, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            parts.append("".join(old[a:b]))
            continue
        if b > a:
            parts.append(el("del", "".join(old[a:b])))
        if d > c:
            parts.append(el("ins", "".join(new[c:d])))
    return many(*parts)


def _facts(one: Change) -> Markup | None:
    before, now = dict(one.before.facts if one.before else ()), dict(one.now.facts if one.now else ())
    if not (one.before and one.now):
        return None
    rows = [
        el("li", el("code", name), " ", el("del", before.get(name, "–")), " → ", el("ins", now.get(name, "–")))
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if one.before.picked != one.now.picked:
        rows.append(el("li", "picked take ", el("del", one.before.picked), " → ", el("ins", one.now.picked)))
    if not rows and _text(one.before) == _text(one.now) and one.before.key != one.now.key:
        rows.append(el("li", "made from other inputs"))
    return el("ul", *rows, class_="settings") if rows else None
