"""Recipes -> drafts -> jobs: needs, order, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kling_pipe.core.graph import cycle as find_cycle
from kling_pipe.core.graph import order as topological
from kling_pipe.core.json_tree import find_leaves
from kling_pipe.core.keys import key_of
from kling_pipe.manifest.former_keys import FormerKeys
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.media_values import MediaReader
from kling_pipe.manifest.numbering import Origins
from kling_pipe.manifest.output_paths import place_of
from kling_pipe.manifest.problems import Path_, ProblemCollector
from kling_pipe.manifest.reference_lookup import NotFound, check_output, entry_of, value_of
from kling_pipe.manifest.references import Reference, parse_reference
from kling_pipe.manifest.request_builder import BuiltRequest, build
from kling_pipe.manifest.scope import Existing, Recipe
from kling_pipe.manifest.template_refs import reference_in
from kling_pipe.manifest.template_text import Texts
from kling_pipe.manifest.templates import Lookup
from kling_pipe.model import Job, OutputRef

RecordedKey = Callable[[str], str | None]
"""The key that the lock holds at an address; None: it must, and does not; "": then what is asked for now counts."""


@dataclass(slots=True)
class Draft:
    """A job before its key is known. `after` is order without data; `sound` until something in it was refused.

    `former` are its requests as earlier versions built them, if its row was read otherwise.
    """

    address: str
    recipe: Recipe
    cell: Cell
    take: int
    built: BuiltRequest
    needs: tuple[str, ...]
    place: str
    tags: tuple[str, ...]
    sound: bool
    former: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class Drafter:
    """Makes drafts, and cases to blame when something is wrong with one later."""

    media: MediaReader
    trouble: ProblemCollector

    def case(self, draft: Draft) -> JobContext:
        """The case of a draft."""
        return JobContext(draft.recipe, draft.cell, draft.take, self.media, self.trouble)

    def origins(self, draft: Draft) -> Origins:
        """Where each part of a draft's request was written: the request is built once more."""
        found: Origins = {}
        build(JobContext(draft.recipe, draft.cell, draft.take, self.media, ProblemCollector()), found)
        return found

    def drafts(self, recipe: Recipe) -> Iterator[Draft]:
        """One draft per cell and take. Takes share a request unless a template asks for `take`."""
        for cell in recipe.cells:
            case = JobContext(recipe, cell, 1, self.media, self.trouble)
            built, texts = build(case)
            after = _needs(case, texts)
            tags = _tags(case, texts)
            needs = _all_needs(built, after)
            former = self._former(case) if cell.former else ()
            for take in range(1, recipe.takes + 1):
                if take > 1:
                    case = JobContext(recipe, cell, take, self.media, self.trouble)
                    if built.uses_take:
                        built, texts = build(case)
                        needs = _all_needs(built, after)
                        former = self._former(case) if cell.former else ()
                    else:
                        texts = Texts(case, texts.lists, texts.resolve)
                place = place_of(case, texts)
                yield Draft(case.address, recipe, cell, take, built, needs, place, tags, not case.failed, former)

    def _former(self, case: JobContext) -> tuple[Mapping[str, Any], ...]:
        """The request of a case with its row as earlier versions read it; what could not be built then was not made."""
        found = []
        for data in case.cell.former if not case.failed else ():
            then = JobContext(case.recipe, replace(case.cell, data=data), case.take, self.media, ProblemCollector())
            built, _ = build(then)
            found.append({} if then.failed else built.request)
        return tuple(found)


def _all_needs(built: BuiltRequest, after: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(ref.address for ref in find_leaves(built.request, OutputRef)), *after)))


def _words(case: JobContext, texts: Texts, word: str) -> list[tuple[Any, Path_]]:
    """The items of `tags` or `needs`, one or many, templates filled in, each with its place."""
    written = case.recipe.tool.get(word)
    if written is None:
        return []
    path = case.recipe.origins[word]
    if isinstance(written, str):
        written = texts.native(written, path)
        return [(item, path) for item in (written if isinstance(written, list) else [written]) if item is not None]
    items = written if isinstance(written, list) else [written]
    read = [
        (texts.native(item, (*path, index)) if isinstance(item, str) else item, (*path, index))
        for index, item in enumerate(items)
    ]
    return [(item, where) for item, where in read if item is not None]


def _tags(case: JobContext, texts: Texts) -> tuple[str, ...]:
    tags = []
    for tag, path in _words(case, texts, "tags"):
        if isinstance(tag, bool) or not isinstance(tag, str | int) or not str(tag).strip():
            case.refuse("KP102", path, "`tags` wants words", hint="Write [campaign, hero].")
        else:
            tags.append(str(tag).strip())
    return tuple(dict.fromkeys(tags))


