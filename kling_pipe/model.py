"""The nouns of kling-pipe as frozen values. No behaviour beyond derived properties, no I/O.

Kling's own words (`task_status`, `succeed`, `external_task_id`) are kept verbatim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = Any
"""A JSON value; in a job's request also an `OutputRef` or a `FileRef` in place of a string or an id."""

Kind = Literal["element", "image", "video", "voice", "audio"]
Level = Literal["error", "warn", "note"]


class _Value:
    """Equality, hash and text as `dataclass` has them, once for all: written anew for each they are a third of it."""

    __slots__: tuple[str, ...] = ()

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, self.__class__) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        pairs = zip(self.__slots__, self._values(), strict=True)
        return f"{self.__class__.__qualname__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Position(_Value):
    """A place in a file. `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Problem(_Value):
    """One thing that is wrong: where, what was found, what is allowed, what to do next.

    `id` is stable (`KP104`). `excerpt` is the source line that `position` names and `width` how many of its
    characters the caret marks. `rule` is the API rule's id (`OV-05`) and `source` the page it stands on.
    """

    id: str
    level: Level
    message: str
    position: Position | None = None
    address: str = ""
    excerpt: str = ""
    width: int = 1
    found: str = ""
    allowed: str = ""
    near: str = ""
    hint: str = ""
    rule: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OutputRef(_Value):
    """A job's output used as a value: known by name now, by URL or id at run time.

    `address` is the job's full address, cell and take included; `output` counts from 1.
    """

    address: str
    kind: Kind
    take: int = 1
    output: int = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FileRef(_Value):
    """A local file used as a value. `path` is absolute; `sha256` is of its bytes, in hex."""

    path: str
    sha256: str
    size: int
    kind: Kind = "image"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PresetRef(_Value):
    """One of Kling's own ready-made elements or voices, by its name there; its id is asked for at run time."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Job(_Value):
    """One named entry of a manifest after matrix and takes: exactly one wanted result.

    `address` is `kind.name@cell#take` (`#take` from 2 on), `base` the same without the take.
    `request` is the normal form that `key` digests: API fields only, leaves may be `OutputRef` or `FileRef`.
    `needs` are the addresses of the jobs that must be done first: those of `after`, which give an order alone, and
    those whose outputs `request` uses. `account` is the name of the account that the manifest asks for, or "".
    `place` is where outputs go, relative to the output folder, without extension (or `save_as` with it).
    `former_keys` are those that earlier versions gave the same request: what was made under one of them counts.
    """

    address: str
    base: str
    kind: Kind
    name: str
    take: int
    operation: str
    request: Mapping[str, Json]
    key: str
    project: str
    needs: tuple[str, ...] = ()
    cell: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    frozen: bool = False
    retries: int = 0
    place: str = ""
    takes: int = 1
    position: Position | None = None
    account: str = ""
    former_keys: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes two jobs one task: project, key and take."""
        return (self.project, self.key, self.take)

    @property
    def former(self) -> tuple[Job, ...]:
        """The same job under each of its former keys."""
        return tuple(replace(self, key=key, former_keys=()) for key in self.former_keys)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Output(_Value):
    """One result of a task. `index` counts from 1.

    `path` is relative to the workspace root once the file is saved; `url_at` (ms) is when `url` was handed out.
    Elements have an `element_id` (an integer of up to 18 digits, never a float) and no file. `sole`: Kling cannot be
    asked for another link, so this one is kept until the file is.
    """

    index: int
    url: str = ""
    url_at: int = 0
    id: str = ""
    duration: str = ""
    element_id: int | None = None
    path: str = ""
    sha256: str = ""
    size: int = 0
    sole: bool = False


State = Literal["intent", "submitted", "processing", "succeed", "failed"]
Failure = Literal["", "moderation", "transient", "refused", "unknown"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Record(_Value):
    """What is remembered of one task, whoever remembers it (`source`: ledger, lock or account).

    `intent`: written before the POST; whether the task exists is not known. `refused`: the create was refused.
    `units` is Kling's `final_unit_deduction`, verbatim. Times are Kling's, in ms.
    """

    external_task_id: str
    project: str
    key: str
    take: int
    attempt: int
    operation: str
    account: str
    state: State
    address: str = ""
    task_id: str = ""
    message: str = ""
    failure: Failure = ""
    outputs: tuple[Output, ...] = ()
    units: str = ""
    created_at: int = 0
    updated_at: int = 0
    source: Literal["ledger", "lock", "account"] = "ledger"

    @property
    def may_exist(self) -> bool:
        """Whether its task may be at Kling: everything but a create that was refused."""
        return bool(self.task_id) or self.state != "failed" or self.failure not in ("refused", "moderation")

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes two jobs one task: project, key and take."""
        return (self.project, self.key, self.take)

    @property
    def charged(self) -> float:
        """The units as a number; 0 where none are known, or where what an older version kept is no number."""
        try:
            number = float(self.units or 0)
        except ValueError:
            return 0.0
        return number if 0 <= number < float("inf") else 0.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cost(_Value):
    """An estimate. `units` is None when the price is unknown; `pack` is None for what costs no units."""

    units: float | None
    pack: Literal["video", "image"] | None
    usd: float | None
    note: str = ""


