"""What is known of a campaign in several accounts, as one snapshot. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from kling_pipe.errors import CredentialsError, KlingPipeError, Unreachable
from kling_pipe.model import Job, Record
from kling_pipe.planning.account_ranking import Accounts
from kling_pipe.planning.snapshot import IN_FLIGHT, Identity, Snapshot
from kling_pipe.storage.lockfile import Block

Silent = Mapping[str, KlingPipeError]


@dataclass(frozen=True)
class MultiAccount(Snapshot):
    """The snapshots of all accounts. A job counts as made in whichever account it was made: its key names none.

    `silent` are the accounts that could not be asked, by id, and why.
    """

    parts: tuple[Snapshot, ...] = ()
    places: Accounts = field(default_factory=Accounts)
    silent: Silent = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Sequence[Snapshot], places: Accounts, silent: Silent | None = None) -> MultiAccount:
        """One of many. What the account is asked for counts as asked when all were."""
        first = parts[0]
        found: dict[Identity, tuple[Record, ...]] = {}
        for part in parts:
            for identity, records in part.account_records.items():
                found[identity] = (*found.get(identity, ()), *records)
        shared = {one.name: getattr(first, one.name) for one in fields(Snapshot)}
        together = {
            "unlocked": frozenset().union(*(part.unlocked for part in parts)),
            "account_records": found,
            "looked_up": frozenset.intersection(*(part.looked_up for part in parts if places.takes(part.account))),
            "deleted_elements": frozenset().union(*(part.deleted_elements for part in parts)),
        }
        return cls(**{**shared, **together}, parts=tuple(parts), places=places, silent=silent or {})

    def account_name(self, account: str) -> str:
        """What the settings call an account."""
        place = self.places.of(account)
        return place.name if place else ""

    def within(self, account: str) -> Snapshot:
        """What is known in one account."""
        return next(part for part in self.parts if part.account == account)

    @cached_property
    def made(self) -> Mapping[Identity, Record]:
        """What the lock says was made in any of the accounts, by identity."""
        found: dict[Identity, Record] = {}
        for record in (record for part in self.parts for record in part.made.values()):
            other = found.get(record.identity)
            if other is None or (-record.attempt, record.account) < (-other.attempt, other.account):
                found[record.identity] = record
        return found

    @property
    def accounts(self) -> frozenset[str]:
        """The ids of all accounts, also of those that this command leaves out."""
        return frozenset(part.account for part in self.parts) - {""}

    def ledger_attempts(self, job: Job) -> tuple[Record, ...]:
        """What runs here wrote down of a job's attempts in any of the accounts, oldest attempt first."""
        found = [record for part in self.parts for record in part.ledger_attempts(job)]
        return tuple(sorted(found, key=lambda record: record.attempt))

    def block(self, job: Job) -> Block | None:
        """The lock's block for a job's address: of several accounts' the one that was made last."""
        return self.lock.latest(job.address, self.profile, [part.account for part in self.parts])

    def attempts(self, job: Job) -> tuple[Record, ...]:
        """The attempts in all accounts, oldest first; should an attempt stand in two, the one that came further."""
        found: dict[int, Record] = {}
        for part in self.parts:
            for record in part.attempts(job):
                other = found.get(record.attempt)
                if other is None or _rank(record) < _rank(other):
                    found[record.attempt] = record
        return tuple(found[attempt] for attempt in sorted(found))

    def _made(self, job: Job, attempts: tuple[Record, ...] = ()) -> Record | None:
        made = [record for part in self.parts if (record := part._made(job, attempts)) is not None]
        return min(made, key=lambda record: (-record.attempt, record.account), default=None)

    def asked(self, parts: Sequence[Snapshot], silent: Silent) -> MultiAccount:
        """With new answers of the accounts."""
        return MultiAccount.of(parts, self.places, {**self.silent, **silent})


def unasked(name: str, error: KlingPipeError, others: Sequence[str]) -> KlingPipeError:
    """Why an account cannot be asked, with its name and with what to do. `others` are those that can be."""
    kind = Unreachable if isinstance(error, Unreachable) else CredentialsError
    without = "".join(f" --account {other}" for other in others)
    leave = f", or leave it out with{without}: what only it knows is then made again" if without else ""
    hint = f"{error.hint.rstrip('.') or 'see to it'}{leave}"
    return kind(f"account `{name}` cannot be asked: {error.message}", hint=hint)


def _rank(record: Record) -> tuple[bool, bool, bool, str]:
    """Smallest first. Of two that came equally far the account's id decides, so that every machine takes the same."""
    flies = record.state in IN_FLIGHT
    return (record.state != "succeed", not (flies and record.task_id), not flies, record.account)