def _needs(case: JobContext, texts: Texts) -> tuple[str, ...]:
    """`needs:`: order without data. A name without a cell means all cells that agree with this one, all takes."""
    found: list[str] = []
    for item, path in _words(case, texts, "needs"):
        reference = parse_reference(item) if isinstance(item, str) else reference_in(item)
        if reference is None:
            shown = "a kind alone" if isinstance(item, Lookup) else f"`{item}`"
            case.refuse("KP302", path, f"{shown} is no reference", allowed="kind.name", hint="Write [image.keyframe].")
            continue
        try:
            found += _all_of(case, reference)
        except NotFound as problem:
            case.report(problem, path)
    return tuple(found)


def _all_of(case: JobContext, reference: Reference) -> list[str]:
    scope, cell = case.recipe.scope, case.cell
    entry = entry_of(scope, reference)
    if isinstance(entry, Existing):
        return []
    if reference.picks or reference.cell or reference.take:
        value = value_of(scope, reference, cell)
        return [value.address] if isinstance(value, OutputRef) else []
    shared = {axis: cell.axes[axis] for axis in entry.cells[0].axes if axis in cell.axes}
    agreeing = entry.cells_with(shared)
    if not agreeing:
        raise NotFound("KP302", f"`{entry.title}` has no cell that agrees with this one", hint="Pick a cell by hand.")
    return [entry.address(one, take) for one in agreeing for take in range(1, entry.takes + 1)]


def check_outputs(draft: Draft, found: Mapping[str, Draft], drafter: Drafter) -> None:
    """Report references to outputs that the other job will not make."""
    for reference, path in draft.built.counted:
        value = value_of(draft.recipe.scope, reference, draft.cell)
        target = found.get(value.address) if isinstance(value, OutputRef) else None
        try:
            if target is not None and target.sound:
                check_output(target.recipe, reference, target.built.request)
        except NotFound as problem:
            draft.sound = False
            drafter.case(draft).report(problem, path, reference.title)


def ordered(found: Mapping[str, Draft], drafter: Drafter) -> list[Draft]:
    """The drafts so that each comes after what it needs; a cycle is a problem that names its jobs."""
    needs = {address: [need for need in draft.needs if need in found] for address, draft in found.items()}
    try:
        return [found[address] for address in topological(needs)]
    except ValueError:
        cycle = find_cycle(needs) or []
        first = found[cycle[0]]
        round_trip = cycle if cycle[0] == cycle[-1] else [*cycle, cycle[0]]
        what = "it needs itself" if len(set(cycle)) == 1 else f"these need each other: {' -> '.join(round_trip)}"
        drafter.case(first).refuse(
            "KP312", first.recipe.path, what, key=True, hint="Break the circle: one of them must exist first."
        )
        return []


def jobs(order: list[Draft], recorded: RecordedKey, drafter: Drafter) -> list[Job]:
    """Jobs with keys; each key is known from the jobs before it."""
    keys: dict[str, str] = {}
    shared: dict[int, str] = {}
    former = FormerKeys(keys) if any(draft.former for draft in order) else None
    made = []
    for draft in order:
        kept = _frozen_key(draft, recorded, drafter) if draft.recipe.frozen else None
        key = kept or shared.get(id(draft.built))
        if key is None:
            key = shared[id(draft.built)] = key_of(draft.recipe.operation.name, draft.built.request, keys.__getitem__)
        keys[draft.address] = key
        then = former.of(draft, key) if former and not kept else ()
        made.append(_job(draft, key, then, frozen=bool(kept)))
    return made


def _frozen_key(draft: Draft, recorded: RecordedKey, drafter: Drafter) -> str | None:
    key = recorded(draft.address)
    if key is None:
        drafter.case(draft).refuse(
            "KP313",
            draft.recipe.origins["frozen"],
            f"`{draft.address}` is frozen, and the lock records no result of it",
            hint="Remove `frozen: true`, run once, then freeze; if it was made, `kling-pipe sync` finds it.",
        )
    return key


def _job(draft: Draft, key: str, former_keys: tuple[str, ...], *, frozen: bool) -> Job:
    recipe, cell = draft.recipe, draft.cell
    return Job(
        address=draft.address,
        base=recipe.base(cell),
        kind=recipe.kind,  # type: ignore[arg-type]
        name=recipe.name,
        take=draft.take,
        operation=recipe.operation.name,
        request=draft.built.request,
        key=key,
        project=recipe.scope.project,
        needs=draft.needs,
        cell=cell.axes,
        tags=draft.tags,
        place=draft.place,
        frozen=frozen,
        retries=recipe.retries,
        account=recipe.account,
        takes=recipe.takes,
        position=recipe.position,
        former_keys=former_keys,
    )
