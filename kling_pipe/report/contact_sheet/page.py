"""The page: head, failures, gallery, cost, time line, dependencies. One HTML text out of `templates/`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from kling_pipe.report.contact_sheet import dependency_graph, timeline
from kling_pipe.report.contact_sheet.asset_urls import AssetUrls
from kling_pipe.report.contact_sheet.cards import WORDS, cost_text, longest, timed, tokens
from kling_pipe.report.contact_sheet.compare import Comparison, difference
from kling_pipe.report.contact_sheet.sheet_model import Card, Sheet
from kling_pipe.report.contact_sheet.totals import Total, Totals, sums

if TYPE_CHECKING:
    from jinja2 import Environment

_SESSIONS = 3
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16'"
    " rx='3' fill='%231d6b3a'/%3E%3Cpath d='M6 4l6 4-6 4z' fill='%23fff'/%3E%3C/svg%3E"
)
_FULL = 2
"""So many cells at least, on average, make a row worth its heading."""


def page(sheet: Sheet, shelf: AssetUrls, comparison: Comparison | None = None, *, live: bool = False) -> str:
    """The whole page. Pictures are named by `shelf`; nothing in it asks another host for anything.

    A `live` page listens to the server that it came from.
    """
    script = _asset("sheet.js") + (_asset("live.js") if live else "")
    counted = sums(sheet.cards)
    sessions = timeline.sessions(sheet.takes)
    template = environment().get_template("page.html.jinja")
    return template.render(
        sheet=sheet,
        shelf=shelf,
        comparison=comparison,
        live=live,
        policy=_policy(script),
        icon=_ICON,
        style=_asset("sheet.css"),
        script=script,
        facts=_facts(sheet, counted),
        failures=[(one, take) for one in sheet.cards for take in one.takes if take.state in ("failed", "lost")],
        choices=[choice for choice in _choices(sheet.cards) if len(choice.options) > 1],
        recipes=[_recipe(*title, list(group)) for title, group in groupby(sheet.cards, key=_section)],
        counted=counted,
        charts=[timeline.drawing(session) for session in reversed(sessions[-_SESSIONS:])],
        earlier=len(sessions) - _SESSIONS,
        network=dependency_graph.drawing(sheet.cards),
    )


@cache
def environment() -> Environment:
    """The templates: everything that they are given is text, unless they say `safe`. Nothing unknown is empty."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    found = Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_template))
    found.globals["words"] = WORDS
    found.filters |= {
        "cost": cost_text,
        "difference": difference,
        "json": lambda cell: json.dumps(dict(cell), ensure_ascii=False),
        "longest": longest,
        "timed": timed,
        "tokens": tokens,
        "utc": lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC",
    }
    return found


def _template(name: str) -> tuple[str, str, None]:
    """A template whose line breaks before a tag are comments: no part of the page, and errors keep their lines."""
    return re.sub(r"\s*\n\s*(?=[<{]|\Z)", r"{#\g<0>#}", _asset(f"templates/{name}")), name, None


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    local = "'self' file: data:"
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; connect-src 'self'; "
        f"img-src {local}; media-src {local}; base-uri 'none'; form-action 'none'"
    )


def _facts(sheet: Sheet, counted: Totals) -> Iterator[tuple[str, str, str]]:
    """What the head says: name, value, and the state that gives it a colour."""
    yield "made", f"{counted.states['made']} of {len(sheet.takes)}", "made"
    for state in ("failed", "lost", "blocked", "running", "new"):
        if counted.states[state]:
            yield WORDS[state], str(counted.states[state]), state
    for pack, one in counted.packs.items():
        yield f"{pack} units charged", _against(one, sheet.budget.get(pack)), ""
    usd = sum(one.usd for one in counted.packs.values())
    allowed = sheet.budget.get("usd")
    yield "estimated", f"${usd:.2f}" + (f" of ${allowed:g}" if allowed is not None else ""), ""
    if seconds := sum(take.seconds for take in sheet.takes):
        yield "at Kling", _duration(seconds), ""


def _against(one: Total, allowed: float | None) -> str:
    charged = f"{one.charged:g}" if one.reported else "0"
    unknown = f" + {one.unpriced} unknown" if one.unpriced else ""
    return f"{charged} of {one.estimated:g} est.{unknown}" + (f", budget {allowed:g}" if allowed is not None else "")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Choice(NamedTuple):
    """A filter: its name in the address, its label, and its values with their words."""

    name: str
    label: str
    options: Mapping[str, str]


def _choices(cards: Sequence[Card]) -> Iterator[Choice]:
    states = {one.state for one in cards}
    yield Choice("state", "state", {state: word for state, word in WORDS.items() if state in states})
    yield Choice("kind", "kind", {one.kind: f"{one.kind.capitalize()}s" for one in cards})
    yield Choice("tag", "tag", {tag: tag for tag in sorted({tag for one in cards for tag in one.tags})})
    for axis in dict.fromkeys(axis for one in cards for axis in one.cell):
        yield Choice(f"axis:{axis}", axis, {one.cell[axis]: one.cell[axis] for one in cards if axis in one.cell})


def _section(one: Card) -> tuple[str, str]:
    """What a card stands under: its recipe, or just its kind when it is the recipe's only cell."""
    return (one.kind, one.recipe if one.cell else "")


def _recipe(kind: str, recipe: str, cards: Sequence[Card]) -> tuple[str, str, str, dict[str, list[Card]]]:
    """Cells that belong together. With several axes the first one makes rows, if that does not leave them empty."""
    axis = next(iter(cards[0].cell), "")
    rows: dict[str, list[Card]] = {}
    for one in cards:
        rows.setdefault(one.cell.get(axis, ""), []).append(one)
    if len(cards[0].cell) < 2 or len(cards) < _FULL * len(rows):
        return kind, recipe, "", {"": list(cards)}
    return kind, recipe, axis, rows
