"""Progress of a run for people and machines: a live view on a terminal, calm lines elsewhere, JSON lines on request.

with progress("auto", sys.stderr, plan, budget) as shown:
    api.run(plan, workspace, on_event=shown.on_event)
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, Self

from kling_pipe.report.progress_lines import ended_line, status_line

if TYPE_CHECKING:
    from kling_pipe.model import Plan
    from kling_pipe.report.progress_state import Expected, Happening, ProgressState

Kind = Literal["auto", "tty", "plain", "json", "quiet"]

_CHATTY = 200
"""Up to so many jobs each one gets its line; a larger run is told by its failures and a line now and then."""

_EVERY = 30.0
"""Seconds between two lines that say where a run stands."""


class Progress(Protocol):
    """What shows a run: entered before it begins, left when it ended, called with every event in between."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *_: object) -> None:
        """Leave the stream as it should stay."""

    def on_event(self, event: Happening) -> None:
        """Take one event in. Cheap: called for every change of every job, in the run's own loop."""


def progress(
    kind: Kind,
    stream: IO[str],
    plan: Plan,
    budget: Mapping[str, Any],
    *,
    expected: Expected | None = None,
    clock: Callable[[], float] = time.time,
) -> Progress:
    """What shows a run of `plan` on `stream`. `auto` is a live view on a terminal and plain lines elsewhere.

    `budget` is `{usd, video, image}` as in the manifest; `expected` gives the seconds that a task is known to take.
    """
    if kind == "auto":
        kind = "tty" if stream.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    if kind == "quiet":
        return Quiet()
    if kind == "json":
        return Lines(stream)
    from kling_pipe.report.progress_state import ProgressState

    board = ProgressState(plan, expected or (lambda _job: None))
    if kind == "plain":
        return Plain(stream, board, budget)
    from kling_pipe.report.progress_live import Live

    return Live(stream, board, budget, clock)


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def on_event(self, event: Happening) -> None:
        """Nothing to show."""


class Lines(Quiet):
    """Every event as one line of JSON."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def on_event(self, event: Happening) -> None:
        """One line, flushed: the reader may be waiting for it."""
        self._stream.write(json.dumps(event.to_json(), ensure_ascii=False) + "\n")
        self._stream.flush()


class Plain(Quiet):
    """A line for each job that ended, and one now and then that says where the run stands."""

    def __init__(self, stream: IO[str], board: ProgressState, budget: Mapping[str, Any]) -> None:
        self._stream, self._board, self._budget = stream, board, budget
        self._told_at = 0.0
        self._told = -1

    def __exit__(self, *_: object) -> None:
        """The last word on a run that was too large for a line a job."""
        if self._board.total > _CHATTY and self._board.done != self._told:
            self._say(status_line(self._board, self._budget))

    def on_event(self, event: Happening) -> None:
        """Say what ended; what is being reused is only counted."""
        board = self._board
        board.take(event)
        chatty = board.total <= _CHATTY
        while board.remarks:
            self._say(f"? {board.remarks.popleft()}")
        while board.ended:
            one = board.ended.popleft()
            if one.ending == "failed" or (chatty and one.ending != "reused"):
                self._say(ended_line(one))
        self._told_at = self._told_at or event.at
        if event.at - self._told_at >= _EVERY and board.running:
            self._told_at, self._told = event.at, board.done
            self._say(status_line(board, self._budget))

    def _say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
