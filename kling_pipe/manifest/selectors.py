"""Selectors: addresses with globs, `tag:x`, `state:failed`, `shard:2/5`; `+x` / `x+` for all above and below. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from kling_pipe.core.graph import ancestors, descendants
from kling_pipe.core.text import nearest
from kling_pipe.errors import UsageError
from kling_pipe.manifest.shards import parsed, shard
from kling_pipe.model import Job


def chosen(
    jobs: Sequence[Job],
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    *,
    states: Mapping[str, str] | None = None,
) -> set[str]:
    """Addresses that the selectors choose; all when none is given. `states` says what `state:` compares with.

    Raises UsageError for a selector that names nothing.
    """
    needs = {job.address: job.needs for job in jobs}
    wanted = set(needs)
    if picks := list(select):
        wanted = set().union(*(_one(pick, jobs, needs, states) for pick in picks))
    for pick in exclude:
        wanted -= _one(pick, jobs, needs, states)
    return wanted


def _one(
    pick: str, jobs: Sequence[Job], needs: Mapping[str, Sequence[str]], states: Mapping[str, str] | None
) -> set[str]:
    above, below = pick.startswith("+"), pick.endswith("+")
    core = pick.removeprefix("+").removesuffix("+")
    found = _matching(core, jobs, states)
    if not found and not core.startswith(("state:", "shard:")):
        raise UsageError(f"`{pick}` selects nothing", hint=_hint(core, jobs))
    wanted = set(found)
    if above:
        wanted |= ancestors(needs, found)
    if below:
        wanted |= descendants(needs, found)
    return wanted


def _matching(core: str, jobs: Sequence[Job], states: Mapping[str, str] | None) -> set[str]:
    word, colon, value = core.partition(":")
    if colon and word == "tag":
        return {job.address for job in jobs if any(fnmatchcase(tag, value) for tag in job.tags)}
    if colon and word == "state":
        if states is None:
            raise UsageError(f"`{core}` cannot be used here: this verb knows no states")
        return {job.address for job in jobs if fnmatchcase(states.get(job.address, "new"), value)}
    if colon and word == "shard":
        return shard(jobs, *parsed(value))
    core = core.removesuffix("#1")
    return {job.address for job in jobs if any(fnmatchcase(name, core) for name in _names(job))}


def _names(job: Job) -> tuple[str, str, str]:
    """An address answers to itself, to its cell (all takes) and to its recipe (all cells)."""
    return job.address, job.base, job.base.partition("@")[0]


def _hint(core: str, jobs: Sequence[Job]) -> str:
    if core.startswith("tag:"):
        tags = sorted({tag for job in jobs for tag in job.tags})
        return f"the tags are {', '.join(tags)}" if tags else "no job has `tags:`"
    titles = sorted({job.base.partition("@")[0] for job in jobs})
    near = nearest(core, [*titles, *(job.base for job in jobs)])
    return f"did you mean `{near}`?" if near else f"there are {', '.join(titles[:8])}"
