"""What can keep a campaign from running here, looked at one by one. Spends nothing."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kling_pipe.errors import KlingPipeError

if TYPE_CHECKING:
    from kling_pipe.engine.account import Pack
    from kling_pipe.workspace import Workspace

Line = tuple[bool, str, int]
"""Whether it is well, what was found, and the exit code if it is not."""

_OLDEST = (3, 11)


def findings(root: Path, environ: Mapping[str, str], *, emulator: bool, state: Path | None) -> Iterator[Line]:
    """One line per thing that was looked at."""
    version = platform.python_version()
    yield sys.version_info >= _OLDEST, f"Python {version}", 70
    yield from _folder(root)
    yield from _extras()
    yield from _account(root, environ, emulator, state)


def _folder(root: Path) -> Iterator[Line]:
    try:
        with tempfile.TemporaryFile(dir=root):
            pass
        yield True, "this folder can be written", 0
    except OSError as error:
        yield False, f"this folder cannot be written: {error.strerror}", 74
    free = _free_bytes(root)
    if free is not None:
        yield free > 1 << 30, f"{free / (1 << 30):.1f} GiB free here", 74


def _free_bytes(root: Path) -> int | None:
    import shutil

    try:
        return shutil.disk_usage(root).free
    except OSError:
        return None


def _extras() -> Iterator[Line]:
    from importlib.util import find_spec

    for extra, modules in (("emulator", ("starlette", "uvicorn", "av")), ("fast", ("httpx2", "jsonschema_rs"))):
        missing = [name for name in modules if find_spec(name) is None]
        state = "installed" if not missing else f"not installed (pip install 'kling-pipe[{extra}]')"
        yield True, f"extra `{extra}`: {state}", 0


def _account(root: Path, environ: Mapping[str, str], emulator: bool, state: Path | None) -> Iterator[Line]:
    from kling_pipe.workspace import open_workspace

    try:
        workspace = open_workspace(root, environ=environ, emulator=emulator, emulator_state=state)
        base_url, _ = workspace.connection()
        yield True, f"credentials for account {workspace.account} at {base_url}", 0
        yield True, f"Kling accepts them: {_asked(workspace)}", 0
        for pack in _packs(workspace):
            yield pack.status != "runOut", f"pack {pack.name}: {pack.remaining:g} of {pack.total:g} units left", 4
    except KlingPipeError as error:
        yield False, f"{error.message}" + (f" ({error.hint})" if error.hint else ""), error.exit_code


def _packs(workspace: Workspace) -> Sequence[Pack]:
    import asyncio
    import time

    from kling_pipe.engine.account import packs

    return asyncio.run(packs(workspace, time.time))


def _asked(workspace: Workspace) -> str:
    """The cheapest question that needs credentials: a page of one element."""
    import asyncio

    from kling_pipe.engine.knock import knock

    return "the element library is " + ("not empty" if asyncio.run(knock(workspace)) else "empty")
