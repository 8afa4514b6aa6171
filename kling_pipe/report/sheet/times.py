"""The time line: which task held which slot when, and how many were ready and had to wait for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kling_pipe.report.sheet.markup import Markup, el
from kling_pipe.report.sheet.values import Take

_PAUSE = 30 * 60 * 1000
"""So long without any task (ms) is the end of a session."""

_WIDTH, _LEFT, _LANE = 1000, 60, 14
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


def drawing(session: Session) -> Markup:
    """A session as SVG: a lane per slot, below it the number of jobs that were ready and waited."""
    length = max(1, session.end - session.begin)

    def x(at: int) -> float:
        return round(_LEFT + (at - session.begin) / length * (_WIDTH - _LEFT - 10), 2)

    parts, y = [], 6
    for pack in dict.fromkeys(pack for pack, _ in sorted(session.tasks, key=lambda task: task[0])):
        takes = [take for name, take in session.tasks if name == pack]
        lanes = _lanes(takes)
        count = min(_MOST_LANES, max(lanes) + 1)
        parts.append(el("text", pack, x=0, y=y + 10, class_="axis"))
        for take, lane in zip(takes, lanes, strict=True):
            if lane < _MOST_LANES:
                parts.append(_bar(take, x(take.created_at), x(take.updated_at), y + lane * _LANE))
        y += count * _LANE + 8
    waits = _waiting(session)
    most = max((count for _, count in waits), default=0)
    if most:
        parts += [el("text", "waiting", x=0, y=y + 10, class_="axis"), _steps(waits, most, x, y)]
        y += 38
    parts += _scale(length, y)
    label = f"Time line of {len(session.tasks)} tasks, {length / 1000:.0f} s, at most {most} waiting for a slot"
    return el("svg", *parts, viewBox=f"0 0 {_WIDTH} {y + 20}", role="group", aria_label=label)


def _lanes(takes: Sequence[Take]) -> list[int]:
    """The lowest free lane for each task, as slots are."""
    free: list[int] = []
    found = []
    for take in takes:
        lane = next((number for number, until in enumerate(free) if until <= take.created_at), len(free))
        free[lane : lane + 1] = [take.updated_at]
        found.append(lane)
    return found


def _bar(take: Take, left: float, right: float, y: int) -> Markup:
    seconds = (take.updated_at - take.created_at) / 1000
    title = el("title", f"{take.address}: {seconds:.0f} s")
    box = el("rect", x=left, y=y, width=max(1.5, right - left - 1), height=_LANE - 3, rx=2, class_=f"span {take.state}")
    return el("a", el("g", title, box), href=f"#{take.address.partition('#')[0]}", aria_label=take.address)


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


def _steps(waits: Sequence[tuple[int, int]], most: int, x: Callable[[int], float], y: int) -> Markup:
    bottom = y + 30
    words = [f"M{x(waits[0][0])} {bottom}"]
    height = 0.0
    for at, count in waits:
        words.append(f"H{x(at)}")
        height = 28 * count / most
        words.append(f"V{bottom - height:.1f}")
    return el("path", el("title", f"at most {most} waited"), d=f"{''.join(words)}V{bottom}Z", class_="queue")


def _scale(length: int, y: int) -> list[Markup]:
    parts = [el("line", x1=_LEFT, y1=y, x2=_WIDTH - 10, y2=y, class_="rule")]
    for step in range(5):
        at = _LEFT + step / 4 * (_WIDTH - _LEFT - 10)
        anchor = "end" if step == 4 else "start" if step == 0 else "middle"
        parts.append(
            el("text", _clock(length * step / 4000), x=f"{at:.0f}", y=y + 14, text_anchor=anchor, class_="axis")
        )
    return parts


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
