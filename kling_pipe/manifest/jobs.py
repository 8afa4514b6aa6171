"""Built requests -> jobs: needs, order, keys, places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kling_pipe.catalog import output_count
from kling_pipe.graph import cycle as find_cycle
from kling_pipe.graph import order as topological
from kling_pipe.keys import key_of
from kling_pipe.manifest.lookup import NotFound, check_output, entry_of, value_of
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.names import Reference, parse_reference
from kling_pipe.manifest.places import chosen_place, default_place, folded, numbered
from kling_pipe.manifest.request import Builder, Built
from kling_pipe.manifest.scope import Existing, Recipe
from kling_pipe.manifest.trouble import Trouble
from kling_pipe.model import Job, Json, OutputRef

RecordedKey = Callable[[str], str | None]
"""The key that the lock records at an address (base and take), or None."""


@dataclass(slots=True)
class Draft:
    """A job before its key is known."""

    recipe: Recipe
    cell: Cell
    take: int
    built: Built
    builder: Builder
    after: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The full address."""
        return self.recipe.address(self.cell, self.take)

    @property
    def needs(self) -> tuple[str, ...]:
        """Addresses of the jobs whose outputs this one uses, and those it must follow."""
        used = [ref.address for ref in output_refs(self.built.request)]
        return tuple(dict.fromkeys((*used, *self.after)))


def output_refs(value: Json) -> Iterator[OutputRef]:
    """Every output of another job that a request uses."""
    if isinstance(value, OutputRef):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from output_refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from output_refs(item)


def drafts(recipe: Recipe, make: Callable[[Recipe, Cell, int], Builder], trouble: Trouble) -> Iterator[Draft]:
    """One draft per cell and take. Takes share a request unless a template asks for `take`."""
    for cell in recipe.cells:
        builder = make(recipe, cell, 1)
        built = builder.build()
        after = _needs(recipe, cell, builder)
        for take in range(1, recipe.takes + 1):
            if take > 1 and built.uses_take:
                builder = make(recipe, cell, take)
                built = builder.build()
            yield Draft(recipe, cell, take, built, builder, after)


def _needs(recipe: Recipe, cell: Cell, builder: Builder) -> tuple[str, ...]:
    """`needs:`: order without data. A name without a cell means all cells that agree with this one, all takes."""
    written = recipe.tool.get("needs")
    if written is None:
        return ()
    path = recipe.origins["needs"]
    found: list[str] = []
    for index, item in enumerate(written if isinstance(written, list) else [written]):
        reference = parse_reference(item) if isinstance(item, str) else None
        if reference is None:
            builder.refuse("KP302", (*path, index), f"`{item}` is no reference", allowed="kind.name")
            continue
        try:
            found += _all_of(recipe, reference, cell)
        except NotFound as problem:
            builder.refuse(problem.id, (*path, index), problem.message, near=problem.near, allowed=problem.allowed, hint=problem.hint)
    return tuple(found)


def _all_of(recipe: Recipe, reference: Reference, cell: Cell) -> list[str]:
    entry = entry_of(recipe.scope, reference)
    if isinstance(entry, Existing):
        return []
    if reference.picks or reference.cell or reference.take:
        value = value_of(recipe.scope, reference, cell)
        return [value.address] if isinstance(value, OutputRef) else []
    agreeing = [one for one in entry.cells if all(cell.axes.get(axis, value) == value for axis, value in one.axes.items())]
    return [entry.address(one, take) for one in agreeing for take in range(1, entry.takes + 1)]


def check_outputs(draft: Draft, by_address: Mapping[str, Draft]) -> None:
    """Report references to outputs that the other job will not make."""
    for reference, path in draft.built.references:
        if reference.output <= 1:
            continue
        value = value_of(draft.recipe.scope, reference, draft.cell)
        target = by_address.get(value.address) if isinstance(value, OutputRef) else None
        try:
            if target is not None:
                check_output(target.recipe, reference, target.built.request)
        except NotFound as problem:
            draft.builder.refuse(problem.id, path, problem.message, hint=problem.hint)


