"""What the account itself says: whether it lets us in, and what is left in its packs. Spends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kling_pipe.catalog.operations import table
from kling_pipe.client import Client, Prepared, json_types
from kling_pipe.engine.run_errors import error_of
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import Unreachable

_YEAR_MS = 365 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class ResourcePack:
    """One resource pack. Quantities in units, `ends` in ms; `status` is Kling's own word (online, runOut, ...)."""

    name: str
    total: float
    remaining: float
    status: str
    ends: int


async def packs(workspace: Workspace, clock: Callable[[], float]) -> tuple[ResourcePack, ...]:
    """The packs that were bought in the last year, as Kling lists them: what is left is up to 12 hours old.

    Raises CredentialsError and Unreachable.
    """
    base_url, credentials = workspace.connection()
    async with Client(base_url, credentials) as client:
        return await packs_at(client, clock)


async def packs_at(client: Client, clock: Callable[[], float]) -> tuple[ResourcePack, ...]:
    """`packs`, asked by a client that is there already."""
    form, now = table("account")["packs"], int(clock() * 1000)
    answer = await client.ask(str(form["path"]), {"start_time": now - _YEAR_MS, "end_time": now})
    if not isinstance(answer, Prepared):
        raise error_of(answer, "to say what is left")
    try:
        return tuple(_pack(row, form) for row in json_types.mappings(answer.data.get(form["rows"])))
    except json_types.OddError as error:
        raise Unreachable(f"what Kling says is left cannot be read: {form['rows']} holds {error}") from None


def left(found: Iterable[ResourcePack], word: str) -> float | None:
    """The units of a pack type (`video`) over all packs that bear its name; None where none does."""
    named = [pack.remaining for pack in found if word in pack.name.casefold()]
    return sum(named) if named else None


def _pack(row: Mapping[str, Any], form: Mapping[str, str]) -> ResourcePack:
    return ResourcePack(
        name=json_types.text(row.get(form["name"])),
        total=json_types.number(row.get(form["total"])),
        remaining=json_types.number(row.get(form["remaining"])),
        status=json_types.text(row.get(form["status"])),
        ends=json_types.moment(row.get(form["ends"])),
    )
