"""A reference, seen from a job, to the value it stands for: an output of one job, a file, a URL, an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kling_pipe.catalog.operations import output_count
from kling_pipe.core.keys import ExistingId
from kling_pipe.core.text import nearest
from kling_pipe.manifest.keywords import PLURALS
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.references import Reference
from kling_pipe.manifest.scope import Broken, Existing, Recipe, Scope
from kling_pipe.model import FileRef, OutputRef, PresetRef

Value = OutputRef | FileRef | PresetRef | ExistingId | str


class NotFound(Exception):
    """A reference that names nothing, or more than one thing. Without an id it echoes a problem that is reported."""

    def __init__(self, id: str, message: str, *, near: str = "", allowed: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.id, self.message, self.near, self.allowed, self.hint = id, message, near, allowed, hint


def entry_of(scope: Scope, reference: Reference) -> Existing | Recipe:
    """The entry a reference names, in this scope or an included one. Raises `NotFound`."""
    *aliases, name = reference.path
    for alias in aliases:
        if alias not in scope.includes:
            if not scope.document.is_whole:
                raise NotFound("", "")
            raise NotFound(
                "KP301",
                f"nothing is included as `{alias}`",
                near=nearest(alias, scope.includes),
                allowed=", ".join(scope.includes),
                hint=f"Add `include: {{{alias}: path.yaml}}`.",
            )
        scope = scope.includes[alias]
    known = scope.entries.get(reference.kind, {})
    if name not in known:
        if not scope.document.is_whole:
            raise NotFound("", "")
        plural = PLURALS.get(reference.kind)
        hint = (
            f"Add it under `{plural}:`, or correct the name." if plural else f"A {reference.kind} goes by its id here."
        )
        raise NotFound(
            "KP301",
            f"there is no {reference.kind} named `{name}`",
            near=_near_name(scope, reference, name),
            allowed=_shown(known),
            hint=hint,
        )
    entry = known[name]
    if isinstance(entry, Broken):
        raise NotFound("", "")
    return entry


def _near_name(scope: Scope, reference: Reference, name: str) -> str:
    kind, prefix = reference.kind, "".join(f"{alias}." for alias in reference.path[:-1])
    if near := nearest(name, scope.entries.get(kind, {})):
        return f"{kind}.{prefix}{near}"
    elsewhere = [other for other, names in scope.entries.items() if name in names]
    return f"{elsewhere[0]}.{prefix}{name}" if elsewhere else ""


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")


def value_of(scope: Scope, reference: Reference, cell: Cell) -> Value:
    """What a reference stands for when a job in `cell` uses it. Raises `NotFound`."""
    entry = entry_of(scope, reference)
    if isinstance(entry, Existing):
        if reference.picks or reference.cell or reference.take or reference.output > 1:
            raise NotFound(
                "KP302", f"`{reference.title}` exists already: it has no cells, takes or outputs", hint="Name it alone."
            )
        return entry.value
    target = _cell_of(entry, reference, cell)
    take = reference.take or entry.picked(target)
    if not 1 <= take <= entry.takes:
        raise NotFound(
            "KP302",
            f"`{entry.title}` has {entry.takes} take{'s' if entry.takes > 1 else ''}, not a take {take}",
            allowed=f"1 to {entry.takes}",
            hint=f"Set `takes: {take}` there, or name another.",
        )
    return OutputRef(entry.address(target, take), entry.kind, take, reference.output or 1)  # type: ignore[arg-type]


def check_output(recipe: Recipe, reference: Reference, request: Mapping[str, Any]) -> None:
    """Raise `NotFound` when a reference names an output that the request will not make."""
    count = output_count(recipe.operation, request)
    if count is not None and reference.output > count:
        raise NotFound(
            "KP302",
            f"`{recipe.title}` makes {count} output{'s' if count > 1 else ''}, not an output {reference.output}",
            allowed=f"1 to {count}",
            hint="Outputs count from 1.",
        )


def _cell_of(recipe: Recipe, reference: Reference, cell: Cell) -> Cell:
    if reference.cell:
        found = recipe.by_slug.get(reference.cell)
        if found is None:
            raise NotFound(
                "KP302",
                f"`{recipe.title}` has no cell `@{reference.cell}`",
                near=nearest(reference.cell, recipe.by_slug),
                allowed=_shown(recipe.by_slug) if len(recipe.by_slug) > 1 else "no cell at all",
            )
        return found
    axes = recipe.cells[0].axes
    if not axes and not reference.picks:
        return recipe.cells[0]
    picked: dict[str, str] = {}
    for pick in reference.picks:
        picked[_axis_with(recipe, pick, picked)] = pick
    return _joined(recipe, reference, picked, cell)


def _axis_with(recipe: Recipe, pick: str, taken: Mapping[str, str]) -> str:
    """The one axis that has a value; an axis picked already does not count."""
    axes = [axis for axis in recipe.cells[0].axes if axis not in taken and recipe.has_value(axis, pick)]
    if not axes:
        values = sorted({value for one in recipe.cells for value in one.axes.values()})
        raise NotFound(
            "KP302",
            f"no cell of `{recipe.title}` has the value `{pick}`",
            near=nearest(pick, values),
            allowed=_shown(values) or "no values: it has no matrix",
        )
    if len(axes) > 1:
        raise NotFound(
            "KP302",
            f"`{pick}` is a value of several axes of `{recipe.title}`: {', '.join(axes)}",
            hint=f"Name the cell: `{recipe.title}@{recipe.cells[0].slug}`.",
        )
    return axes[0]


def _joined(recipe: Recipe, reference: Reference, picked: Mapping[str, str], cell: Cell) -> Cell:
    """The one cell with the picked values that has this job's values on the axes both share."""
    wanted = {
        axis: picked.get(axis, cell.axes.get(axis, ""))
        for axis in recipe.cells[0].axes
        if axis in picked or axis in cell.axes
    }
    found = recipe.cells_with(wanted)
    if len(found) == 1:
        return found[0]
    if not found:
        values = ", ".join(f"{axis}={value}" for axis, value in wanted.items()) or "those values"
        raise NotFound(
            "KP302",
            f"`{recipe.title}` has no cell with {values}",
            allowed=_shown(recipe.by_slug),
            hint="Add the value to its matrix, or exclude it here.",
        )
    missing = next((axis for axis in recipe.cells[0].axes if axis not in wanted), "?")
    example = found[0].axes.get(missing, "")
    raise NotFound(
        "KP302",
        f"`{recipe.title}` has an axis `{missing}` that this job has not",
        allowed=_shown(dict.fromkeys(one.axes.get(missing, "") for one in found)),
        hint=f"Pick a cell: `{reference}['{example}']`, or add the axis here.",
    )
