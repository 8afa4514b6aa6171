"""`schemas/standards/` as values: which operations and models the second standard has, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kling_pipe.catalog.operations import table
from kling_pipe.errors import UsageError

FIRST, SECOND = "v1", "v2"
NAMES = (FIRST, SECOND)
"""What `--standard` may say; the first is the default."""


def named(standard: str) -> str:
    """The standard, if there is one of that name. Raises UsageError."""
    if standard not in NAMES:
        raise UsageError(f"there is no standard `{standard}`", hint=f"Write {' or '.join(NAMES)}.")
    return standard


@cache
def table_of() -> Mapping[str, Any]:
    """All that is known of the second standard."""
    return table(f"standards/{SECOND}")


def form(operation: str) -> Mapping[str, Any] | None:
    """Where an operation's fields go in the second standard; None for one that has no such form."""
    found: Mapping[str, Any] | None = table_of()["operations"].get(operation)
    return found


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation with a model, as the second standard has it. `model` is the first standard's name of it."""

    operation: str
    model: str
    form: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The second standard's name of the model."""
        return str(self.row["id"])

    @property
    def path(self) -> str:
        """Where a create goes."""
        return str(self.form["path"]).replace("{model}", self.name)

    @property
    def takes(self) -> Mapping[str, int]:
        """How many of each type of content there may be, the prompt aside."""
        found: Mapping[str, int] = self.row.get("takes", {})
        return found

    @property
    def settings(self) -> Mapping[str, list[Any]]:
        """The values of each setting."""
        found: Mapping[str, list[Any]] = self.row["settings"]
        return found

    @property
    def cuts(self) -> bool:
        """Whether shots that are written into the prompt are cut."""
        return bool(self.row.get("shots")) or self.shots["on"].strip("/") in self.settings

    @property
    def shots(self) -> Mapping[str, Any]:
        """The words of shots in both standards."""
        found: Mapping[str, Any] = table_of()["shots"]
        return found


def endpoint(operation: str, model: str) -> Endpoint | None:
    """The endpoint of an operation's model; None when the second standard has none."""
    found = form(operation)
    known = found["models"].get(model) if found else None
    return Endpoint(operation, model, found, known) if found and known else None


@cache
def endpoints() -> Mapping[str, Endpoint]:
    """Every endpoint by its path."""
    return {one.path: one for one in _every()}


def _every() -> Iterator[Endpoint]:
    for operation, found in table_of()["operations"].items():
        for model, known in found["models"].items():
            yield Endpoint(operation, model, found, known)


def speaks(standard: str, operation: str, model: str) -> bool:
    """Whether a request goes out in the second standard: it is wanted and there is such a form, or no other exists."""
    known = endpoint(operation, model)
    if known is not None and known.row.get("only"):
        return True
    return standard == SECOND and form(operation) is not None


def exists_in(standard: str, operation: str, model: str) -> bool:
    """Whether a model can be asked for in a standard at all."""
    known = endpoint(operation, model)
    return not (standard == FIRST and known is not None and known.row.get("only"))
