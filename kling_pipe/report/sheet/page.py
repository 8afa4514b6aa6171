"""The page: head, failures, gallery, cost, time line, dependencies. One HTML text, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from kling_pipe.report.sheet import network, times
from kling_pipe.report.sheet.cards import WORDS, badge, card
from kling_pipe.report.sheet.changes import changes
from kling_pipe.report.sheet.compare import Comparison
from kling_pipe.report.sheet.markup import Markup, el, many
from kling_pipe.report.sheet.shelf import Shelf
from kling_pipe.report.sheet.sums import Sum, Sums, at_kling, sums
from kling_pipe.report.sheet.values import Card, Sheet

_HERE = Path(__file__).parent
_SESSIONS = 3
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16'"
    " rx='3' fill='%231d6b3a'/%3E%3Cpath d='M6 4l6 4-6 4z' fill='%23fff'/%3E%3C/svg%3E"
)
_FULL = 2
"""So many cells at least, on average, make a row worth its heading."""


def page(sheet: Sheet, shelf: Shelf, comparison: Comparison | None = None, *, live: bool = False) -> str:
    """The whole page. Pictures are named by `shelf`; nothing in it asks another host for anything.

    A `live` page listens to the server that it came from.
    """
    script = _asset("sheet.js") + (_asset("live.js") if live else "")
    title = f"{sheet.project}{f' ({sheet.profile})' if sheet.profile else ''}: contact sheet"
    counted = sums(sheet.cards)
    main = el(
        "main",
        _failures(sheet.cards),
        changes(comparison, shelf) if comparison else None,
        _gallery(sheet, shelf),
        _cost(sheet, counted),
        _times(sheet),
        _network(sheet.cards),
        id="main",
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("link", rel="icon", href=_ICON),
        el("style", Markup(_asset("sheet.css"))),
    )
    body = el(
        "body",
        el("a", "Skip to the gallery", href="#gallery", class_="skip"),
        _head(sheet, counted),
        main,
        _keys(),
        el("script", Markup(script)),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en', data_live=live)}\n"


def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    local = "'self' file: data:"
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        f"img-src {local}; media-src {local}; base-uri 'none'; form-action 'none'"
    )


def _head(sheet: Sheet, counted: Sums) -> Markup:
    marks = [el("span", "EMULATED", class_="emulated")] if sheet.emulated else []
    if sheet.profile:
        marks.append(el("span", sheet.profile, class_="profile"))
    when = f"{datetime.fromtimestamp(sheet.made_at, UTC):%Y-%m-%d %H:%M} UTC" if sheet.made_at else ""
    version = f" · {sheet.version}" if sheet.version else ""
    return el(
        "header",
        el("div", el("h1", sheet.project), *marks, el("span", when + version, class_="when"), class_="title"),
        el("dl", *_facts(sheet, counted), class_="facts"),
        _navigation(sheet),
        class_="top",
    )


def _facts(sheet: Sheet, counted: Sums) -> Iterator[Markup]:
    total = len(sheet.takes)
    yield _fact("made", f"{counted.states['made']} of {total}", "made")
    for state in ("failed", "lost", "blocked", "running", "new"):
        if counted.states[state]:
            yield _fact(WORDS[state], counted.states[state], state)
    for pack, one in counted.packs.items():
        yield _fact(f"{pack} units charged", _against(one, sheet.budget.get(pack)))
    usd = sum(one.usd for one in counted.packs.values())
    allowed = sheet.budget.get("usd")
    yield _fact("estimated", f"${usd:.2f}" + (f" of ${allowed:g}" if allowed is not None else ""))
    if seconds := at_kling(sheet.takes):
        yield _fact("at Kling", _duration(seconds))


def _fact(name: str, value: str | int, state: str = "") -> Markup:
    return el("div", el("dt", name), el("dd", str(value)), class_=f"fact {state}".strip())


def _against(one: Sum, allowed: float | None) -> str:
    charged = f"{one.charged:g}" if one.reported else "0"
    unknown = f" + {one.unpriced} unknown" if one.unpriced else ""
    return f"{charged} of {one.estimated:g} est.{unknown}" + (f", budget {allowed:g}" if allowed is not None else "")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _navigation(sheet: Sheet) -> Markup:
    links = [("gallery", "Gallery"), ("cost", "Cost")]
    if any(take.updated_at for take in sheet.takes):
        links.append(("times", "Time line"))
    if any(card.needs for card in sheet.cards):
        links.append(("network", "Dependencies"))
    return el("nav", *(el("a", name, href=f"#{place}") for place, name in links), aria_label="sections")


def _failures(cards: Sequence[Card]) -> Markup | None:
    bad = [(one, take) for one in cards for take in one.takes if take.state in ("failed", "lost")]
    if not bad:
        return None
    rows = [
        el(
            "li",
            badge(take.state),
            " ",
            el("a", take.address, href=f"#{one.address}"),
            el("span", one.place, class_="place"),
            el("p", "; ".join(take.reasons)),
        )
        for one, take in bad
    ]
    title = "1 job has failed" if len(bad) == 1 else f"{len(bad)} jobs have failed"
    return el("section", el("h2", title), el("ul", *rows), class_="failures", id="failures")


def _gallery(sheet: Sheet, shelf: Shelf) -> Markup:
    parts = [el("h2", "Gallery", class_="quiet"), _filters(sheet.cards)]
    for title, group in groupby(sheet.cards, key=_section):
        parts.append(_recipe(*title, list(group), shelf))
    parts.append(el("p", "Nothing matches.", class_="none", hidden=True))
    return el("section", *parts, id="gallery")


def _section(one: Card) -> tuple[str, str]:
    """What a card stands under: its recipe, or just its kind when it is the recipe's only cell."""
    return (one.kind, one.recipe if one.cell else "")


