"""Files that are not whole yet, and what a killed process left of them.

`film.mp4.4711-a3f9c2-0.part` is written, made safe, and renamed to `film.mp4`. The name says who writes: the number of
the process, and where that number counts (a machine and, on Linux, a container).
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

_PART = re.compile(r".+\.(?P<pid>\d+)-(?P<place>[0-9a-f]{6})-\d+\.part")
_QUIET = 86_400.0
"""Seconds without a change after which a part of a process that cannot be looked at here counts as left behind."""

_numbers = count()


def part_of(target: Path) -> Path:
    """A name for what will be `target`, beside it. Never the same twice."""
    return target.with_name(f"{target.name}.{os.getpid()}-{place()}-{next(_numbers)}.part")


def sweep(folders: Iterable[Path], *, now: float | None = None) -> list[Path]:
    """Remove parts that nobody will finish from these folders, not from those below. Returns what was removed.

    A part is left alone while its process lives. Where that cannot be known (another machine that shares the folder,
    a number that somebody else has now) it goes a day after its last change.
    """
    found, now = [], time.time() if now is None else now
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:
            found += [Path(entry.path) for entry in entries if _is_left_behind(entry, now)]
    for part in found:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return found


def lives(pid: int) -> bool:
    """Whether a process of this machine exists. On Windows nobody can tell: os.kill would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_left_behind(entry: os.DirEntry[str], now: float) -> bool:
    name = _PART.fullmatch(entry.name)
    if name is None or not entry.is_file(follow_symlinks=False):
        return False
    if name["place"] == place() and not lives(int(name["pid"])):
        return True
    # A link has the time of what it leads to; when it was made only its status knows.
    changed = entry.stat(follow_symlinks=False)
    return max(changed.st_mtime, changed.st_ctime) < now - _QUIET


@cache
def place() -> str:
    """Where process numbers are unique: this machine, and in it this container."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{platform.node()} {numbers}".encode()).hexdigest()[:6]
