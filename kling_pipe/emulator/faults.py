"""Faults by explicit rule: which requests they strike, how often, and what they do. Never by words in a prompt."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from kling_pipe.emulator.task_outcome import Extra

REQUEST, LIST, CREATE, DOWNLOAD, CALLBACK = "request", "list", "create", "download", "callback"

FAULTS: Mapping[str, tuple[str, frozenset[str]]] = {
    "reset_before": (REQUEST, frozenset()),
    "answer_lost": (REQUEST, frozenset()),
    "reset_during": (REQUEST, frozenset()),
    "timeout": (REQUEST, frozenset({"seconds", "created"})),
    "delay": (REQUEST, frozenset({"seconds"})),
    "error": (REQUEST, frozenset({"code", "http", "message", "created", "retry_after"})),
    "bad_gateway": (REQUEST, frozenset({"http", "created"})),
    "sent_twice": (REQUEST, frozenset()),
    "short_page": (LIST, frozenset({"share"})),
    "odd_answer": (REQUEST, frozenset({"at", "value", "raw", "without"})),
    "invisible": (CREATE, frozenset({"seconds", "refuse_duplicates"})),
    "task_failure": (CREATE, frozenset({"message"})),
    "slow": (CREATE, frozenset({"seconds"})),
    "expired_url": (DOWNLOAD, frozenset()),
    "truncated": (DOWNLOAD, frozenset({"share"})),
    "encoded_anew": (DOWNLOAD, frozenset({"mark"})),
    "callback_lost": (CALLBACK, frozenset()),
    "callback_doubled": (CALLBACK, frozenset()),
}
"""Each fault with what it strikes and the values it takes."""

NAMED_ERRORS: Mapping[str, int] = {
    "token_expired": 1004,
    "rate_limited": 1302,
    "over_limit": 1303,
    "internal_error": 5000,
    "unavailable": 5001,
    "internal_timeout": 5002,
}
"""Short names for `error` with a code."""

MATCHES = frozenset({"method", "path", "operation", "external_id", "account", "nth"})
TYPES: Mapping[str, tuple[type, ...]] = {
    "seconds": (int, float),
    "share": (int, float),
    "created": (bool,),
    "refuse_duplicates": (bool,),
    "code": (int,),
    "http": (int,),
    "retry_after": (int,),
    "message": (str,),
    "at": (str,),
    "raw": (str,),
    "without": (bool,),
    "mark": (str,),
    "times": (int,),
    "probability": (int, float),
    "seed": (int, str),
}


class RuleError(ValueError):
    """A fault rule says something that does not exist; the message names it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A request, a new task or a callback, as rules see it. `scope` is one of the five above.

    `account` is whose it is: a branch by its own name, any other by its access key; "" for nobody's.
    """

    scope: str
    method: str
    path: str
    operation: str = ""
    external_id: str = ""
    account: str = ""


@dataclass(slots=True)
class Rule:
    """One rule with its counts. `values` are the fault's own (`seconds`, `message`, ...)."""

    fault: str
    match: Mapping[str, Any]
    values: Mapping[str, Any]
    times: int | None
    probability: float
    chance: random.Random
    matched: int = 0
    fired: int = 0

    @property
    def scope(self) -> str:
        """What the fault strikes."""
        return FAULTS[self.fault][0]

    def strikes(self, subject: Subject) -> bool:
        """Whether it strikes now. Counts the match, and the strike."""
        if subject.scope != self.scope or not self._fits(subject):
            return False
        self.matched += 1
        nth = self.match.get("nth")
        if nth is not None and self.matched not in (nth if isinstance(nth, list) else [nth]):
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        if self.probability < 1 and self.chance.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def _fits(self, subject: Subject) -> bool:
        method = self.match.get("method")
        if method and method.upper() != subject.method:
            return False
        named = ("path", "operation", "external_id", "account")
        return all(fnmatchcase(getattr(subject, name), self.match[name]) for name in named if name in self.match)


def read(data: Any) -> Rule:
    """A rule from JSON. Raises RuleError."""
    if not isinstance(data, dict):
        raise RuleError("a rule is an object with `fault` and, if it is not to strike everything, `match`")
    name, match = str(data.get("fault")), data.get("match", {})
    values = {
        key: value for key, value in data.items() if key not in {"fault", "match", "times", "probability", "seed"}
    }
    if name in NAMED_ERRORS:
        name, values = "error", {"code": NAMED_ERRORS[name], **values}
    if name not in FAULTS:
        raise RuleError(f"there is no fault `{name}`; there are {', '.join([*FAULTS, *NAMED_ERRORS])}")
    _check(data, match, values, FAULTS[name][1], name)
    chance = random.Random(str(data.get("seed", 0)))  # noqa: S311  reproducible on purpose
    return Rule(name, match, values, data.get("times"), float(data.get("probability", 1.0)), chance)


def _check(data: Any, match: Any, values: Mapping[str, Any], allowed: frozenset[str], name: str) -> None:
    if not isinstance(match, dict) or set(match) - MATCHES:
        raise RuleError(f"`match` takes {', '.join(sorted(MATCHES))}")
    if not all(isinstance(value, str) for key, value in match.items() if key != "nth"):
        raise RuleError("what `match` compares with is text, with * and ? as wildcards")
    nth = match.get("nth", 1)
    if not all(type(number) is int for number in (nth if isinstance(nth, list) else [nth])):
        raise RuleError("`nth` is a number or a list of numbers, counted from 1")
    if unknown := set(values) - allowed:
        raise RuleError(
            f"`{name}` does not take {', '.join(sorted(unknown))}; it takes {', '.join(sorted(allowed)) or 'nothing'}"
        )
    for key, types in TYPES.items():
        if key in data and (not isinstance(data[key], types) or (bool not in types and isinstance(data[key], bool))):
            raise RuleError(f"`{key}` is of the wrong type")


@dataclass(slots=True)
class Faults:
    """The rules in force, in order: the first that strikes a request, a download or a callback wins."""

    rules: list[Rule] = field(default_factory=list)

    def replace(self, data: Any) -> None:
        """Put other rules in force; all or none. Raises RuleError."""
        if not isinstance(data, list):
            raise RuleError("faults are a list of rules")
        self.rules = [read(entry) for entry in data]

    def strike(self, subject: Subject) -> Rule | None:
        """The first rule that strikes, or None."""
        return next((rule for rule in self.rules if rule.strikes(subject)), None)

    def changes(self, subject: Subject, host: str) -> Extra:
        """What all rules together do to a task that is about to be created; `host` passes through."""
        values: dict[str, Any] = {}
        for rule in [rule for rule in self.rules if rule.strikes(subject)]:
            values.update(_CHANGES[rule.fault](rule.values))
        return Extra(host=host, **values)

    def report(self) -> list[dict[str, Any]]:
        """The rules with how often they matched and struck."""
        return [
            {
                "fault": rule.fault,
                "match": rule.match,
                **rule.values,
                "times": rule.times,
                "matched": rule.matched,
                "fired": rule.fired,
            }
            for rule in self.rules
        ]


_CHANGES: Mapping[str, Any] = {
    "invisible": lambda values: {
        "invisible": float(values.get("seconds", 1)),
        "refuses_duplicates": values.get("refuse_duplicates", True),
    },
    "task_failure": lambda values: {"failure": values.get("message") or "Failure to pass the risk control system"},
    "slow": lambda values: {"slow": float(values.get("seconds", 10))},
}
