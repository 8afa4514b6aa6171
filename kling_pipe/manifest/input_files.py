"""Files that go into requests, here or behind links: looked at, held against their fields, known by their facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import as_read, load_operation, table
from kling_pipe.catalog.output_facts import MediaFacts, narrowed
from kling_pipe.core.json_pointer import Pointer, walk
from kling_pipe.core.redact import shown
from kling_pipe.manifest.job_builder import Draft, Drafter
from kling_pipe.manifest.problems import Path_, ProblemKey
from kling_pipe.manifest.request_validation import origin
from kling_pipe.manifest.scope import Existing
from kling_pipe.media.facts import WORDS, Facts
from kling_pipe.media.limits import MediaFinding, broken, broken_length, unlike
from kling_pipe.media.link_facts import LinkReader
from kling_pipe.model import FileRef, Job

LookAtLinks = Callable[[Sequence[tuple[str, str]]], Sequence[LinkReader]]
"""Links, each with the kind of file that it should lead to -> what is known of each."""


class InspectionHooks(NamedTuple):
    """How files are looked at. `file` looks at a local one, as the kind that it should be; None for what it skips.

    `links` is None unless somebody asked for links to be looked at; those of jobs that are not `wanted` are left alone.
    """

    file: Callable[[FileRef, str], Facts | None] = lambda _file, _kind: None
    links: LookAtLinks | None = None
    wanted: Callable[[Job], bool] = lambda _: True


class Use(NamedTuple):
    """A file or link in a job's request, and what the data says of its field."""

    value: FileRef | str
    kind: str
    job: Job
    pointer: Pointer
    limits: str


def uses(jobs: Iterable[Job]) -> Iterator[Use]:
    """Every file and every link in every request."""
    for job in jobs:
        for entry in load_operation(job.operation).kling["media"]:
            if entry["kind"] in WORDS and "as" not in entry:
                for pointer, value in walk(job.request, entry["at"]):
                    if isinstance(value, FileRef) or _is_link(value):
                        yield Use(value, entry["kind"], job, pointer, str(entry.get("limits", "")))


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and value[:8].lower().startswith(("http://", "https://"))


def check_inputs(
    jobs: Iterable[Job], found: Mapping[str, Draft], drafter: Drafter, eyes: InspectionHooks
) -> Mapping[str, MediaFacts]:
    """Look at each file and link once, and report what is wrong where it is written.

    What is known, by link and by the file's hash.
    """
    every = list(uses(jobs))
    report = _Report(found, drafter)
    known = _local(every, report, eyes) | (_linked(every, report, eyes) if eyes.links else {})
    for use in every:
        report.beside(use, known)
    return {mark: of_file(facts) for mark, facts in known.items()}


def _local(every: Sequence[Use], report: _Report, eyes: InspectionHooks) -> dict[str, Facts]:
    seen: dict[tuple[str, str], Facts | None] = {}
    for use in every:
        if isinstance(use.value, FileRef):
            mark = (use.value.sha256, use.kind)
            if mark not in seen:
                seen[mark] = eyes.file(use.value, use.kind)
            if use.kind != "image" and (facts := seen[mark]) and not facts.fault:
                report.length(use, facts)
    return {sha256: facts for (sha256, _), facts in seen.items() if facts and not facts.fault}


def _mark(value: Any) -> str:
    """Under what a file or link is known."""
    return value.sha256 if isinstance(value, FileRef) else str(value)


def _linked(every: Sequence[Use], report: _Report, eyes: InspectionHooks) -> dict[str, Facts]:
    used = [(use.value, use) for use in every if isinstance(use.value, str) and eyes.wanted(use.job)]
    wanted = list(dict.fromkeys((url, use.kind) for url, use in used))
    seen = dict(zip(wanted, eyes.links(wanted), strict=True)) if eyes.links and wanted else {}
    for url, use in used:
        report.link(use, url, seen[url, use.kind])
    return {url: one.facts for (url, _), one in seen.items() if one.facts and not one.facts.fault}


def of_file(facts: Facts) -> MediaFacts:
    """What a file is, as the contracts between jobs see it."""
    return MediaFacts(facts.seconds, facts.short_side, facts.ratio, facts.fps, facts.sound)


