"""The decision for each job: create, resume, reuse, download, retry, blocked, frozen or lost, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kling_pipe.catalog.compatibility import NONE, Known, ProducerLimits, of_input
from kling_pipe.catalog.operations import load_operation
from kling_pipe.catalog.output_facts import MediaFacts, made
from kling_pipe.catalog.pricing import Prices, estimate
from kling_pipe.core.graph import order
from kling_pipe.core.keys import external_id
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import PAYING, Action, Cost, Job, OutputRef, Plan, Problem, Record, Step
from kling_pipe.planning.account_assignment import Assignment, allot, original
from kling_pipe.planning.expiry import ExpiringSource, expired, soon, sources
from kling_pipe.planning.field_diff import why
from kling_pipe.planning.former_tasks import as_made, noted
from kling_pipe.planning.multi_account import MultiAccount, unasked
from kling_pipe.planning.snapshot import IN_FLIGHT, Snapshot

_FREE = Cost(0.0, None, 0.0)
_KEPT_MS = 30 * 24 * 3600 * 1000
"""How long Kling keeps results (general information page, 2026-03)."""


def make_plan(
    jobs: Sequence[Job],
    snapshot: Snapshot,
    *,
    replace_addresses: Iterable[str] = (),
    retry_addresses: Iterable[str] = (),
    selection: Iterable[str] | None = None,
    known: Known = NONE,
    prices: Prices | None = None,
    new_account: bool = False,
) -> Plan:
    """Every selected job with an action, in an order that respects every dependency.

    `replace_addresses` get a new attempt on purpose, with all jobs that share their key; `retry_addresses` get one if
    they failed. Jobs outside of `selection` are not touched, only used where they are made. `known` are facts about
    files and links that go in. `prices` stand in for the table that is shipped. With `new_account` what the lock says
    was made under another access key is made anew; without it such a job is blocked.
    """
    written, replace_addresses, retry_addresses = jobs, frozenset(replace_addresses), frozenset(retry_addresses)
    jobs = as_made(jobs, snapshot, replace_addresses, retry_addresses)
    by_address = {job.address: job for job in jobs}
    replaced = {by_address[address].identity for address in replace_addresses}
    chosen = set(by_address) if selection is None else set(selection)
    allotment = Assignment(by_address)
    if isinstance(snapshot, MultiAccount):
        allotment = allot(jobs, snapshot, replaced)
        by_address = allotment.jobs
        chosen |= {copy for copy, users in allotment.users.items() if users & chosen}
    planner = _Planner(by_address, snapshot, replaced, retry_addresses, allotment, known, prices, new_account)
    for address in order({job.address: job.needs for job in by_address.values()}):
        planner.step(by_address[address], selected=address in chosen)
    steps = noted([step for address, step in planner.steps.items() if address in chosen], written)
    others = noted([step for address, step in planner.steps.items() if address not in chosen], written)
    project = jobs[0].project if jobs else ""
    silent: tuple[Exception, ...] = ()
    accounts: dict[str, str] = {}
    if isinstance(snapshot, MultiAccount):
        blocked = any(step.action == "blocked" for step in steps)
        silent = tuple(_silent(snapshot)) if blocked else ()
        places = snapshot.places
        accounts = {place.account: place.name for place in (*places.all, *places.left_out)}
    warnings = (*_same_key_elsewhere(jobs), *planner.warnings)
    return Plan(project, steps, warnings, others, silent, accounts)


@dataclass(slots=True)
class _Planner:
    jobs: dict[str, Job]
    snapshot: Snapshot
    replaced: set[tuple[str, str, int]]
    retried: frozenset[str]
    allotment: Assignment
    known: Known
    prices: Prices | None
    new_account: bool = False
    warnings: list[Problem] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    makers: dict[tuple[tuple[str, str, int], str], str] = field(default_factory=dict)
    facts: ProducerLimits = field(init=False)

    def __post_init__(self) -> None:
        self.facts = ProducerLimits(self.jobs, self.known)

    def step(self, job: Job, *, selected: bool) -> None:
        """Decide on one job; those that it needs are decided already."""
        step = self._frozen(job) if job.frozen else self._of_record(job)
        if owed := self._seen(job).owed(job, step.record) if not step.shared_with else ():
            told = tuple(f"attempt {one.attempt} was sent and is not saved: it is fetched as well" for one in owed)
            step = replace(step, owed=owed, reasons=(*step.reasons, *told))
        if not selected and step.action not in ("reuse", "download", "frozen", "lost"):
            step = replace(step, action="blocked", reasons=("it is not made, and not selected",), cost=_FREE, cause="")
        self.steps[job.address] = self._placed(step)
        if step.action != "blocked":
            self.makers.setdefault((job.identity, self._copied_to(job)), job.address)

    def _placed(self, step: Step) -> Step:
        """The step with where it happens; as it is when there is one account."""
        address = step.job.address
        if address not in self.allotment.where or step.shared_with:
            return step
        asked = step.job.identity in self.snapshot.looked_up
        account = self.allotment.where[address] if step.record is None else step.record.account
        if step.action in PAYING:
            account = self.allotment.where[address]
        return replace(step, account=account, follows=self.allotment.follows.get(address, ""), asked=asked)

    def _copied_to(self, job: Job) -> str:
        """The account in which a job is made again, "" for all others."""
        return self.allotment.where[job.address] if job.address in self.allotment.users else ""

    def _seen(self, job: Job) -> Snapshot:
        """What is known: of a job that is made again in another account what is known there."""
        account = self._copied_to(job)
        return self.snapshot.within(account) if account and isinstance(self.snapshot, MultiAccount) else self.snapshot

    def _unreachable(self, record: Record) -> str:
        """Why nothing can be fetched or waited for where a task is: an account that is left out."""
        if not isinstance(self.snapshot, MultiAccount) or self.snapshot.places.takes(record.account):
            return ""
        return f"it is in the account `{self.snapshot.account_name(record.account)}`, which this command leaves out"

    def _of_record(self, job: Job) -> Step:
        maker = self.makers.get((job.identity, self._copied_to(job)))
        if maker and self.steps[maker].action in ("create", "retry", "resume"):
            step = self.steps[maker]
            return replace(
                step, job=job, shared_with=maker, cost=_FREE, reasons=(f"asks for the same as `{maker}`: one task",)
            )
        record = self._seen(job).known(job)
        if job.identity in self.replaced:
            return self._replaced(job, record)
        if record is None:
            return self._unknown(job)
        if record.state in IN_FLIGHT:
            return self._resume(job, record)
        if record.state == "failed":
            return self._failed(job, record)
        return self._made(job, record, "reuse")

    def _frozen(self, job: Job) -> Step:
        record = self.snapshot.frozen(job)
        if record is None and not self.new_account and job.identity in self.snapshot.foreign:
            return self._unknown(job)
        if record is None:
            return self._step(job, "blocked", 1, ("it is frozen, and the lock records no result",))
        step = self._made(job, record, "frozen")
        return replace(step, reasons=("frozen: the recorded result is used whatever changed", *step.reasons))

    def _replaced(self, job: Job, record: Record | None) -> Step:
        """A new attempt on purpose; one that an earlier command of the kind paid and did not finish comes first."""
        begun = self._seen(job).unfinished(job)
        if begun is None or (begun.state == "succeed" and self._is_lost(begun)):
            attempt = self._seen(job).next_attempt(job)
            return self._send(job, "create", attempt, ("a new attempt, as asked for with --replace",), record)
        if begun.state in IN_FLIGHT:
            return self._resume(job, begun)
        step = self._made(job, begun, "reuse")
        more = f"attempt {begun.attempt} is paid and comes first; --replace makes another once it is saved"
        return replace(step, reasons=(*step.reasons, more))

    def _unknown(self, job: Job) -> Step:
        """A job that nobody knows in our accounts: new, or made under another access key."""
        foreign = None if self.new_account or self._copied_to(job) else self.snapshot.foreign.get(job.identity)
        if foreign is None:
            return self._send(job, "create", 1, tuple(self._news(job)), None)
        told = f"the lock has it as `{foreign.address}`, made under another access key (account {foreign.account[:8]})"
        hint = f"`kling-pipe adopt {job.address}` takes that result over, --new-account makes it anew and pays again"
        return replace(self._step(job, "blocked", 1, (told, hint)), cause="other_account")

    def _resume(self, job: Job, record: Record) -> Step:
        if unreachable := self._unreachable(record):
            return self._step(job, "blocked", record.attempt, (unreachable,), record)
        if record.state == "intent":
            reason = "it was about to be sent when the last run ended: it will be looked up first"
            if silenced := self._silenced(job):
                return replace(self._step(job, "blocked", record.attempt, (silenced,), record), cause="silent")
            if blocked := self._blocked_by(job):
                return self._step(job, "blocked", record.attempt, (blocked,), record)
            return replace(self._step(job, "resume", record.attempt, (reason,), record), cost=self._cost(job))
        step = self._step(job, "resume", record.attempt, (f"task {record.task_id} is under way",), record)
        return replace(step, again=self._cost(job))

    def _failed(self, job: Job, record: Record) -> Step:
        told = f"attempt {record.attempt} failed: {record.message or 'no reason given'}"
        attempt = self._seen(job).next_attempt(job)
        refused = f"it was refused: {record.message or 'no reason given'}"
        if job.address in self.retried and not record.may_exist:
            return self._send(job, "retry", attempt, (refused, "nothing was made: it keeps its id"), record)
        if job.address in self.retried:
            return self._send(job, "retry", attempt, (told, "a new attempt, as asked for"), record)
        if record.failure == "refused":
            return self._send(job, "create", attempt, (refused,), record)
        if record.failure == "transient" and record.attempt <= job.retries:
            return self._send(job, "retry", attempt, (told, f"`retries: {job.retries}` allows another"), record)
        hint = f"change it, or run `kling-pipe retry {job.address}`"
        if record.failure == "moderation":
            told = f"Kling's content rules refused it: {record.message}"
        return self._step(job, "blocked", record.attempt, (told, hint), record)

    def _made(self, job: Job, record: Record, action: Action) -> Step:
        if self._is_deleted(record):
            attempt = self._seen(job).next_attempt(job)
            return self._send(job, "create", attempt, (f"its {job.kind} was deleted at Kling",), record)
        paths = self.snapshot.paths(job, record)
        missing = [(output, path) for output, path in paths if not self._in_place(output.size, output.sha256, path)]
        if not missing:
            reasons = () if record.attempt == 1 else (f"attempt {record.attempt} counts",)
            return self._step(job, action, record.attempt, reasons or ("made, and nothing changed",), record)
        if all(self.snapshot.kept(output.sha256, output.size) for output, _ in missing):
            reason = f"`{missing[0][1]}` is missing; the saved object gets its name again"
        elif unreachable := self._unreachable(record):
            return self._step(job, "blocked", record.attempt, (unreachable,), record)
        elif self._is_lost(record):
            return self._lost(job, record)
        else:
            known = "is missing" if missing[0][0].sha256 else "was made and is not saved yet"
            reason = f"`{missing[0][1]}` {known}; it is fetched, without a new task"
        return self._step(job, "download", record.attempt, (reason,), record)

    def _is_deleted(self, record: Record) -> bool:
        """Whether an element or a voice is gone from the library. Files are never deleted there."""
        if not self.snapshot.deleted_elements:
            return False
        ids = {output.element_id or (int(output.id) if output.id.isdecimal() else 0) for output in record.outputs}
        return bool(ids & self.snapshot.deleted_elements)

    def _in_place(self, size: int, sha256: str, path: str) -> bool:
        return bool(sha256) and self.snapshot.stands(path, size)

    def _is_lost(self, record: Record) -> bool:
        """Kling does not have it any more: it was asked and does not know, or the result's days are over."""
        asked = record.identity in self.snapshot.looked_up
        found = any(one.attempt == record.attempt for one in self.snapshot.account_records.get(record.identity, ()))
        old = bool(record.created_at and self.snapshot.now) and self.snapshot.now - record.created_at > _KEPT_MS
        return (asked and not found) or old

    def _lost(self, job: Job, record: Record) -> Step:
        cost = self._cost(job)
        price = f"${cost.usd:g}" if cost.usd is not None else "an unknown price"
        return self._step(
            job,
            "lost",
            record.attempt,
            ("file, URL and remote record are gone", f"remaking it costs {price}: --replace {job.address}"),
            record,
        )

    def _send(self, job: Job, action: Action, attempt: int, reasons: tuple[str, ...], record: Record | None) -> Step:
        if silenced := self._silenced(job):
            return replace(self._step(job, "blocked", attempt, (silenced, *reasons), record), cause="silent")
        if blocked := self._blocked_by(job) or expired(job, self._sources(job), self.jobs, self.snapshot.now):
            return self._step(job, "blocked", attempt, (blocked, *reasons), record)
        self.warnings += soon(job, self._sources(job), self.jobs, self.snapshot.now)
        # A list that showed the first attempt may lack a further one: that is asked for by name before it is sent.
        is_known = attempt == 1 and job.identity in self.snapshot.looked_up
        looked_at = self.snapshot.looked_at if is_known else 0.0
        return replace(self._step(job, action, attempt, reasons, record), cost=self._cost(job), looked_at=looked_at)

    def _sources(self, job: Job) -> Iterator[ExpiringSource]:
        return sources(job, self._standing, publishes=self.snapshot.publishes)

    def _standing(self, name: str) -> Record | None:
        """The record of what stands already at an address, or under an id of Kling's; None for what is made anew."""
        step = self.steps.get(name)
        if step is None:
            return self.snapshot.by_id.get(name)
        return step.record if step.action in ("reuse", "download", "frozen") else None

    def _blocked_by(self, job: Job) -> str:
        if refusal := self.allotment.refusals.get(job.address) or self._unnamed(job):
            return refusal
        for need in job.needs:
            step = self.steps.get(need)
            if step is not None and step.action in ("blocked", "lost"):
                return f"it needs `{need}`: {step.reasons[0]}"
        return ""

    def _silenced(self, job: Job) -> str:
        """Why nobody can tell whether a job is made already: an account that may have it does not answer."""
        if not isinstance(self.snapshot, MultiAccount) or job.address in self.allotment.refusals:
            return ""
        if not self.snapshot.silent or job.identity in self.snapshot.looked_up or self._copied_to(job):
            return ""
        account = next(iter(self.snapshot.silent))
        return f"the account `{self.snapshot.account_name(account)}` cannot be asked whether it has it"

    def _unnamed(self, job: Job) -> str:
        """Why a job that asks for an account has none: the settings name no accounts."""
        if not job.account or isinstance(self.snapshot, MultiAccount):
            return ""
        return f"it asks for the account `{job.account}`, and `kling-pipe.toml` names no accounts"

    def _news(self, job: Job) -> Iterator[str]:
        """Why a job without a record is to be made."""
        if self._copied_to(job):
            yield (
                f"`{original(job.address)}` lives in another account: it is made again in `{job.account}`, for "
                f"{', '.join(f'`{user}`' for user in sorted(self.allotment.users[job.address]))}"
            )
            return
        block = self.snapshot.block(job)
        changes = [change for change in why(job, block, self._key_at) if change.change != "same"]
        if changes:
            yield "changed since it was made: " + ", ".join(map(str, changes))
        elif block is not None and "outputs" in block and block["project"] != job.project:
            yield f"the project was `{block['project']}` when it was made, and is `{job.project}`: another task's id"
        elif block is not None and "outputs" in block:
            yield "it asks for something else than what was made"
        else:
            yield "it was not made yet"
        if load_operation(job.operation).kling["lookup"] == "none":
            yield "Kling cannot be asked for it: only this folder's ledger and lock keep it from being made twice"
        elif job.identity not in self.snapshot.looked_up:
            yield "the account is asked before anything is sent"

    def _cost(self, job: Job) -> Cost:
        seconds = self._input_seconds(job)
        return estimate(load_operation(job.operation), job.request, input_seconds=seconds, by=self.prices)

    def _input_seconds(self, job: Job) -> float | None:
        """How long the film or sound that sets the price is: as it was made, else as its request has it."""
        return made(load_operation(job.operation), job.request, self._given).seconds

    def _given(self, value: object) -> MediaFacts | None:
        if not isinstance(value, OutputRef):
            return of_input(value, self.known)
        if value.address not in self.jobs:
            return None
        step = self.steps.get(value.address)
        for output in step.record.outputs if step and step.record else ():
            if output.index == value.output and output.duration:
                return MediaFacts(seconds=float(output.duration))
        return self.facts.of(self.jobs[value.address])

    def _key_at(self, address: str) -> str:
        return self.jobs[address].key

    def _step(
        self, job: Job, action: Action, attempt: int, reasons: tuple[str, ...], record: Record | None = None
    ) -> Step:
        name = record.external_task_id if record and record.attempt == attempt else ""
        return Step(
            job=job,
            action=action,
            external_task_id=name or external_id(job.project, job.key, job.take, attempt),
            attempt=attempt,
            reasons=reasons,
            cost=_FREE,
            record=record,
        )


def _silent(snapshot: MultiAccount) -> Iterator[KlingPipeError]:
    """Why accounts cannot be asked, each with its name and with what to do."""
    for account, error in snapshot.silent.items():
        others = [place.name for place in snapshot.places.all if place.account not in snapshot.silent]
        yield unasked(snapshot.account_name(account), error, others)


def _same_key_elsewhere(jobs: Sequence[Job]) -> Iterator[Problem]:
    """The same request in two projects is two tasks: worth a word, since both are paid."""
    seen: dict[tuple[str, int], Job] = {}
    for job in jobs:
        other = seen.setdefault((job.key, job.take), job)
        if other.project != job.project:
            yield Problem(
                "KP403",
                "warn",
                f"`{job.address}` asks for the same as `{other.address}` of project `{other.project}`: two tasks",
                position=job.position,
                address=job.address,
                hint="use the other job's result instead, if one is enough",
            )
