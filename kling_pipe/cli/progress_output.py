"""Who listens to a run: the display for people on stderr, JSON lines on stdout, a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kling_pipe.engine import Event
    from kling_pipe.model import Plan
    from kling_pipe.report.progress import Kind
    from kling_pipe.report.progress_state import Expected

Last = Callable[[Mapping[str, Any]], None]


@contextmanager
def listeners(
    kind: Kind,
    plan: Plan,
    budget: Mapping[str, Any],
    *,
    as_json: bool,
    into: Path | None,
    expected: Expected | None = None,
) -> Iterator[tuple[Callable[[Event], None], Last]]:
    """What to call for each event, and with the summary at the end. `expected`: the seconds that a job should take."""
    from kling_pipe.report.progress import progress

    with ExitStack() as stack:
        shown = stack.enter_context(progress("quiet" if as_json else kind, sys.stderr, plan, budget, expected=expected))
        writers: list[Callable[[str], None]] = [click.echo] if as_json else []
        if into is not None:
            file = stack.enter_context(into.open("w", encoding="utf-8"))
            writers.append(lambda line: print(line, file=file, flush=True))

        def write(form: Mapping[str, Any]) -> None:
            line = json.dumps(form, ensure_ascii=False)
            for writer in writers:
                writer(line)

        def on_event(event: Event) -> None:
            shown.on_event(event)
            if writers:
                write(event.to_json())

        yield on_event, write
