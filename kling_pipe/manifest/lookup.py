"""A reference, seen from a job, to the value it stands for: an output of one job, a file, a URL, an id."""

from __future__ import annotations

from kling_pipe.catalog import output_count
from kling_pipe.keys import ExistingId
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.names import Reference
from kling_pipe.manifest.scope import Existing, Recipe, Scope
from kling_pipe.manifest.words import PLURALS
from kling_pipe.model import FileRef, OutputRef
from kling_pipe.nearest import nearest

Value = OutputRef | FileRef | ExistingId | str


class NotFound(Exception):  # noqa: N818 - becomes a problem with a place
    """A reference that names nothing, or more than one thing."""

    def __init__(self, id: str, message: str, *, near: str = "", allowed: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.id, self.message, self.near, self.allowed, self.hint = id, message, near, allowed, hint


def entry_of(scope: Scope, reference: Reference) -> Existing | Recipe:
    """The entry a reference names, in this scope or an included one."""
    *aliases, name = reference.path
    for alias in aliases:
        if alias not in scope.includes:
            raise NotFound("KP301", f"nothing is included as `{alias}`", near=nearest(alias, scope.includes),
                           allowed=", ".join(scope.includes), hint=f"Add `include: {{{alias}: path.yaml}}`.")  # fmt: skip
        scope = scope.includes[alias]
    known = scope.entries.get(reference.kind, {})
    if name not in known:
        raise NotFound("KP301", f"there is no {reference.kind} named `{name}`", near=_near_name(scope, reference.kind, name),
                       allowed=_shown(known), hint=f"Add it under `{PLURALS.get(reference.kind, reference.kind)}:`, or correct the name.")  # fmt: skip
    return known[name]


def _near_name(scope: Scope, kind: str, name: str) -> str:
    if near := nearest(name, scope.entries.get(kind, {})):
        return f"{kind}.{near}"
    elsewhere = [other for other, names in scope.entries.items() if name in names]
    return f"{elsewhere[0]}.{name}" if elsewhere else ""


def _shown(names: object) -> str:
    listed = list(names)  # type: ignore[call-overload]
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")


def value_of(scope: Scope, reference: Reference, cell: Cell) -> Value:
    """What a reference stands for when a job in `cell` uses it. Raises `NotFound`."""
    entry = entry_of(scope, reference)
    if isinstance(entry, Existing):
        if reference.picks or reference.cell or reference.take or reference.output > 1:
            raise NotFound("KP302", f"`{reference.kind}.{'.'.join(reference.path)}` exists already: it has no cells, takes or outputs",
                           hint="Name it alone.")  # fmt: skip
        return entry.value
    target = _cell_of(entry, reference, cell)
    take = reference.take or entry.pick
    if not 1 <= take <= entry.takes:
        raise NotFound("KP302", f"`{entry.title}` has {entry.takes} take{'s' if entry.takes > 1 else ''}, not a take {take}",
                       hint=f"Set `takes: {take}` there, or name another.")  # fmt: skip
    return OutputRef(entry.address(target, take), entry.kind, take, reference.output or 1)  # type: ignore[arg-type]


def check_output(recipe: Recipe, reference: Reference, request: object) -> None:
    """Raise `NotFound` when a reference names an output that the request will not make."""
    count = output_count(recipe.operation, request)  # type: ignore[arg-type]
    if count is not None and reference.output > count:
        raise NotFound("KP302", f"`{recipe.title}` makes {count} output{'s' if count > 1 else ''}, not an output {reference.output}",
                       hint="Outputs count from 1.")  # fmt: skip


def _cell_of(recipe: Recipe, reference: Reference, cell: Cell) -> Cell:
    candidates = recipe.cells
    if reference.cell:
        candidates = [one for one in candidates if one.slug == reference.cell]
        if not candidates:
            raise NotFound("KP302", f"`{recipe.title}` has no cell `@{reference.cell}`",
                           near=nearest(reference.cell, (one.slug for one in recipe.cells)),
                           allowed=_shown([one.slug for one in recipe.cells]))  # fmt: skip
        return candidates[0]
    picked: set[str] = set()
    for pick in reference.picks:
        candidates, axis = _picked(recipe, candidates, pick)
        picked.add(axis)
    if len(candidates) == 1 and not (recipe.cells[0].axes.keys() - picked):
        return candidates[0]
    return _joined(recipe, reference, [one for one in candidates], picked, cell)


def _picked(recipe: Recipe, candidates: list[Cell], pick: str) -> tuple[list[Cell], str]:
    axes = [axis for axis in recipe.cells[0].axes if any(one.axes.get(axis) == pick for one in recipe.cells)] if recipe.cells else []
    if not axes:
        values = sorted({value for one in recipe.cells for value in one.axes.values()})
        raise NotFound("KP302", f"no cell of `{recipe.title}` has the value `{pick}`", near=nearest(pick, values),
                       allowed=_shown(values))  # fmt: skip
    if len(axes) > 1:
        raise NotFound("KP302", f"`{pick}` is a value of several axes of `{recipe.title}`: {', '.join(axes)}",
                       hint=f"Name the cell: `{recipe.title}@{recipe.cells[0].slug}`.")  # fmt: skip
    return [one for one in candidates if one.axes.get(axes[0]) == pick], axes[0]


def _joined(recipe: Recipe, reference: Reference, candidates: list[Cell], picked: set[str], cell: Cell) -> Cell:
    """The one candidate that has this job's values on the axes both share."""
    shared = [axis for axis in (recipe.cells[0].axes if recipe.cells else ()) if axis in cell.axes and axis not in picked]
    found = [one for one in candidates if all(one.axes.get(axis) == cell.axes[axis] for axis in shared)]
    if len(found) == 1:
        return found[0]
    if not found:
        wanted = ", ".join(f"{axis}={cell.axes[axis]}" for axis in shared) or "those values"
        raise NotFound("KP302", f"`{recipe.title}` has no cell with {wanted}", allowed=_shown([one.slug for one in recipe.cells]),
                       hint="Add the value to its matrix, or exclude it here.")  # fmt: skip
    missing = [axis for axis in recipe.cells[0].axes if axis not in cell.axes and axis not in picked]
    example = found[0].axes[missing[0]] if missing else ""
    raise NotFound("KP302", f"`{recipe.title}` has an axis `{missing[0] if missing else '?'}` that this job has not",
                   hint=f"Pick a cell: `{recipe.kind}.{'.'.join(reference.path)}['{example}']`, or add the axis here.")  # fmt: skip
