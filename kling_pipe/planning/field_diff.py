"""Which fields of a request changed since it was made. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from kling_pipe.core.json_tree import find_leaves
from kling_pipe.core.keys import fields_digest
from kling_pipe.model import Job, OutputRef
from kling_pipe.storage.lockfile import Block


class FieldChange(NamedTuple):
    """One API field, then and now. `upstream` are the addresses that it refers to."""

    field: str
    change: Literal["same", "changed", "added", "removed"]
    upstream: tuple[str, ...] = ()

    def __str__(self) -> str:
        below = f" (from {', '.join(self.upstream)})" if self.upstream and self.change == "changed" else ""
        return f"`{self.field}` {'is the same' if self.change == 'same' else self.change}{below}"


def field_digests(job: Job, key_at: Callable[[str], str]) -> dict[str, str]:
    """A short digest by API field, as the lock keeps it."""
    return fields_digest(job.request, key_at)


def why(job: Job, block: Block | None, key_at: Callable[[str], str]) -> list[FieldChange]:
    """Field by field against what the lock recorded; empty when it recorded nothing."""
    then = (block or {}).get("fields")
    if not then:
        return []
    now = field_digests(job, key_at)
    return [
        FieldChange(name, _change(then.get(name), now.get(name)), _upstream(job.request.get(name)))
        for name in sorted({*then, *now})
    ]


def _change(then: str | None, now: str | None) -> Literal["same", "changed", "added", "removed"]:
    if then == now:
        return "same"
    return "added" if then is None else "removed" if now is None else "changed"


def _upstream(value: object) -> tuple[str, ...]:
    return tuple(ref.address for ref in find_leaves(value, OutputRef))
