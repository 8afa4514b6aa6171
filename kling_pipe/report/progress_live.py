"""The live view of a run on a terminal. What ended scrolls away above; below stays what runs, slots and spending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Literal, Self

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kling_pipe.report.progress_lines import SIGNS, clock_text, ended_text, spent_text
from kling_pipe.report.progress_state import Ended, Happening, ProgressState, Running

_TICK = 0.2
_SCROLLED = 8
"""Lines that may scroll away in one tick; more are told as a number, so that a fast run stays readable."""

_STYLES = {"made": "green", "reused": "dim", "failed": "bold red", "waiting": "cyan"}


class Live:
    """Redrawn five times a second by a thread of its own, however many events there are."""

    def __init__(
        self, stream: IO[str], board: ProgressState, budget: Mapping[str, Any], clock: Callable[[], float]
    ) -> None:
        # Told by `--color` and NO_COLOR; rich by itself would heed the variable alone, and go on with bold and dim.
        context = click.get_current_context(silent=True)
        system: Literal["auto"] | None = None if context is not None and context.color is False else "auto"
        self._console = Console(
            file=stream, highlight=False, force_terminal=True, color_system=system, no_color=system is None
        )
        self._board, self._budget, self._clock = board, budget, clock
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._thread = threading.Thread(target=self._draw_on, name="progress", daemon=True)

    def __enter__(self) -> Self:
        """Take the lower lines of the terminal."""
        self._live.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back; only what scrolled away stays."""
        self._over.set()
        self._thread.join()
        with self._guard:
            self._scroll()
            self._live.update("")
        self._live.stop()

    def on_event(self, event: Happening) -> None:
        """Only folded in here; drawing is the thread's."""
        with self._guard:
            self._board.take(event)

    def _draw_on(self) -> None:
        while not self._over.wait(_TICK):
            with self._guard:
                self._scroll()
                view = self._view()
            self._live.update(view, refresh=True)

    def _scroll(self) -> None:
        while self._board.remarks:
            self._console.print(Text(f"? {self._board.remarks.popleft()}", style="yellow"))
        ended, board = [one for one in self._board.ended if one.ending != "reused"], self._board
        board.ended.clear()
        failed = [one for one in ended if one.ending == "failed"]
        others = [one for one in ended if one.ending != "failed"]
        shown = others if len(others) <= _SCROLLED else others[: _SCROLLED - 1]
        for one in (*failed, *shown):
            self._console.print(_scrolled(one), no_wrap=True, overflow="ellipsis", crop=True)
        if len(shown) < len(others):
            self._console.print(Text(f"+ and {len(others) - len(shown)} more", style="green"))

    def _view(self) -> RenderableType:
        width, height = self._console.size
        rows = sorted(self._board.running.values(), key=lambda row: row.since)
        room = max(3, height - 6)
        shown = rows if len(rows) <= room else rows[: room - 1]
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(20, width - 42))
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, style="dim")
        for row in shown:
            table.add_row(*self._row(row))
        rest = [Text(f"and {len(rows) - len(shown)} more", style="dim")] if len(shown) < len(rows) else []
        return Group(table, *rest, *self._foot(width))

    def _row(self, row: Running) -> tuple[RenderableType, ...]:
        job, age = row.step.job, self._clock() - row.since
        take = f" take {job.take} of {job.takes}" if job.takes > 1 else ""
        left = ""
        if row.expected and row.phase != "saving":
            left = f"~{clock_text(row.expected - age)} left" if age < row.expected else "any moment"
        return Text(job.address, style="bold") + Text(take, style="dim"), row.phase, clock_text(age), left

    def _foot(self, width: int) -> Iterator[RenderableType]:
        board = self._board
        if board.note:
            yield Text(board.note, style="yellow", no_wrap=True, overflow="ellipsis")
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=max(1, board.total), completed=board.done, width=max(10, min(40, width // 3))),
            Text(f"{board.done} of {board.total}"),
            Text(f"{board.counts['failed']} failed" if board.counts["failed"] else "", style="bold red"),
            Text(clock_text(self._clock() - board.started) if board.started else "", style="dim"),
        )
        yield bar
        slots = ", ".join(f"{count} {pack}" for pack, count in sorted(board.slots.items()) if pack and count)
        yield Text(
            f"{spent_text(board, self._budget)}{f'; slots: {slots}' if slots else ''}",
            style="dim",
            no_wrap=True,
            overflow="ellipsis",
        )


def _scrolled(one: Ended) -> Text:
    sign = Text(f"{SIGNS[one.ending]} ", style=_STYLES[one.ending])
    return sign + Text(f"{one.step.job.address}  ") + Text(ended_text(one), style=_STYLES[one.ending])
