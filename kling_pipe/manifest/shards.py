"""A campaign cut into parts for several machines: whole dependency chains, stable by key. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from kling_pipe.errors import UsageError
from kling_pipe.model import Job

_SHARD = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


def parsed(text: str) -> tuple[int, int]:
    """`2/5` as (2, 5). Raises UsageError for what is no part of a whole."""
    found = _SHARD.fullmatch(text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(f"`{text}` is no shard", hint="Write 2/5 for the second of five; they count from 1.")
    return number, count


def shard(jobs: Sequence[Job], number: int, count: int) -> set[str]:
    """The addresses of one part out of `count`.

    Every job is in exactly one part, with all that it needs, all that needs it, and all that ask for the same task.
    Which part that is depends on the chain alone: other jobs of the manifest may come, go and change their names.
    """
    chains: dict[str, list[Job]] = {}
    for job, root in zip(jobs, _roots(jobs), strict=True):
        chains.setdefault(root, []).append(job)
    return {job.address for chain in chains.values() if _part(chain, count) == number for job in chain}


def _part(chain: Sequence[Job], count: int) -> int:
    """Rendezvous hashing: when a machine is added, only the chains that it gets move."""
    first = "{} {} {}".format(*min(job.identity for job in chain))
    return max(range(1, count + 1), key=lambda number: hashlib.sha256(f"{number} {first}".encode()).digest())


def _roots(jobs: Sequence[Job]) -> list[str]:
    """For each job an address that stands for its chain (union-find, flat because chains may be 10,000 long)."""
    above = {job.address: job.address for job in jobs}
    makers: dict[tuple[str, str, int], str] = {}
    for job in jobs:
        mates = (makers.setdefault(job.identity, job.address), *(need for need in job.needs if need in above))
        for mate in mates:
            above[_root(above, mate)] = _root(above, job.address)
    return [_root(above, job.address) for job in jobs]


def _root(above: dict[str, str], address: str) -> str:
    while above[address] != address:
        above[address] = address = above[above[address]]
    return address
