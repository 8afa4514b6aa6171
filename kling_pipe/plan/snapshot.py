"""What is known before a plan is made, and who is believed: the lock, then the ledger, then the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from kling_pipe.catalog import load as operation_named
from kling_pipe.ledger import RecordIndex
from kling_pipe.lock import Block, Lock, failed_record, made_record
from kling_pipe.model import Job, Output, Record
from kling_pipe.outputs import output_path

Identity = tuple[str, str, int]
IN_FLIGHT = frozenset({"intent", "submitted", "processing"})


def _nothing() -> RecordIndex:
    return RecordIndex((), lambda row: row[0])


@dataclass(frozen=True)
class Snapshot:
    """Everything that a plan is made from, besides the jobs.

    `unlocked` are external ids of what runs here made, saved or not, and the lock does not say yet (a run was killed).
    `account_records` are those that a look-up found, and `looked_up` the identities that were asked for, from
    `looked_at` on (seconds on a clock that nobody can set).
    `stands(path, size)` says whether a file is at a name, `kept(sha256, size)` whether an object is here.
    `out` is the output folder's name, profile included. `now` is in ms. `publishes`: saved films go
    out by links of ours.
    """

    account: str = ""
    profile: str = ""
    out: str = "out"
    lock: Lock = field(default_factory=Lock)
    ledger: RecordIndex = field(default_factory=_nothing)
    unlocked: frozenset[str] = frozenset()
    account_records: Mapping[Identity, tuple[Record, ...]] = field(default_factory=dict)
    looked_up: frozenset[Identity] = frozenset()
    looked_at: float = 0.0
    deleted_elements: frozenset[int] = frozenset()
    stands: Callable[[str, int], bool] = lambda _path, _size: False
    kept: Callable[[str, int], bool] = lambda _sha256, _size: False
    now: int = 0
    publishes: bool = False

    @cached_property
    def by_id(self) -> Mapping[str, Record]:
        """What the lock says was made, by the ids that Kling gave its outputs."""
        return {output.id: record for record in self.made.values() for output in record.outputs if output.id}

    @cached_property
    def made(self) -> Mapping[Identity, Record]:
        """What the lock says was made, by identity."""
        return self.lock.made(self.account)

    def account_name(self, _account: str) -> str:
        """What the settings call an account, "" where they name none."""
        return ""

    def block(self, job: Job) -> Block | None:
        """The lock's block for a job's address, whatever the job asked for then."""
        return self.lock.find(job.address, self.profile, self.account)

    def attempts(self, job: Job) -> tuple[Record, ...]:
        """Everything that ledger and account know of a job's attempts, oldest attempt first."""
        asked, kept = self.account_records.get(job.identity, ()), self.ledger.of(job.identity)
        if not asked:
            return kept
        known = {record.attempt: record for record in asked}
        for record in kept:
            told = known.get(record.attempt)
            # The account is newer where the ledger only waits, the ledger knows the saved files.
            if told is None or record.state not in IN_FLIGHT:
                known[record.attempt] = record
        return tuple(known[attempt] for attempt in sorted(known))

    def known(self, job: Job) -> Record | None:
        """The record that counts for a job, or None."""
        attempts = self.attempts(job)
        made = self._made(job, attempts)
        if made is not None:
            newer = [record for record in attempts if record.attempt > made.attempt and self._is_news(record)]
            return newer[-1] if newer else made
        if attempts:
            return _last_that_counts(attempts)
        block = self.block(job)
        failed = failed_record(block, job.address) if block else None
        return failed if failed and failed.identity == job.identity else None

    def highest_attempt(self, job: Job) -> int:
        """The number of the last attempt that anybody knows of; 0 for none."""
        made = self._made(job)
        return max([record.attempt for record in self.attempts(job)] + [made.attempt if made else 0])

    def frozen(self, job: Job) -> Record | None:
        """What the lock records for a job's address, whatever it asked for."""
        block = self.block(job)
        return made_record(block, job.address) if block and "outputs" in block else None

    def counts(self, job: Job) -> Record | None:
        """The record whose result stands for a job now: a frozen one has what the lock records, whatever it asks."""
        return self.frozen(job) if job.frozen else self.known(job)

    def paths(self, job: Job, record: Record) -> list[tuple[Output, str]]:
        """The files that a record should have at this job's place."""
        if not job.place:
            return []
        extension = str(operation_named(job.operation).kling["result"].get("extension", ""))
        return [
            (output, f"{self.out}/{output_path(job.place, output, extension)}")
            for output in record.outputs
            if output.element_id is None
        ]

    def _is_news(self, record: Record) -> bool:
        """Under way, or made and not yet in the lock. What the lock could know and does not say was taken back."""
        files = "extension" in operation_named(record.operation).kling["result"]
        saved = not files or all(output.sha256 for output in record.outputs)
        unlocked = not saved or record.external_task_id in self.unlocked
        return record.state in IN_FLIGHT or (record.state == "succeed" and unlocked)

    def _made(self, job: Job, attempts: tuple[Record, ...] = ()) -> Record | None:
        """What the lock says, with the URLs that ledger or account know."""
        block = self.block(job)
        if block and "outputs" in block and (block["project"], block["key"], block["take"]) == job.identity:
            return made_record(block, job.address, _linked(block["attempt"], attempts))
        made = self.made.get(job.identity)
        return _with_urls(made, attempts) if made else None


def _last_that_counts(attempts: tuple[Record, ...]) -> Record:
    """The newest if it is under way, else the last that succeeded, else the newest."""
    if attempts[-1].state in IN_FLIGHT:
        return attempts[-1]
    return next((record for record in reversed(attempts) if record.state == "succeed"), attempts[-1])


def _linked(attempt: int, attempts: tuple[Record, ...]) -> tuple[Output, ...]:
    return next((record.outputs for record in attempts if record.attempt == attempt), ())


def _with_urls(made: Record, attempts: tuple[Record, ...]) -> Record:
    links = {output.index: output for output in _linked(made.attempt, attempts)}
    outputs = tuple(
        replace(output, url=links[output.index].url, url_at=links[output.index].url_at)
        if output.index in links
        else output
        for output in made.outputs
    )
    return replace(made, outputs=outputs)
