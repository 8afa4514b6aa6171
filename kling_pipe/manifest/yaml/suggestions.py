"""What somebody probably meant who named a file that is not there, or a folder."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kling_pipe.core.text import nearest

MANIFEST = "kling-pipe.yaml"
"""What a manifest is called when nothing is said."""


def way_on(path: Path, name: str) -> tuple[str, str]:
    """What is probably meant by the name of a file that cannot be read ("" where nobody can tell), and what to do."""
    if path.is_dir():
        inside = path / MANIFEST
        return Path(name, MANIFEST).as_posix() if inside.is_file() else "", "Name the file in it."
    if path.name != MANIFEST:
        return _like(path, name), "Check the path."
    near = _like(path, name) or _manifest_beside(path, name)
    return near, "Check the path; `kling-pipe init` writes a first manifest."


def _like(path: Path, name: str) -> str:
    """The file beside it whose name is nearly the same."""
    with suppress(OSError):
        found = nearest(path.name, (one.name for one in path.parent.iterdir() if one.is_file()))
        return Path(name).with_name(found).as_posix() if found else ""
    return ""


def _manifest_beside(path: Path, name: str) -> str:
    """For who stands one folder too high or too low."""
    with suppress(OSError):
        above = path.absolute().parent.parent / MANIFEST
        below = sorted(one.parent.name for one in path.parent.glob(f"*/{MANIFEST}"))
        if above.is_file():
            return (Path(name).parent / ".." / MANIFEST).as_posix()
        return (Path(name).parent / below[0] / MANIFEST).as_posix() if below else ""
    return ""
