"""The compile as an outline: read, build, order, verify, key. All problems are collected before it gives up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.catalog.api_v2 import FIRST
from kling_pipe.catalog.compatibility import Known
from kling_pipe.catalog.operations import load_operation
from kling_pipe.core.graph import ancestors
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest.account_names import check_accounts
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.input_files import InspectionHooks, check_inputs
from kling_pipe.manifest.job_builder import Draft, Drafter, RecordedKey, check_outputs, jobs, ordered
from kling_pipe.manifest.loader import Loader
from kling_pipe.manifest.media_values import MediaReader, Probe
from kling_pipe.manifest.output_paths import check_places
from kling_pipe.manifest.problems import ProblemCollector, ProblemKey
from kling_pipe.manifest.request_validation import Verifier, note_tokens
from kling_pipe.manifest.result_compatibility import check_contracts
from kling_pipe.manifest.scope import Recipe, Scope
from kling_pipe.manifest.top_level import check_surroundings
from kling_pipe.manifest.yaml import Opened, nothing_open
from kling_pipe.model import Job, Problem

Settle = Callable[[list[Problem], Mapping[str, str]], list[Problem]]
BLIND = InspectionHooks()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A compiled campaign. `jobs` stand in an order that respects every dependency.

    `budget` is `{usd, video, image, per_job: {...}}` as written, `limits` slots by pack or `pack/model`.
    `problems` are warnings and notes; errors raise before a Manifest exists. `scope` is the root file. `known` are
    facts about the files and links that go in, as far as they were looked at.
    """

    path: Path
    project: str
    profile: str
    jobs: tuple[Job, ...]
    budget: Mapping[str, Any]
    limits: Mapping[str, int]
    problems: tuple[Problem, ...]
    scope: Scope
    known: Known = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The folder of the root manifest: where lock, ledger and outputs live."""
        return self.path.parent


@dataclass(frozen=True, slots=True)
class Reading:
    """A manifest as far as it could be read, sound or not: what an editor shows while somebody types.

    `scopes` are the files, the root first. `jobs` are missing when something that all of them need was refused.
    """

    scopes: tuple[Scope, ...]
    drafts: Mapping[str, Draft]
    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    drafter: Drafter
    known: Known = field(default_factory=dict)


def compile_manifest(
    path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    profile: str = "",
    probe: Probe | None = None,
    files: Files | None = None,
    recorded: RecordedKey = lambda _: None,
    settle: Settle = lambda problems, _: problems,
    publishes: bool = False,
    standard: str = FIRST,
    eyes: InspectionHooks = BLIND,
    accounts: Collection[str] | None = None,
) -> Manifest:
    """Compile one manifest file and all it includes. Raises `ManifestInvalid` with every problem found.

    `overrides` replace values of `vars`; `recorded` gives the key that the lock holds for a frozen job.
    `settle` has the last word on problems and their levels; it gets them with the texts of all files by name.
    `publishes`: a run can hand out links to local files, so that a film may be one. `eyes` look at files and links.
    `standard` is the form in which requests will go out: not all of the first standard has a place in the second.
    `accounts` are the names that jobs may ask for; None where nobody knows them.
    """
    reading = read_manifest(
        path,
        overrides=overrides,
        profile=profile,
        probe=probe,
        files=files,
        recorded=recorded,
        settle=settle,
        publishes=publishes,
        standard=standard,
        eyes=eyes,
        accounts=accounts,
    )
    if any(problem.level == "error" for problem in reading.problems):
        raise ManifestInvalid(reading.problems, addresses=tuple(reading.drafts))
    root = reading.scopes[0]
    return Manifest(
        path,
        root.project,
        profile,
        reading.jobs,
        root.data.get("budget") or {},
        root.data.get("limits") or {},
        reading.problems,
        root,
        reading.known,
    )


def read_manifest(
    path: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    profile: str = "",
    probe: Probe | None = None,
    files: Files | None = None,
    recorded: RecordedKey = lambda _: None,
    settle: Settle = lambda problems, _: problems,
    opened: Opened = nothing_open,
    publishes: bool = False,
    standard: str = FIRST,
    eyes: InspectionHooks = BLIND,
    accounts: Collection[str] | None = None,
) -> Reading:
    """Read one manifest file and all it includes. What is wrong is in `problems`, all of it.

    Takes what `compile_manifest` takes; `opened` gives the texts of files that are open in an editor.
    """
    trouble = ProblemCollector()
    media = MediaReader(files or Files(), probe or (lambda _file, _limits: ()), publishes=publishes)
    root = Loader(trouble, media, profile, opened).scope(path, _shown(path), overrides or {})
    scopes = list(_scopes(root))
    for scope in scopes:
        if scope.document.is_whole or scope.data:
            check_surroundings(scope, profile, trouble)
    drafter = Drafter(media, trouble)
    made, drafts, known = _made(root, scopes, drafter, recorded, standard, eyes)
    if accounts is not None:
        check_accounts(drafts.values(), accounts, drafter)
    problems = settle(trouble.problems, {scope.document.name: scope.document.text for scope in scopes})
    return Reading(tuple(scopes), drafts, tuple(made), tuple(problems), drafter, known)


def _shown(path: Path) -> str:
    """The file's name in messages: relative to where the user stands, if it is below."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _scopes(scope: Scope) -> Iterator[Scope]:
    yield scope
    for inner in scope.includes.values():
        yield from _scopes(inner)


