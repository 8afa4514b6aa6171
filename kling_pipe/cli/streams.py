"""Output in UTF-8 that outlives its reader: after `| head -1` the work goes on, and ends with its own exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_GONE = (errno.EPIPE, errno.EINVAL)
"""What a write says when nobody reads any more; the second on Windows."""


class _Patient(io.FileIO):
    """A file descriptor that forgets what nobody reads."""

    def write(self, data: Any, /) -> int:
        """Write, or once the reader is gone do as if."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in _GONE:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


@contextmanager
def patient_streams() -> Iterator[None]:
    """Stdout and stderr of this process, where nobody has put others in their place; given back at the end."""
    _fill_gaps()
    before = sys.stdout, sys.stderr
    for stream in before:
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8", errors="replace")
    if before == (sys.__stdout__, sys.__stderr__):
        sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # a full disk was told when it was written to
                if not stream.closed:  # a server closes its streams when it ends
                    stream.flush()
        sys.stdout, sys.stderr = before


def _fill_gaps() -> None:
    """A process that was started with `>&-` would give number 1 to its first socket, and print into it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  kept open


def _patient(stream: TextIO) -> TextIO:
    stream.flush()
    writer = io.BufferedWriter(_Patient(stream.fileno(), "w", closefd=False))
    by_line = stream.isatty() or stream is sys.stderr
    return io.TextIOWrapper(writer, encoding=stream.encoding, errors=stream.errors, line_buffering=by_line)