def ordered(found: Mapping[str, Draft], trouble: Trouble) -> list[Draft]:
    """The drafts so that each comes after what it needs; a cycle is a problem that names its jobs."""
    needs = {address: [need for need in draft.needs if need in found] for address, draft in found.items()}
    cycle = find_cycle(needs)
    if cycle:
        first = found[cycle[0]]
        first.builder.refuse("KP312", first.recipe.path, f"these need each other: {' -> '.join(cycle)}", key=True,
                             hint="Break the circle: one of them must exist first.")  # fmt: skip
        return []
    return [found[address] for address in topological(needs)]


def jobs(order: list[Draft], recorded: RecordedKey, retries: int, trouble: Trouble) -> list[Job]:
    """Jobs with keys; each key is known from the jobs before it."""
    keys: dict[str, str] = {}
    made = []
    for draft in order:
        key = _frozen_key(draft, recorded) if draft.recipe.tool.get("frozen") is True else None
        keys[draft.address] = key or key_of(draft.recipe.operation.name, draft.built.request, keys.__getitem__)
        made.append(_job(draft, keys[draft.address], retries, trouble))
    return made


def _frozen_key(draft: Draft, recorded: RecordedKey) -> str | None:
    key = recorded(draft.address)
    if key is None:
        draft.builder.refuse("KP313", draft.recipe.origins["frozen"], f"`{draft.address}` is frozen, and the lock records no result of it",
                             hint="Remove `frozen: true`, run once, then freeze.")  # fmt: skip
    return key


def _job(draft: Draft, key: str, retries: int, trouble: Trouble) -> Job:
    recipe, cell = draft.recipe, draft.cell
    return Job(
        address=draft.address, base=recipe.base(cell), kind=recipe.kind,  # type: ignore[arg-type]
        name=recipe.name, take=draft.take, operation=recipe.operation.name, request=draft.built.request, key=key,
        project=recipe.scope.project, needs=draft.needs, cell=cell.axes, tags=_tags(draft), place=_place(draft),
        frozen=recipe.tool.get("frozen") is True, retries=_retries(draft, retries), takes=recipe.takes,
        position=recipe.position,
    )  # fmt: skip


def _tags(draft: Draft) -> tuple[str, ...]:
    tags = draft.recipe.tool.get("tags", ())
    if isinstance(tags, str):
        tags = [tags]
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        draft.builder.refuse("KP102", draft.recipe.origins["tags"], "`tags` wants a list of words")
        return ()
    return tuple(tags)


def _retries(draft: Draft, default: int) -> int:
    value = draft.recipe.tool.get("retries", default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 20:
        draft.builder.refuse("KP106", draft.recipe.origins["retries"], f"`retries: {value}` is not possible", allowed="0 to 20")
        return 0
    return value


def _place(draft: Draft) -> str:
    written = draft.recipe.tool.get("save_as")
    place = default_place(draft.recipe, draft.cell, draft.take)
    if written is None:
        return place
    path = draft.recipe.origins["save_as"]
    if not isinstance(written, str) or not place:
        draft.builder.refuse("KP102", path, "`save_as` wants a path" if place else "an element has no file to save")
        return place
    # A take that the template names itself needs no suffix of ours.
    builder = draft.builder if draft.take == 1 else Builder.like(draft.builder, draft.take)
    uses = draft.built.uses_take
    builder.built.uses_take = False
    text = builder.render(written, path)
    names_take, builder.built.uses_take = builder.built.uses_take, uses
    if text is None:
        return place
    try:
        return chosen_place(text, draft.recipe.operation, "" if names_take or draft.take == 1 else f".t{draft.take}")
    except ValueError as error:
        draft.builder.refuse("KP314", path, str(error), hint="Write a path below the output folder, with / between folders.")
        return place


def check_places(made: list[Job], found: Mapping[str, Draft], operations: Mapping[str, Any]) -> None:
    """Report two jobs that would write the same file."""
    taken: dict[str, str] = {}
    for job in made:
        count = output_count(operations[job.operation], job.request) or 1
        for output in range(1, count + 1) if job.place else ():
            place = numbered(job.place, output)
            other = taken.setdefault(folded(place), job.address)
            if other != job.address:
                draft = found[job.address]
                path = draft.recipe.origins.get("save_as", draft.recipe.path)
                draft.builder.refuse("KP315", path, f"`{other}` and `{job.address}` would both be saved as `{place}`",
                                     hint="Name the axes or the take in `save_as`.")  # fmt: skip
                break
