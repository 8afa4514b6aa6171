"""From a plan to the sheet: what is known of every job, laid out by recipe, cell and take. Reads no disk itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from kling_pipe.catalog.operations import load_operation, weight
from kling_pipe.model import Cost, Job, Output, OutputRef, Plan, Record, Step
from kling_pipe.report.contact_sheet import request_text
from kling_pipe.report.contact_sheet.sheet_model import Card, Picture, State, Take

_RANK = {"video": 0, "image": 1, "audio": 2}
"""What people came to look at stands first."""

_MEDIA = {".mp3": "audio", ".wav": "audio", ".m4a": "audio", ".mp4": "video", ".mov": "video", ".webm": "video"}

_STATES: Mapping[str, State] = {
    "create": "new",
    "resume": "running",
    "reuse": "made",
    "download": "made",
    "retry": "failed",
    "blocked": "blocked",
    "frozen": "made",
    "lost": "lost",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from. `picks`: the picked take by cell, in the order in which the manifest writes them.

    `attempts` are all records of a job, oldest first. `file` says where an output is on this disk, or None.
    `estimate` prices a job whatever its state.
    """

    picks: Mapping[str, int]
    estimate: Callable[[Job], Cost]
    attempts: Callable[[Job], Sequence[Record]]
    file: Callable[[Job, Record, Output], Path | None]


def collected(plan: Plan, sources: Sources) -> tuple[Card, ...]:
    """The cards of every step of the plan, the films first, each recipe's cells together."""
    desk = _Account({step.job.address: step for step in (*plan.steps, *plan.others)}, sources, plan.accounts)
    groups: dict[str, list[Step]] = {}
    for step in plan.steps:
        groups.setdefault(step.job.base, []).append(step)
    cards = [desk.card(sorted(steps, key=lambda step: step.job.take)) for steps in groups.values()]
    written = {base: number for number, base in enumerate(sources.picks)}
    return tuple(sorted(cards, key=lambda card: (_RANK.get(card.kind, 9), written.get(card.address, 0))))


@dataclass(slots=True)
class _Account:
    steps: Mapping[str, Step]
    sources: Sources
    accounts: Mapping[str, str]

    def card(self, steps: Sequence[Step]) -> Card:
        job = steps[0].job
        operation = load_operation(job.operation)
        bases = (self.steps[need].job.base for need in job.needs if need in self.steps)
        return Card(
            address=job.base,
            kind=job.kind,
            recipe=job.base.partition("@")[0],
            cell=job.cell,
            takes=tuple(self.take(step) for step in steps),
            picked=self.sources.picks.get(job.base, 1),
            tags=job.tags,
            shots=request_text.shots(operation, job.request),
            references=request_text.references(operation, job.request, self.look),
            facts=tuple(request_text.facts(operation, job.request)),
            needs=tuple(dict.fromkeys(bases)),
            place=f"{job.position.file}:{job.position.line}" if job.position else "",
            key=job.key,
        )

    def take(self, step: Step) -> Take:
        job, record = step.job, step.record
        history = self.sources.attempts(job)
        timed = next((one for one in reversed(history) if record and one.attempt == record.attempt), record)
        take = Take(
            address=job.address,
            number=job.take,
            state=_state(step),
            reasons=step.reasons,
            estimated=self.sources.estimate(job),
            external_task_id=step.external_task_id,
            attempt=step.attempt,
            ready_at=max((self._ended(need) for need in job.needs), default=0),
            slots=weight(load_operation(job.operation), job.request),
        )
        if record is None or step.shared_with:
            return take
        return replace(
            take,
            charged=_number(record.units),
            pictures=self._pictures(job, record),
            task_id=record.task_id,
            created_at=record.created_at,
            updated_at=timed.updated_at if timed and record.state in ("succeed", "failed") else 0,
            element_ids=tuple(one.element_id for one in record.outputs if one.element_id is not None),
            account=self.accounts.get(record.account, ""),
        )

    def look(self, reference: OutputRef) -> Picture | None:
        """The picture of another job's output; an element is seen by the first picture that it was made from."""
        step = self.steps.get(reference.address)
        if step is None:
            return None
        if step.record is not None:
            for output in step.record.outputs:
                if output.index == reference.output and (found := self._picture(step.job, step.record, output)):
                    return found
        return (
            request_text.first_look(load_operation(step.job.operation), step.job.request, self.look)
            if not step.job.place
            else None
        )

    def _pictures(self, job: Job, record: Record) -> tuple[Picture, ...]:
        found = (self._picture(job, record, output) for output in record.outputs)
        return tuple(picture for picture in found if picture is not None)

    def _picture(self, job: Job, record: Record, output: Output) -> Picture | None:
        path = self.sources.file(job, record, output)
        medium = load_operation(record.operation).kling["result"].get("media")
        suffix = PurePosixPath(output.path).suffix.lower() or path.suffix if path else ""
        # An operation may give a film and a sound: the name of each says which it is.
        medium = _MEDIA.get(suffix, medium)
        if path is None or medium not in ("image", "video", "audio"):
            return None
        return Picture(path, output.sha256, medium, _number(output.duration) or 0.0, suffix)

    def _ended(self, address: str) -> int:
        step = self.steps.get(address)
        if step is None:
            return 0
        return max((one.updated_at for one in self.sources.attempts(step.job) if one.state == "succeed"), default=0)


def _state(step: Step) -> State:
    """A job that is blocked by its own failure has failed; one that waits for another is blocked."""
    if step.record is not None and step.record.state == "failed" and step.action != "resume":
        return "failed"
    return _STATES[step.action]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
