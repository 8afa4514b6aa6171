"""The compile as an outline: read, build, order, key, verify. All problems are collected before it gives up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.catalog import operations
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.jobs import Draft, RecordedKey, check_outputs, check_places, drafts, jobs, ordered, output_refs
from kling_pipe.manifest.loader import Loader
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.media import MediaReader, Probe
from kling_pipe.manifest.request import Builder, Built
from kling_pipe.manifest.scope import Recipe, Scope
from kling_pipe.manifest.shape import check_shape
from kling_pipe.manifest.trouble import Trouble
from kling_pipe.manifest.verify import verify
from kling_pipe.model import Job, Problem


@dataclass(frozen=True, slots=True)
class Manifest:
    """A compiled campaign. `jobs` stand in an order that respects every dependency.

    `budget` is `{usd, video, image, per_job: {...}}` as written, `limits` slots by pack or `pack/model`.
    `problems` are warnings and notes; errors raise before a Manifest exists. `scope` is the root file.
    """

    path: Path
    project: str
    profile: str
    jobs: tuple[Job, ...]
    budget: Mapping[str, Any]
    limits: Mapping[str, int]
    problems: tuple[Problem, ...]
    scope: Scope
    drafts: Mapping[str, Draft] = field(default_factory=dict, repr=False)

    @property
    def root(self) -> Path:
        """The folder of the root manifest: where lock, ledger and outputs live."""
        return self.path.parent


def compile_manifest(path: Path, *, overrides: Mapping[str, Any] | None = None, profile: str = "", probe: Probe | None = None,
                     files: Files | None = None, recorded: RecordedKey = lambda _: None) -> Manifest:  # fmt: skip
    """Compile one manifest file and all it includes. Raises `ManifestInvalid` with every problem found.

    `overrides` replace values of `vars`; `recorded` gives the key that the lock holds for a frozen job.
    """
    trouble = Trouble()
    media = MediaReader(files or Files(), probe or (lambda _file, _limits: ()))
    root = Loader(trouble, media, profile).scope(path, _shown(path), overrides or {})
    if not root.data:
        raise ManifestInvalid(trouble.problems)
    for scope in _scopes(root):
        check_shape(scope, profile, trouble)
    found = _build(root, media, trouble)
    made = _finish(root, found, recorded, trouble)
    if trouble.errors:
        raise ManifestInvalid(sorted_problems(trouble.problems))
    return Manifest(path, root.project, profile, tuple(made), root.data.get("budget") or {}, root.data.get("limits") or {},
                    tuple(sorted_problems(trouble.problems)), root, found)  # fmt: skip


def sorted_problems(problems: list[Problem]) -> list[Problem]:
    """Problems in the order of their places, file by file."""
    return sorted(problems, key=lambda one: (one.position.file, one.position.line, one.position.column) if one.position else ("", 0, 0))


def _shown(path: Path) -> str:
    """The file's name in messages: relative to where the user stands, if it is below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _scopes(root: Scope) -> list[Scope]:
    return [root, *(inner for scope in root.includes.values() for inner in _scopes(scope))]


def _build(root: Scope, media: MediaReader, trouble: Trouble) -> dict[str, Draft]:
    """All jobs of the root, and of included files those that something here uses."""

    def make(recipe: Recipe, cell: Cell, take: int) -> Builder:
        return Builder(recipe, cell, take, media, trouble)

    by_title = {recipe.title: recipe for scope in _scopes(root) for recipe in scope.recipes()}
    found: dict[str, Draft] = {}
    queue = root.recipes()
    queued = {recipe.title for recipe in queue}
    while queue:
        for draft in drafts(queue.pop(0), make, trouble):
            found[draft.address] = draft
            for need in draft.needs:
                title = need.partition("@")[0].partition("#")[0]
                if title not in queued and title in by_title:
                    queued.add(title)
                    queue.append(by_title[title])
    return found


def _finish(root: Scope, found: dict[str, Draft], recorded: RecordedKey, trouble: Trouble) -> list[Job]:
    for draft in found.values():
        check_outputs(draft, found)
    order = ordered(found, trouble)
    broken = {problem.address for problem in trouble.errors}
    verified: set[int] = set()
    for draft in found.values():
        # A request that could not be built is not checked: its holes would echo the mistake.
        if id(draft.built) not in verified and draft.recipe.address(draft.cell, 1) not in broken:
            verified.add(id(draft.built))
            verify(draft, found)
    if not root.project:
        return []
    made = jobs(order, recorded, _retries(root, trouble), trouble)
    check_places(made, found, operations())
    return made


def _retries(root: Scope, trouble: Trouble) -> int:
    value = root.data.get("retries", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 20:
        trouble.add(root.document, "KP106", ("retries",), f"`retries: {value}` is not possible", allowed="0 to 20")
        return 0
    return value


__all__ = ["Built", "Manifest", "compile_manifest", "output_refs", "sorted_problems"]