Action = Literal["create", "resume", "reuse", "download", "retry", "blocked", "frozen", "lost"]
PAYING = ("create", "retry")
Cause = Literal["", "silent", "other_account"]
"""Why a step is blocked, where what is done about it depends on that: an account that cannot be asked may have the
task; the lock has the result under another access key."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step(_Value):
    """A job placed in a plan. `shared_with` is the address that makes the task when two jobs ask for the same.

    With several accounts `account` is where its task is or will be ("": wherever there is room when it is sent), and
    `follows` the address of a job whose account it shares; `asked`: no account knew the id when the plan was made.
    `owed` are earlier attempts that were sent here, and whose results nobody saved: they are fetched first. `again` is
    what one more attempt costs where that is not `cost`: of a task that is under way. `looked_at` is when this process
    looked it up (seconds on a clock that nobody can set), 0 for not at all.
    """

    job: Job
    action: Action
    external_task_id: str
    attempt: int
    reasons: tuple[str, ...]
    cost: Cost
    record: Record | None = None
    shared_with: str = ""
    account: str = ""
    follows: str = ""
    asked: bool = False
    owed: tuple[Record, ...] = ()
    cause: Cause = ""
    again: Cost | None = None
    looked_at: float = 0.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The addresses whose steps must have ended first, each once."""
        shared = (self.shared_with,) if self.shared_with else ()
        return tuple(dict.fromkeys((*self.job.needs, *shared)))

    @property
    def is_at_kling(self) -> bool:
        """Whether its task is under way, so that nothing is sent for it."""
        return self.action == "resume" and self.record is not None and bool(self.record.task_id)

    @property
    def refused_at(self) -> int:
        """When (ms) the create of its attempt was refused, as the plan knows it; 0 where it was not."""
        record = self.record
        if record is None or record.attempt != self.attempt or record.may_exist:
            return 0
        return record.updated_at

    @property
    def is_intent(self) -> bool:
        """Whether it was about to be sent when the last run ended, so that nobody knows yet whether it is paid."""
        return self.action == "resume" and self.record is not None and self.record.state == "intent"

    @property
    def pays(self) -> bool:
        """Whether it sends something that costs, or may: an intent is sent if Kling turns out not to have it."""
        return (self.action in PAYING or self.is_intent) and not self.shared_with

    @property
    def last_attempt(self) -> int:
        """The last attempt that `retries` allows; one that a person asked for may be repeated as often."""
        asked = self.attempt if self.action == "create" else 1
        return max(self.attempt, asked + self.job.retries)

    @property
    def most_tasks(self) -> int:
        """How many tasks it may send, should every attempt fail for a passing reason."""
        if self.shared_with or not (self.pays or self.action == "resume"):
            return 0
        return self.last_attempt - self.attempt + int(self.pays)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Plan(_Value):
    """Every job with an action and the reasons for it, in an order that respects every dependency.

    `others` are jobs outside of the selection that are made: steps may use them, nothing is done to them. `silent` are
    the errors of accounts that could not be asked, which keeps what they may have from being made. `accounts` are the
    names of the accounts by id, where the settings name any.
    """

    project: str
    steps: tuple[Step, ...]
    warnings: tuple[Problem, ...] = ()
    others: tuple[Step, ...] = ()
    silent: tuple[Exception, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