class _Report:
    """Places what is wrong. Cells and takes that share a mistake share its problem."""

    def __init__(self, found: Mapping[str, Draft], drafter: Drafter) -> None:
        self._found, self._drafter = found, drafter
        self._blamed: dict[tuple[Any, ...], ProblemKey] = {}

    def link(self, use: Use, url: str, known: LinkReader) -> None:
        """Say what is wrong with one use of a link."""
        name, word = shown(url), WORDS[use.kind]
        if known.missing:
            hint = f"Kling could not fetch it either: put the {word} there again, or write another link."
            self._put(use, "KP332", f"`{name}` {known.missing}", hint=hint)
        elif known.unknown:
            hint = "That may be no mistake: Kling looks at it when the job runs."
            self._put(use, "KP334", f"`{name}` could not be looked at: {known.unknown}", level="note", hint=hint)
        elif known.facts is not None:
            self._unseen(use, known.facts)
            self._broken(use, name, broken(known.facts, _own(use)))

    def length(self, use: Use, facts: Facts) -> None:
        """Say whether a local film or sound is too long or too short here; the rest was said where it is named."""
        self._unseen(use, facts)
        self._broken(use, _name(use), broken_length(facts, _own(use)))

    def beside(self, use: Use, known: Mapping[str, Facts]) -> None:
        """Say whether a mask does not fit the picture that it is for, or other masks."""
        limits, facts = table("media")["limits"].get(use.limits, {}), known.get(_mark(use.value))
        if facts is None or "same_ratio_as" not in limits:
            return
        pictures = walk(use.job.request, limits["same_ratio_as"])
        masks = [value for at in limits["same_pixels_as"] for _, value in walk(use.job.request, at)]
        found = unlike(
            facts,
            next((known.get(_mark(value)) for _, value in pictures), None),
            [known[mark] for mark in map(_mark, masks[:1]) if mark in known],
            limits["same_ratio_as"].rpartition("/")[2],
        )
        self._broken(use, _name(use), found)

    def _broken(self, use: Use, name: str, findings: Iterable[MediaFinding]) -> None:
        for one in findings:
            facts: dict[str, Any] = {"found": one.found, "allowed": one.allowed, "source": _own(use).get("source", "")}
            hint = f"Use a {WORDS[use.kind]} within the limits."
            self._put(use, "KP330", f"`{name}`: {one.message}", hint=hint, **facts)

    def _unseen(self, use: Use, facts: Facts) -> None:
        """Say once that films and sounds are judged by name and size alone, and what to install."""
        if not facts.is_seen and facts.seconds is None:
            message = "sounds and films were judged by name and size; how long they are was not looked at"
            hint = "Install PyAV, and it is: pip install 'kling-pipe[probe]'"
            self._put(use, "KP333", message, level="note", hint=hint, once=True)

    def _put(self, use: Use, id: str, message: str, *, level: Any = "error", once: bool = False, **facts: Any) -> None:
        draft = self._found[use.job.address]
        place, path = self._place(use, draft)
        mark = (id,) if once else (id, message, place, facts.get("allowed"))
        if mark in self._blamed:
            self._drafter.trouble.repeat(self._blamed[mark], use.job.address)
            return
        self._blamed[mark] = self._drafter.case(draft).refuse(id, path, message, level=level, **facts)

    def _place(self, use: Use, draft: Draft) -> tuple[tuple[str, Path_], Path_]:
        """Where a link is written: at the name that it has in the manifest, else in the recipe."""
        scope = draft.recipe.scope
        for entry in (one for entries in scope.entries.values() for one in entries.values()):
            if isinstance(use.value, str) and isinstance(entry, Existing) and entry.value == use.value:
                return (scope.document.name, entry.path), entry.path
        path, _ = origin(self._drafter.case(draft), self._drafter.origins(draft), use.pointer)
        return (scope.document.name, path), path


def _name(use: Use) -> str:
    """What a person calls a file."""
    value = use.value
    return value.path.replace("\\", "/").rpartition("/")[2] if isinstance(value, FileRef) else shown(value)


def _own(use: Use) -> Mapping[str, Any]:
    """The limits that hold for this very request."""
    limits = table("media")["limits"].get(use.limits)
    if not limits:
        return {}
    operation = load_operation(use.job.operation)
    body = as_read(operation, use.job.request)
    return narrowed(limits, body, str(body.get(operation.kling["pool"]["model"], "")))