def _recipe(kind: str, recipe: str, cards: Sequence[Card], shelf: Shelf) -> Markup:
    """Cells that belong together. With several axes the first one makes rows, if that does not leave them empty."""
    words = [el("span", kind, class_="kind"), " ", recipe.partition(".")[2]] if recipe else [_plural(kind)]
    title = el("h3", *words, id=f"recipe-{recipe}" if recipe else None)
    axis = next(iter(cards[0].cell), "")
    rows: dict[str, list[Card]] = {}
    for one in cards:
        rows.setdefault(one.cell.get(axis, ""), []).append(one)
    if len(cards[0].cell) < 2 or len(cards) < _FULL * len(rows):
        return el("section", title, _cards(cards, shelf), class_="recipe")
    groups = [
        el("div", el("p", el("span", axis), " ", el("b", value), class_="axis"), _cards(members, shelf), class_="row")
        for value, members in rows.items()
    ]
    return el("section", title, *groups, class_="recipe")


def _plural(kind: str) -> str:
    return f"{kind.capitalize()}s"


def _cards(cards: Sequence[Card], shelf: Shelf) -> Markup:
    return el("div", *(card(one, shelf) for one in cards), class_="cards")


def _filters(cards: Sequence[Card]) -> Markup:
    """Useless without scripts, so hidden until the script shows it."""
    axes: dict[str, dict[str, None]] = {}
    for one in cards:
        for axis, value in one.cell.items():
            axes.setdefault(axis, {})[value] = None
    states = [state for state in WORDS if any(one.state == state for one in cards)]
    choices = [
        _choice("state", [(state, WORDS[state]) for state in states]),
        _choice("kind", [(kind, _plural(kind)) for kind in dict.fromkeys(one.kind for one in cards)]),
        _choice("tag", [(tag, tag) for tag in sorted({tag for one in cards for tag in one.tags})]),
        *(_choice(f"axis:{axis}", [(value, value) for value in values], axis) for axis, values in axes.items()),
    ]
    search = el("label", "text", el("input", type="search", name="text", placeholder="in prompts and names   /"))
    count = el("output", class_="count", aria_live="polite")
    theme = el("button", "◐", type="button", class_="theme", title="dark or light", aria_label="dark or light")
    keys = el("button", "?", type="button", class_="help", title="keys", aria_label="keys")
    return el("form", search, *choices, count, theme, keys, class_="filters", role="search", hidden=True)


def _choice(name: str, values: Sequence[tuple[str, str]], label: str = "") -> Markup | None:
    if len(values) < 2:
        return None
    options = [el("option", "all", value=""), *(el("option", words, value=value) for value, words in values)]
    return el("label", label or name, el("select", *options, name=name))


def _cost(sheet: Sheet, counted: Sums) -> Markup:
    head = el(
        "tr", *(el("th", name, scope="col") for name in ("what", "jobs", "pack", "estimated", "charged", "estimated $"))
    )
    rows = [_cost_row(*key, one) for key, one in counted.rows.items()]
    dated = f"Prices as of {sheet.price_date}. " if sheet.price_date else ""
    note = el("p", dated, "Charged is what Kling reported; what it did not report is not counted.", class_="note")
    table = el("table", el("thead", head), el("tbody", *rows))
    scroller = el("div", table, class_="wide", tabindex="0", role="region", aria_label="cost table")
    return el("section", el("h2", "Cost"), scroller, note, id="cost")


def _cost_row(kind: str, how: str, pack: str, one: Sum) -> Markup:
    unknown = " + unknown" if one.unpriced else ""
    estimated = "free" if not pack else f"{one.estimated:g}{unknown}"
    charged = f"{one.charged:g}" if one.reported else "–"
    usd = f"${one.usd:.2f}{unknown}" if pack else "–"
    cells = (str(one.takes), pack or "–", estimated, charged, usd)
    return el("tr", el("th", f"{kind} {how}".strip(), scope="row"), *(el("td", cell) for cell in cells))


def _times(sheet: Sheet) -> Markup | None:
    found = times.sessions(sheet.takes)
    if not found:
        return None
    shown = []
    for session in reversed(found[-_SESSIONS:]):
        when = datetime.fromtimestamp(session.begin / 1000, UTC)
        name = f"{when:%Y-%m-%d %H:%M} UTC, {len(session.tasks)} tasks"
        drawn = el("div", times.drawing(session), class_="wide", tabindex="0", role="region", aria_label=name)
        shown.append(el("figure", drawn, el("figcaption", name)))
    left_out = len(found) - len(shown)
    note = el("p", f"and {left_out} earlier sessions", class_="note") if left_out else None
    return el("section", el("h2", "Time line"), *shown, note, id="times")


def _network(cards: Sequence[Card]) -> Markup | None:
    drawn = network.drawing(cards)
    if drawn is None:
        return None
    scroller = el("div", drawn, class_="wide", tabindex="0", role="region", aria_label="drawing of the dependencies")
    return el("section", el("h2", "Dependencies"), scroller, id="network")


def _keys() -> Markup:
    rows = [
        ("/", "search"),
        ("j k", "next and previous"),
        ("space", "play or pause"),
        ("1 to 9", "look at a take"),
        ("p", "pick the take that is looked at"),
        ("Enter", "details"),
        ("Esc", "clear the filters"),
        ("?", "this help"),
    ]
    listed = [many(el("dt", el("kbd", key)), el("dd", what)) for key, what in rows]
    closing = el("form", el("button", "Close"), method="dialog")
    return el("dialog", el("h2", "Keys"), el("dl", *listed), closing, class_="keys", aria_label="keys")
