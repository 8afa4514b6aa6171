"""The time line: which task held which slot when, and how many were ready and had to wait for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kling_pipe.report.contact_sheet.sheet_model import Take

_PAUSE = 30 * 60 * 1000
"""So long without any task (ms) is the end of a session."""

_LEFT, _RIGHT, _LANE = 60, 990, 14
_MOST_LANES = 60


@dataclass(frozen=True, slots=True)
class Session:
    """Tasks of one sitting, in the order of their beginnings, as (pack, take). Times are in ms."""

    tasks: tuple[tuple[str, Take], ...]

    @property
    def begin(self) -> int:
        """When the first task began."""
        return self.tasks[0][1].created_at

    @property
    def end(self) -> int:
        """When the last task ended."""
        return max(take.updated_at for _, take in self.tasks)


class Bar(NamedTuple):
    """A task in its lane."""

    take: Take
    x: float
    y: int
    width: float


class Chart(NamedTuple):
    """A session as it is drawn: each pack's name, place and bars, the outline of the queue, the scale at `rule`."""

    session: Session
    packs: list[tuple[str, int, list[Bar]]]
    queue: str
    most: int
    rule: int
    ticks: list[tuple[str, str, str]]


def sessions(takes: Sequence[Take]) -> list[Session]:
    """All tasks whose times are known, cut where nothing ran for long."""
    known = sorted((take for take in takes if 0 < take.created_at <= take.updated_at), key=lambda take: take.created_at)
    found: list[list[tuple[str, Take]]] = []
    end = 0
    for take in known:
        if not found or take.created_at - end > _PAUSE:
            found.append([])
        found[-1].append((take.estimated.pack or "no slot", take))
        end = max(end, take.updated_at)
    return [Session(tuple(tasks)) for tasks in found]


def drawing(session: Session) -> Chart:
    """A lane per slot, below it the number of jobs that were ready and waited."""
    length = max(1, session.end - session.begin)

    def x(at: int) -> float:
        return round(_LEFT + (at - session.begin) / length * (_RIGHT - _LEFT), 2)

    packs, y = [], 6
    for pack in sorted({pack for pack, _ in session.tasks}):
        takes = [take for name, take in session.tasks if name == pack]
        lanes = _lanes(takes)
        bars = [
            Bar(take, left := x(take.created_at), y + lane * _LANE, max(1.5, x(take.updated_at) - left - 1))
            for take, lane in zip(takes, lanes, strict=True)
            if lane < _MOST_LANES
        ]
        packs.append((pack, y, bars))
        y += min(_MOST_LANES, max(lanes) + 1) * _LANE + 8
    waits = _waiting(session)
    most = max((count for _, count in waits), default=0)
    queue = _outline(waits, most, x, y + 30) if most else ""
    return Chart(session, packs, queue, most, y + 38 if most else y, list(_scale(length)))


def _lanes(takes: Sequence[Take]) -> list[int]:
    """The lowest free lane for each task, as slots are."""
    free: list[int] = []
    found = []
    for take in takes:
        lane = next((number for number, until in enumerate(free) if until <= take.created_at), len(free))
        free[lane : lane + 1] = [take.updated_at]
        found.append(lane)
    return found


def _waiting(session: Session) -> list[tuple[int, int]]:
    """How many jobs waited, from each moment on: ready, and not yet sent."""
    moments = []
    for pack, take in session.tasks:
        ready = max(take.ready_at, session.begin)
        if pack != "no slot" and take.created_at > ready:
            moments += [(ready, 1), (take.created_at, -1)]
    count, found = 0, []
    for at, change in sorted(moments):
        count += change
        found.append((at, count))
    return found


def _outline(waits: Sequence[tuple[int, int]], most: int, x: Callable[[int], float], bottom: int) -> str:
    steps = "".join(f"H{x(at)}V{bottom - 28 * count / most:.1f}" for at, count in waits)
    return f"M{x(waits[0][0])} {bottom}{steps}V{bottom}Z"


def _scale(length: int) -> Iterator[tuple[str, str, str]]:
    for step, anchor in enumerate(("start", "middle", "middle", "middle", "end")):
        yield f"{_LEFT + step / 4 * (_RIGHT - _LEFT):.0f}", anchor, _clock(length * step / 4000)


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
