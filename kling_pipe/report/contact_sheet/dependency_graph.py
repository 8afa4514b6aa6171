"""The dependencies as a drawing: columns from what is used to what uses it. Large campaigns are drawn by recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kling_pipe.report.contact_sheet.sheet_model import Card

MOST = 40
"""So many boxes are still readable; beyond, all cells of a recipe are one box."""

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 40, 70, 14


class Box(NamedTuple):
    """A node: what it says in two lines, where it leads, its state, and what it needs."""

    name: str
    note: str
    href: str
    state: str
    needs: tuple[str, ...]


class Graph(NamedTuple):
    """Boxes with their places, and the paths between them."""

    width: int
    height: int
    edges: list[str]
    boxes: list[tuple[Box, int, int]]
    box_width: int = _WIDTH
    box_height: int = _HEIGHT


def drawing(cards: Sequence[Card]) -> Graph | None:
    """The drawing; None when nothing depends on anything."""
    boxes = _by_cell(cards) if len(cards) <= MOST else _by_recipe(cards)
    if not any(box.needs for box in boxes.values()):
        return None
    columns = _columns(boxes)
    spots = {
        name: (12 + x * (_WIDTH + _GAP_X), 12 + y * (_HEIGHT + _GAP_Y))
        for x, names in enumerate(columns)
        for y, name in enumerate(names)
    }
    return Graph(
        width=24 + len(columns) * (_WIDTH + _GAP_X) - _GAP_X,
        height=24 + max(map(len, columns)) * (_HEIGHT + _GAP_Y) - _GAP_Y,
        edges=[_edge(spots[need], spots[name]) for name, box in boxes.items() for need in box.needs if need in spots],
        boxes=[(box, *spots[name]) for name, box in boxes.items()],
    )


def _by_cell(cards: Sequence[Card]) -> dict[str, Box]:
    return {
        card.address: Box(
            card.recipe, " · ".join(card.cell.values()) or card.kind, f"#{card.address}", card.state, card.needs
        )
        for card in cards
    }


def _by_recipe(cards: Sequence[Card]) -> dict[str, Box]:
    recipes: dict[str, list[Card]] = {}
    for card in cards:
        recipes.setdefault(card.recipe, []).append(card)
    home = {card.address: card.recipe for card in cards}
    boxes = {}
    for recipe, members in recipes.items():
        needs = {home[need] for card in members for need in card.needs if need in home} - {recipe}
        states = Counter(card.state for card in members)
        note = ", ".join(f"{count} {state}" for state, count in states.most_common())
        worst = next((one for one in ("failed", "lost", "blocked", "running", "new") if states[one]), "made")
        boxes[recipe] = Box(recipe, note, f"#recipe-{recipe}", worst, tuple(sorted(needs)))
    return boxes


def _columns(boxes: Mapping[str, Box]) -> list[list[str]]:
    """Each box one column right of the last that it needs. By rounds, not by recursion: chains may be long."""
    depth = dict.fromkeys(boxes, 0)
    for _ in boxes:
        deeper = {
            name: max((depth[need] + 1 for need in box.needs if need in depth), default=0)
            for name, box in boxes.items()
        }
        if deeper == depth:
            break
        depth = deeper
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in boxes:
        columns[depth[name]].append(name)
    return columns


def _edge(source: tuple[int, int], target: tuple[int, int]) -> str:
    x1, y1 = source[0] + _WIDTH, source[1] + _HEIGHT / 2
    x2, y2 = target[0], target[1] + _HEIGHT / 2
    bend = max(20.0, (x2 - x1) / 2)
    return f"M{x1} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2} {y2:g}"
