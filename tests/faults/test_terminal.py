"""A real terminal (a pty): the live view, in colours or without, and what is left on the screen."""

import fcntl
import os
import pty
import re
import struct
import termios

import pytest
from scenario import many

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
MOVES = re.compile(rb"\x1b\[\d*[A-HJK]")
SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
UP = re.compile(rb"\x1b\[(\d+)A")
CLIMB = re.compile(rb"(?:\x1b\[\d+A(?:\x1b\[2K)?)+")
"""Up over one picture of the live view, to draw the next in its place."""


def on_terminal(stage, *words, columns=80, rows=24, **environ):
    """Everything that `kling-pipe WORDS` writes to a terminal, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # What runs the tests may say how large its own terminal is.
    environ = {"TERM": "xterm-256color", "LINES": "", "COLUMNS": "", **environ}
    process = stage.process(*words, stdin=slave, stdout=slave, stderr=slave, environ=environ)
    os.close(slave)
    written = b""
    while True:
        try:
            read = os.read(master, 65536)
        except OSError:  # nobody holds the other end any more
            break
        if not read:
            break
        written += read
    os.close(master)
    return process.wait(timeout=30), written


@pytest.mark.parametrize(
    ("words", "environ", "coloured"),
    [((), {}, True), (("--color", "never"), {}, False), ((), {"NO_COLOR": "1"}, False)],
    ids=["plain", "never", "NO_COLOR"],
)
def test_the_live_view_moves_and_has_colours_only_where_they_are_wanted(picture, words, environ, coloured):
    """Lines are drawn over in each case: without colours it is the same view."""
    picture.write(many(12))
    code, written = on_terminal(picture, *words, "run", "-y", **environ)
    assert code == 0
    assert bool(COLOUR.search(written)) is coloured
    assert MOVES.search(written)
    assert b"\x1b[?25h" in written[-2000:]  # the cursor is there again
    text = SEQUENCE.sub(b"", written).decode()
    assert re.search(r"\+ image\.i\d+  made", text)
    assert "12 made, 0 reused, 0 failed, 0 waiting" in text
    assert b"Traceback" not in written


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (80, 24), (200, 50)])
def test_the_live_view_fits_its_terminal(picture, columns, rows):
    """No line of it is wider than the screen, and no picture of it higher: it would scroll away instead of moving."""
    picture.write(many(60))
    code, written = on_terminal(picture, "run", "-y", "-j", "50", columns=columns, rows=rows)
    assert code == 0
    lines = SEQUENCE.sub(b"", written).decode().replace("\r", "\n").splitlines()
    bars = [line for line in lines if " of 60 " in line]
    assert bars
    assert max(map(len, bars)) <= columns
    climbs = [sum(map(int, UP.findall(one))) for one in CLIMB.findall(written)]
    assert 0 < max(climbs, default=0) < rows
