"""What goes into the lock while a run is under way: gathered, and written now and then as a whole."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from kling_pipe.model import Job, Record
from kling_pipe.planning import field_digests
from kling_pipe.planning.account_assignment import original
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.lockfile import Block, LockFile, failed_block, made_block

_SECONDS = 5.0
_SHARE = 50
"""A write that took t seconds is followed by a pause of at least so many t."""


class LockJournal:
    """Changes to the lock. `jobs` are all jobs by address: digests of references need their keys.

    `stores` are the ledgers of the accounts. What is made again in another account has a block of its own there, under
    the address of the manifest.
    """

    def __init__(
        self, file: LockFile, stores: Sequence[Store], jobs: Mapping[str, Job], profile: str, drafts: Mapping[str, str]
    ) -> None:
        self._file = file
        self._stores = tuple(stores)
        self._lock = file.read()
        self._jobs = jobs
        self._profile = profile
        self._drafts = drafts
        self._changes: dict[str, Block] = {}
        self._told: set[str] = set()
        self._due = 0.0

    def made(self, job: Job, record: Record) -> None:
        """A job's result is saved. Nothing to do where the lock says just that."""
        self._told.add(record.external_task_id)
        block = made_block(record, field_digests(job, self._key_at))
        if draft := self.draft(job):
            block["draft"] = draft
        standing = self._lock.find(original(job.address), self._profile, record.account)
        if standing is None or any(standing.get(name) != value for name, value in block.items()):
            self._changes[job.address] = block

    def draft(self, job: Job) -> str:
        """The approved draft that a job is the final version of: as this run was told, or as the lock remembers."""
        found = (self._lock.find(original(job.address), self._profile, store.account) for store in self._stores)
        standing = next((block for block in found if block and block.get("key") == job.key), {})
        remembered = standing.get("draft", "")
        return str(self._drafts.get(job.address, remembered))

    def failed(self, job: Job, record: Record) -> None:
        """A job failed for a reason that the next run must know without a ledger: content rules."""
        if record.failure == "moderation":
            standing = self._lock.find(original(job.address), self._profile, record.account)
            self._told.add(record.external_task_id)
            self._changes[job.address] = failed_block(record, standing)

    def write(self, *, now: bool = False) -> None:
        """Write what changed, if it is time. Raises LocalStateError."""
        started = time.monotonic()
        if self._told and (now or started >= self._due):
            self._file.update((original(address), self._profile, block) for address, block in self._changes.items())
            for store in self._stores:
                store.locked(self._told)
            self._changes.clear()
            self._told.clear()
            ended = time.monotonic()
            self._due = ended + max(_SECONDS, _SHARE * (ended - started))

    def _key_at(self, address: str) -> str:
        return self._jobs[address].key
