"""`--log-file`: every request and every event of a run as JSON lines. No headers, no bodies, no secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kling_pipe.engine import Event


class Log:
    """Writes lines as things happen. `None` for a file writes nothing; `aloud` tells each request on stderr."""

    def __init__(self, file: IO[str] | None, *, aloud: bool = False) -> None:
        self._file = file
        self._aloud = aloud

    def on_request(self, note: Mapping[str, Any]) -> None:
        """A request and its answer: `{type: request, at, kind, method, path, external_task_id, code, seconds, ...}`."""
        self._write({"type": "request", "at": round(time.time(), 3), **note})
        if self._aloud:
            words = (note.get(word) for word in ("method", "path", "external_task_id", "code"))
            click.echo("  ".join(["  >", *(str(word) for word in words if word not in (None, ""))]), err=True)

    def on_event(self, event: Event) -> None:
        """What happened to a job: the same line as `--json` prints."""
        self._write(event.to_json())

    def last(self, form: Mapping[str, Any]) -> None:
        """The summary."""
        self._write({"at": round(time.time(), 3), **form})

    def _write(self, form: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        try:
            print(json.dumps(form, ensure_ascii=False), file=self._file, flush=True)
        except OSError as error:
            # A full disk under the log must not end a run whose films are paid for.
            click.echo(f"the log is given up: {error.strerror or error}", err=True)
            self._file = None


@contextmanager
def log_file(path: Path | None, *, aloud: bool = False) -> Iterator[Log]:
    """A log that is appended to `path`, or none. Raises OSError when the file cannot be opened."""
    if path is None:
        yield Log(None, aloud=aloud)
        return
    file = path.open("a", encoding="utf-8")
    try:
        yield Log(file, aloud=aloud)
    finally:
        try:
            file.close()
        except OSError:
            return
