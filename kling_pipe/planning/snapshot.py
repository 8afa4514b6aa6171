"""What is known before a plan is made, and who is believed (docs/design/account.md): bytes, account, ledger, lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from kling_pipe.catalog.operations import load_operation
from kling_pipe.model import Job, Output, Record
from kling_pipe.storage.ledger import RecordIndex
from kling_pipe.storage.ledger.record_merge import TwoTasksError, merge_records
from kling_pipe.storage.lockfile import Block, Lock, failed_record, made_record
from kling_pipe.storage.outputs import output_path

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

    @property
    def accounts(self) -> frozenset[str]:
        """The ids of the accounts that this campaign is made in; empty where nobody knows."""
        return frozenset({self.account} - {""})

    @cached_property
    def foreign(self) -> Mapping[Identity, Record]:
        """What the lock says was made under other accounts than ours, by identity: under an old access key, perhaps."""
        others = {str(block.get("account")) for block in self.lock.blocks.values()} - self.accounts
        found: dict[Identity, Record] = {}
        for account in sorted(others) if self.accounts else ():
            found |= self.lock.made(account)
        return found

    def ledger_attempts(self, job: Job) -> tuple[Record, ...]:
        """What runs here wrote down of a job's attempts, oldest attempt first."""
        return self.ledger.of(job.identity)

    def attempts(self, job: Job) -> tuple[Record, ...]:
        """Everything that ledger and account know of a job's attempts, oldest attempt first."""
        asked, kept = self.account_records.get(job.identity, ()), self.ledger.of(job.identity)
        if not asked:
            return kept
        known = {record.attempt: record for record in kept}
        for record in asked:
            known[record.attempt] = stronger(record, known.get(record.attempt))
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
        return max((record.attempt for record in self._all(job)), default=0)

    def next_attempt(self, job: Job) -> int:
        """The number of a new attempt: one more than those that may have a task, so that none is skipped."""
        return 1 + max((record.attempt for record in self._all(job) if record.may_exist), default=0)

    def unfinished(self, job: Job) -> Record | None:
        """The newest attempt if its result is not saved, or not in the lock yet; else None.

        It must be under way, sent by a run here, or newer than what the lock has: an empty machine without a lock
        cannot know that somebody saved it.
        """
        newest = max(self.attempts(job), key=lambda record: record.attempt, default=None)
        if newest is None or newest.state == "failed":
            return None
        ours = any(record.attempt == newest.attempt for record in self.ledger_attempts(job))
        made = self._made(job)
        counts = ours or (made is not None and made.attempt < newest.attempt)
        return newest if newest.state in IN_FLIGHT or (counts and self._is_news(newest)) else None

    def owed(self, job: Job, counts: Record | None) -> tuple[Record, ...]:
        """Attempts beside the one that counts that runs here sent, or were about to, and whose results nobody saved."""
        return tuple(
            record
            for record in self.ledger_attempts(job)
            if (counts is None or record.attempt != counts.attempt)
            and (record.state in IN_FLIGHT or (record.external_task_id in self.unlocked and _is_unsaved(record)))
        )

    def frozen(self, job: Job) -> Record | None:
        """What the lock records for a job's address, whatever it asked for."""
        block = self.block(job)
        return made_record(block, job.address) if block and "outputs" in block else None

    def counts(self, job: Job) -> Record | None:
        """The record whose result stands for a job now: a frozen one has what the lock records, whatever it asks."""
        return self.frozen(job) if job.frozen else self.known(self.as_made(job))

    def as_made(self, job: Job) -> Job:
        """The job under the one of its keys that something was made under; as it is where nobody knows any.

        A failure under a former key keeps the same request from being sent again, unless a new attempt is allowed: that
        one is sent under today's key.
        """
        if not job.former_keys:
            return job
        return max((job, *job.former), key=lambda one: (_standing(self.known(one)), one is job))

    def paths(self, job: Job, record: Record) -> list[tuple[Output, str]]:
        """The files that a record should have at this job's place."""
        if not job.place:
            return []
        extension = str(load_operation(job.operation).kling["result"].get("extension", ""))
        return [
            (output, f"{self.out}/{output_path(job.place, output, extension)}")
            for output in record.outputs
            if output.element_id is None
        ]

    def _all(self, job: Job) -> list[Record]:
        """Every record of a job, whoever has it."""
        block = self.block(job)
        failed = failed_record(block, job.address) if block else None
        found = [*self.attempts(job), *filter(None, (self._made(job),))]
        return [*found, failed] if failed is not None and failed.identity == job.identity else found

    def _is_news(self, record: Record) -> bool:
        """Under way, or made and not yet in the lock. What the lock could know and does not say was taken back."""
        unlocked = _is_unsaved(record) or record.external_task_id in self.unlocked
        return record.state in IN_FLIGHT or (record.state == "succeed" and unlocked)

    def _made(self, job: Job, attempts: tuple[Record, ...] = ()) -> Record | None:
        """What the lock says, with the URLs that ledger or account know."""
        block = self.block(job)
        if block and "outputs" in block and (block["project"], block["key"], block["take"]) == job.identity:
            return made_record(block, job.address, _linked(block["attempt"], attempts))
        made = self.made.get(job.identity)
        return _with_urls(made, attempts) if made else None


def stronger(told: Record, kept: Record | None) -> Record:
    """Of what the account shows of a task and what the ledger wrote down the one that is believed.

    Bytes come first: a result that is saved here stays. Else the account is right: it shows a task that the ledger
    calls failed because it was not to be seen when its id was refused (a second machine, 12 s of lag: paid twice).
    """
    if kept is None or kept.state != "succeed":
        return told
    if not _is_unsaved(kept):
        return kept
    try:
        return merge_records(told, kept) if told.state == "succeed" else told
    except TwoTasksError:
        return told


def _is_unsaved(record: Record) -> bool:
    """Whether files of a made result were never saved."""
    files = "extension" in load_operation(record.operation).kling["result"]
    return record.state == "succeed" and files and not all(output.sha256 for output in record.outputs)


def _standing(record: Record | None) -> int:
    """How much a record keeps a job from being sent: a task that is there most, a failure that may pass least."""
    if record is None or record.failure in ("transient", "refused"):
        return 0
    return {"failed": 1, "intent": 2}.get(record.state, 3)


def _last_that_counts(attempts: tuple[Record, ...]) -> Record:
    """The newest that is under way or made, else the newest: a task is followed although a later create was refused."""
    return next((record for record in reversed(attempts) if record.state != "failed"), attempts[-1])


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