def _made(
    root: Scope, scopes: list[Scope], drafter: Drafter, recorded: RecordedKey, standard: str, eyes: InspectionHooks
) -> tuple[list[Job], dict[str, Draft], Known]:
    """The jobs, all that was drafted, sound or not, and what is known of the files that go in."""
    found = _drafts(root, scopes, drafter)
    for draft in found.values():
        check_outputs(draft, found, drafter)
    order = ordered(found, drafter)
    _verify(found, drafter, standard)
    if drafter.trouble.errors:
        # Keys are missing for what was refused and for all that uses it; the places of the rest are still worth a look.
        order = list(_whole(order))
    made = jobs(order, recorded, drafter)
    known = check_inputs(made, found, drafter, eyes)
    check_contracts(made, found, drafter, known)
    _check_places(made, found, drafter)
    return made, found, known


def _whole(order: Iterable[Draft]) -> Iterator[Draft]:
    """Those that are sound, and all that they need is."""
    whole: set[str] = set()
    for draft in order:
        if draft.sound and whole.issuperset(draft.needs):
            whole.add(draft.address)
            yield draft


def _drafts(root: Scope, scopes: list[Scope], drafter: Drafter) -> dict[str, Draft]:
    """All jobs of the root, and of included files those that something here uses, cell by cell and take by take."""
    by_title = {recipe.title: recipe for scope in scopes for recipe in scope.recipes()}
    found: dict[str, Draft] = {}
    queue: list[Recipe] = root.recipes()
    queued = {recipe.title for recipe in queue}
    for recipe in queue:  # grows while it is read
        for draft in drafter.drafts(recipe):
            found[draft.address] = draft
            for need in draft.needs:
                title = need.partition("@")[0].partition("#")[0]
                if title not in queued and title in by_title:
                    queued.add(title)
                    queue.append(by_title[title])
    return _used(found, root) if len(scopes) > 1 else found


def _used(found: Mapping[str, Draft], root: Scope) -> dict[str, Draft]:
    own = [address for address, draft in found.items() if draft.recipe.scope is root]
    wanted = ancestors({address: draft.needs for address, draft in found.items()}, own).union(own)
    return {address: draft for address, draft in found.items() if address in wanted}


def _verify(found: Mapping[str, Draft], drafter: Drafter, standard: str) -> None:
    verifier = Verifier(found, drafter, standard)
    seen: set[int] = set()
    noted: set[str] = set()
    for draft in found.values():
        if id(draft.built) in seen:
            continue
        seen.add(id(draft.built))
        if draft.sound:
            verifier.verify(draft)
        else:  # rules between fields would echo what made the holes
            verifier.verify_fields(draft)
        if draft.recipe.title not in noted:
            noted.add(draft.recipe.title)
            note_tokens(drafter.case(draft))


def _check_places(made: list[Job], found: Mapping[str, Draft], drafter: Drafter) -> None:
    blamed: dict[str, ProblemKey] = {}

    def clash(job: Job, other: str, place: str) -> None:
        draft = found[job.address]
        if draft.recipe.title in blamed:  # one `save_as` without its axes
            drafter.trouble.repeat(blamed[draft.recipe.title], job.address)
            return
        path = draft.recipe.origins.get("save_as", draft.recipe.path)
        message = f"`{other}` and `{job.address}` would both be saved as `{place}`"
        blamed[draft.recipe.title] = drafter.case(draft).refuse(
            "KP315", path, message, hint="Let `save_as` name what tells them apart: another word, the axes, the take."
        )

    check_places(made, load_operation, clash)


__all__ = ["Manifest", "Reading", "compile_manifest", "read_manifest"]
