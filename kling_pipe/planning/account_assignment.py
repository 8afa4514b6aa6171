"""Which account each job goes to, and what is made a second time because a job is pinned elsewhere. Pure.

made, or under way      -> stays where it is
pinned                  -> there; free things that it uses and that live elsewhere are made again there, as
                           `element.hana!second`; what costs cannot be, and the job is refused
uses what lives in one  -> follows it
none of these           -> its steady home, or (`spread = "free"`) where a slot is free when it is sent
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.core.graph import order
from kling_pipe.core.keys import external_id
from kling_pipe.core.text import nearest
from kling_pipe.model import Job, Record
from kling_pipe.planning.account_affinity import Affinity, bonds, is_free, moved
from kling_pipe.planning.account_ranking import FREE, Account
from kling_pipe.planning.multi_account import MultiAccount
from kling_pipe.planning.snapshot import IN_FLIGHT

MARK = "!"
"""Between the address of a job and the account in which it is made again."""


@dataclass(slots=True)
class Assignment:
    """The jobs, with those that are made again; where each goes (an account's id), whom it follows, why it cannot go.

    `users` are the jobs that each copy is for.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    follows: dict[str, str] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)


def allot(jobs: Sequence[Job], snapshot: MultiAccount, replaced: Iterable[tuple[str, str, int]] = ()) -> Assignment:
    """A place for every job. `replaced` are the identities that get a new attempt on purpose."""
    allotter = _Allotter({job.address: job for job in jobs}, snapshot, frozenset(replaced))
    for address in order({job.address: job.needs for job in jobs}):
        allotter.place(allotter.jobs[address])
    for job in jobs:
        allotter.take(job)
    return allotter.found


def original(address: str) -> str:
    """The address in the manifest of a job that is made again in another account."""
    return address.partition(MARK)[0]


@dataclass(slots=True)
class _Allotter:
    jobs: dict[str, Job]
    snapshot: MultiAccount
    replaced: frozenset[tuple[str, str, int]]
    found: Assignment = field(default_factory=Assignment)
    ties: dict[str, list[Affinity]] = field(default_factory=dict)
    pins: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ties = {address: bonds(job) for address, job in self.jobs.items()}
        for address, job in self.jobs.items():
            place = self.snapshot.places.named(job.account)
            if place is not None and self._standing(job) is None:
                for bond in self.ties[address]:
                    self.pins.setdefault(bond.address, set()).add(place.account)

    def place(self, job: Job) -> None:
        """Decide on one job; those that it uses are decided already."""
        address = job.address
        self.found.where[address] = self._where(job)

    def take(self, job: Job) -> None:
        """Put a job into the plan, after the copies that it needs where it goes."""
        here, others = self.found.where[job.address], dict[str, str]()
        record = self._standing(job)
        if record is None or record.state == "intent":
            for bond in self._far(job, here):
                need = self.jobs[bond.address]
                if is_free(need):
                    others[bond.address] = self._copy(need, here, job.address)
                else:
                    self.found.refusals[job.address] = self._torn(bond, here)
        self.found.jobs[job.address] = moved(job, others)

    def _far(self, job: Job, here: str) -> list[Affinity]:
        """What a job uses, and what does not live where it goes."""
        ties = (bond for bond in self.ties[job.address] if bond.address and here)
        return [bond for bond in ties if self.found.where[bond.address] not in ("", here)]

    def _copy(self, need: Job, account: str, user: str) -> str:
        place = self.snapshot.places.of(account)
        name = place.name if place else account
        address = f"{need.address}{MARK}{name}"
        if address not in self.found.where:
            self.found.where[address] = account
            others = {
                bond.address: self._copy(self.jobs[bond.address], account, user) for bond in self._far(need, account)
            }
            self.found.jobs[address] = replace(moved(need, others), address=address, account=name)
        self.found.users.setdefault(address, set()).add(user)
        return address

    def _where(self, job: Job) -> str:
        record = self._standing(job)
        if record is not None:
            return record.account
        if job.account:
            return self._pinned(job)
        ties = self.ties[job.address]
        leaders = [bond for bond in ties if bond.address and self._is_open(self.found.where[bond.address])]
        if leaders:
            # What cannot be made again for nothing leads; then the first.
            leader = next((one for one in leaders if not is_free(self.jobs[one.address])), leaders[0])
            self.found.follows[job.address] = leader.address
            return self.found.where[leader.address]
        if by_hand := [bond for bond in ties if not bond.address]:
            self.found.refusals[job.address] = (
                f"`{by_hand[0].at}` is an id written by hand, which lives in one account: say in which with `account:`"
            )
        if wanted := self.pins.get(job.address):
            return min(wanted)
        return self._home(job)

    def _is_open(self, account: str) -> bool:
        """Whether a job may follow something that is there; "" is wherever that will be."""
        return not account or self.snapshot.places.takes(account)

    def _pinned(self, job: Job) -> str:
        place = self.snapshot.places.named(job.account)
        if place is not None:
            return place.account
        names = [one.name for one in self.snapshot.places.all]
        near = nearest(job.account, names)
        known = f"did you mean `{near}`?" if near else f"there are {', '.join(names)} here"
        if any(one.name == job.account for one in self.snapshot.places.left_out):
            known = "this command leaves it out"
        self.found.refusals[job.address] = f"it asks for the account `{job.account}`: {known}"
        return ""

    def _home(self, job: Job) -> str:
        pack, _ = quota(load_operation(job.operation), job.request)
        if pack and self.snapshot.places.spread == FREE:
            return ""
        return self.snapshot.places.home(external_id(job.project, job.key, job.take), pack or "").account

    def _standing(self, job: Job) -> Record | None:
        """What is made or under way of a job, and is to stay so."""
        record = self.snapshot.frozen(job) if job.frozen else self.snapshot.known(job)
        if record is None or record.state not in (*IN_FLIGHT, "succeed"):
            return None
        return None if job.identity in self.replaced and self.snapshot.unfinished(job) is None else record

    def _torn(self, bond: Affinity, here: str) -> str:
        places: Mapping[str, Account] = {place.account: place for place in self.snapshot.places.all}
        there = places.get(self.found.where[bond.address])
        wanted = places.get(here)
        return (
            f"`{bond.address}` is in the account `{there.name if there else '?'}`, and Kling takes it by its id there: "
            f"it cannot be used in `{wanted.name if wanted else '?'}`"
        )
