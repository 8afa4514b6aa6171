"""One card of the gallery: takes side by side, the text with its numbered pictures, and everything else folded away."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from kling_pipe.model import Cost
from kling_pipe.report.sheet.markup import Markup, el, many
from kling_pipe.report.sheet.shelf import Shelf
from kling_pipe.report.sheet.values import Card, Picture, Reference, Shot, State, Take

TOKEN = re.compile(r"<<<([a-z]+)_([0-9]{1,9})>>>")
"""A numbered reference in a prompt."""

WORDS: Mapping[State, str] = {
    "made": "made",
    "running": "under way",
    "failed": "failed",
    "blocked": "blocked",
    "lost": "lost",
    "new": "not made",
}
"""What a state is called on the page."""


def card(one: Card, shelf: Shelf) -> Markup:
    """A card. Everything that filters look at is in its `data-` attributes and its text."""
    return el(
        "article",
        _takes(one, shelf),
        el(
            "header",
            el("h4", el("a", one.name, href=f"#{one.address}")),
            badge(one.state),
        ),
        _shots(one),
        _references(one.references, shelf),
        _trouble(one),
        _more(one),
        id=one.address,
        class_=f"card takes-{min(3, len(one.takes))}",
        tabindex="-1",
        data_state=one.state,
        data_kind=one.kind,
        data_tags=" ".join(one.tags),
        data_axes=json.dumps(dict(one.cell), ensure_ascii=False) if one.cell else None,
    )


def badge(state: State) -> Markup:
    """A state as a word with a colour."""
    return el("span", WORDS[state], class_=f"state {state}")


def cost_text(cost: Cost) -> str:
    """`10 video units ($1.40)`, `free`, or that it is unknown."""
    if cost.pack is None:
        return "free"
    if cost.units is None:
        return "unknown"
    return f"{cost.units:g} {cost.pack} units" + (f" (${cost.usd:.2f})" if cost.usd is not None else "")


def _takes(one: Card, shelf: Shelf) -> Markup:
    if not any(take.pictures for take in one.takes):
        pictures = [picture for reference in one.references[:1] if (picture := reference.picture)]
        stands_in = one.kind == "element" and pictures
        inside = media(pictures[0], shelf, f"{one.address}, from its first picture") if stands_in else _nothing(one)
        return el("div", inside, class_="takes")
    several = len(one.takes) > 1
    return el("div", *(_take(one, take, shelf, several=several) for take in one.takes), class_="takes")


def _nothing(one: Card) -> Markup:
    words = "made, not on this machine" if one.state == "made" and one.kind != "element" else WORDS[one.state]
    return el("div", el("span", words), class_=f"frame empty {one.state}")


def _take(one: Card, take: Take, shelf: Shelf, *, several: bool) -> Markup:
    picked = several and take.number == one.picked
    shown = [
        media(picture, shelf, f"{one.address}, take {take.number}" if several else one.address)
        for picture in take.pictures
    ] or [el("div", el("span", WORDS[take.state]), class_=f"frame empty {take.state}")]
    caption = None
    if several:
        name = f"pick take {take.number} of {one.address}"
        mark = el("b", "★ picked", class_="mark") if picked else el("button", "pick", type="button", aria_label=name)
        caption = el("figcaption", el("span", f"take {take.number}"), mark)
    classes = f"take{' picked' if picked else ''}{' sheet' if len(shown) > 1 else ''}"
    return el("figure", *shown, caption, class_=classes, data_take=take.number, data_address=one.address)


def media(picture: Picture, shelf: Shelf, name: str) -> Markup:
    """A still as a link to its file; a film as its poster, which plays where it stands; a sound with its controls."""
    thumb, full = shelf.thumb(picture), shelf.full(picture)
    length = el("span", f"{picture.seconds:.0f} s", class_="length") if picture.seconds else None
    if picture.kind == "audio":
        sound = el("audio", src=full, controls=True, preload="none", aria_label=name)
        return el("div", sound, length, class_="frame audio")
    if picture.kind == "video" and (shelf.inline or thumb is None):
        return el(
            "video",
            src=full,
            poster=thumb.url if thumb else None,
            controls=True,
            preload="none" if thumb else "metadata",
            playsinline=True,
            class_="frame",
            aria_label=name,
        )
    if picture.kind == "image" and shelf.inline:
        return el("span", _img(full, name), class_="frame")
    image = _img(thumb.url, name, thumb.width, thumb.height) if thumb else _img(full, name)
    return el("a", image, length, href=full, class_=f"frame {picture.kind}", data_play=picture.kind == "video")


def _img(url: str, name: str, width: int | None = None, height: int | None = None) -> Markup:
    return el("img", src=url, alt=name, width=width, height=height, loading="lazy", decoding="async")


def _shots(one: Card) -> Markup | None:
    if not one.shots:
        said = max((value for _, value in one.facts), key=len, default="")
        return el("p", said, class_="prompt", dir="auto") if " " in said else None
    if len(one.shots) == 1:
        return el("p", _prompt(one.shots[0].text), class_="prompt", dir="auto")
    if not any(shot.seconds for shot in one.shots):  # several texts of one request, and no film's order
        return many(*(el("p", _prompt(shot.text), class_="prompt", dir="auto") for shot in one.shots))
    starts = _starts(one.shots)
    rows = [
        el(
            "li",
            el("span", _span(start, shot.seconds), class_="when"),
            el("p", _prompt(shot.text), dir="auto"),
            data_from=f"{start:g}",
            data_to=f"{start + shot.seconds:g}",
        )
        for start, shot in zip(starts, one.shots, strict=True)
    ]
    bar = [el("i", style=f"flex:{max(0.2, shot.seconds):g}") for shot in one.shots]
    return many(el("div", *bar, class_="bar", aria_hidden="true"), el("ol", *rows, class_="shots"))


def _starts(shots: Sequence[Shot]) -> list[float]:
    return [sum(shot.seconds for shot in shots[:number]) for number in range(len(shots))]


def _span(start: float, seconds: float) -> str:
    return f"{start:g}–{start + seconds:g} s" if seconds else ""


def _prompt(prompt: str) -> Markup:
    """The prompt with its numbered references as small labels."""
    parts, end = [], 0
    for match in TOKEN.finditer(prompt):
        parts += [prompt[end : match.start()], el("b", f"{match[1]} {match[2]}", class_="token")]
        end = match.end()
    return many(*parts, prompt[end:])


def _references(references: Sequence[Reference], shelf: Shelf) -> Markup | None:
    if not references:
        return None
    rows = []
    for one in references:
        thumb = shelf.thumb(one.picture) if one.picture else None
        picture = _img(thumb.url, "", thumb.width, thumb.height) if thumb else el("span", class_="blank")
        name = el("a", one.label, href=f"#{_cell(one.address)}") if one.address else one.label
        rows.append(el("li", picture, el("span", el("b", one.token) if one.token else None, " ", name)))
    return el("ul", *rows, class_="references", aria_label="inputs")


def _cell(address: str) -> str:
    return address.partition("#")[0]


def _trouble(one: Card) -> Markup | None:
    """Why there is nothing to see, for every take that has not been made."""
    bad = [take for take in one.takes if take.state in ("failed", "lost", "blocked")]
    rows = [
        el("p", el("b", f"take {take.number}: ") if len(one.takes) > 1 else None, "; ".join(take.reasons))
        for take in bad
    ]
    return el("div", *rows, el("p", one.place, class_="place"), class_="trouble") if bad else None


def _more(one: Card) -> Markup:
    rows = [("address", el("code", one.address)), ("in the manifest", el("code", one.place)), *one.facts]
    if one.tags:
        rows.append(("tags", " ".join(one.tags)))
    for take in one.takes:
        rows += _of_take(take, several=len(one.takes) > 1)
    listed = [many(el("dt", name), el("dd", value)) for name, value in rows if value]
    return el("details", el("summary", "Details"), el("dl", *listed))


def _of_take(take: Take, *, several: bool) -> list[tuple[str, str | Markup]]:
    before = f"take {take.number}: " if several else ""
    seconds = (take.updated_at - take.created_at) / 1000 if take.updated_at and take.created_at else 0.0
    charged = "" if take.charged is None else f"{take.charged:g} units"
    rows: list[tuple[str, str | Markup]] = [
        ("estimated", cost_text(take.estimated)),
        ("charged", charged),
        ("at Kling", f"{seconds:.0f} s" if seconds else ""),
        ("attempt", str(take.attempt) if take.attempt > 1 else ""),
        ("account", take.account),
        ("task", el("code", take.task_id) if take.task_id else ""),
        ("external id", el("code", take.external_task_id)),
        ("element", el("code", " ".join(map(str, take.element_ids))) if take.element_ids else ""),
    ]
    return [(before + name, value) for name, value in rows]
