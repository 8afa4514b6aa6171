"""Who listens to a run: a display for people, lines for machines, a file."""

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

Last = Callable[[Mapping[str, Any]], None]
_SHOWN = {"submitted": "submitted", "adopted": "found", "succeeded": "done", "failed": "FAILED", "saved": "saved", "retrying": "again",
          "cooldown": "waiting for a slot"}  # fmt: skip


@contextmanager
def listeners(kind: str, into: Path | None, _plan: Plan) -> Iterator[tuple[Callable[[Event], None], Last]]:
    """What to call for each event, and with the summary at the end."""
    with ExitStack() as stack:
        hears: list[Callable[[Event], None]] = []
        lasts: list[Last] = []
        if kind == "json":
            hears.append(lambda event: click.echo(_line(event.form())))
            lasts.append(lambda form: click.echo(_line(form)))
        elif kind != "quiet":
            hears.append(_plain)
        if into is not None:
            file = stack.enter_context(into.open("w", encoding="utf-8"))
            hears.append(lambda event: print(_line(event.form()), file=file, flush=True))
            lasts.append(lambda form: print(_line(form), file=file, flush=True))

        def on_event(event: Event) -> None:
            for hear in hears:
                hear(event)

        def last(form: Mapping[str, Any]) -> None:
            for tell in lasts:
                tell(form)

        yield on_event, last


def _line(form: Mapping[str, Any]) -> str:
    return json.dumps(form, ensure_ascii=False)


def _plain(event: Event) -> None:
    word = _SHOWN.get(event.type)
    if word is not None:
        detail = event.data.get("message") or event.data.get("path") or event.data.get("external_task_id") or ""
        click.echo(f"  {word:<10} {event.address}  {detail}".rstrip(), file=sys.stderr)
