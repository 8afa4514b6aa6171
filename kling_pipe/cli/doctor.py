"""What can keep a campaign from running here, looked at one by one. Spends nothing, with `--probe` neither."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.catalog.api_v2 import FIRST
from kling_pipe.errors import KlingPipeError

if TYPE_CHECKING:
    from kling_pipe.engine.resource_packs import ResourcePack
    from kling_pipe.engine.workspace import Workspace

Line = tuple[bool, str, int]
"""Whether it is well, what was found, and the exit code if it is not."""

_OLDEST = (3, 11)
_SKEW = 30.0
"""Seconds. Tokens live longer, and a Date header tells whole seconds after a journey."""


def findings(
    root: Path,
    environ: Mapping[str, str],
    *,
    emulator: bool,
    state: Path | None,
    probe: bool = False,
    named: Mapping[str, Any] | None = None,
    standard: str = FIRST,
) -> Iterator[Line]:
    """One line per thing that was looked at. With `probe` a free element is made on the account, and deleted again.

    `named` are the accounts that the settings name, as `open_workspace` takes them; `standard` is the form in which
    requests are to go out: not all credentials are good for both.
    """
    version = platform.python_version()
    yield sys.version_info >= _OLDEST, f"Python {version}, kling-pipe {_own_version()}", 70
    yield from _folder(root)
    yield from _extras(environ)
    yield from _accounts(root, environ, emulator, state, probe, named or {}, standard)


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


def _extras(environ: Mapping[str, str]) -> Iterator[Line]:
    from importlib.util import find_spec

    from kling_pipe.report.otel import wanted

    telemetry = [("otel", ("opentelemetry", "requests"))] if wanted(environ) else []  # asked for by OTEL_* variables
    for extra, modules in (
        ("emulator", ("starlette", "uvicorn", "av")),
        ("fast", ("aiohttp", "httpx2")),
        *telemetry,
    ):
        missing = [name for name in modules if find_spec(name) is None]
        state = "installed" if not missing else f"not installed (pip install 'kling-pipe[{extra}]')"
        yield True, f"extra `{extra}`: {state}", 0


def _own_version() -> str:
    from kling_pipe import __version__

    return __version__


def _accounts(
    root: Path,
    environ: Mapping[str, str],
    emulator: bool,
    state: Path | None,
    probe: bool,
    named: Mapping[str, Any],
    standard: str,
) -> Iterator[Line]:
    from kling_pipe.engine.workspace import open_workspace

    try:
        workspace = open_workspace(root, environ=environ, emulator=emulator, emulator_state=state, **named)
        workspace = workspace.spoken_in(standard)
    except KlingPipeError as error:
        yield False, _told(error), error.exit_code
        return
    for one in workspace.each:
        yield from _account(one, probe)


def _account(workspace: Workspace, probe: bool) -> Iterator[Line]:
    called = f" `{workspace.name}`" if workspace.name else ""
    try:
        base_url, _ = workspace.connection()
        yield True, f"credentials for account{called} {workspace.account} at {base_url}", 0
        yield from _clock(base_url)
        yield True, f"Kling accepts them: {_asked(workspace)}", 0
        yield from _ledger(workspace)
        for pack in _packs(workspace):
            yield pack.status != "runOut", f"pack {pack.name}: {pack.remaining:.10g} of {pack.total:.10g} units left", 4
        if probe:
            yield from _probed(workspace)
    except KlingPipeError as error:
        yield False, _told(error), error.exit_code


def _told(error: KlingPipeError) -> str:
    return error.message + (f" ({error.hint})" if error.hint else "")


def _clock(base_url: str) -> Iterator[Line]:
    """A token is good from five seconds ago on: a clock that is wrong by more makes all of them bad."""
    import asyncio
    import time

    from kling_pipe.engine.account_probe import skew

    ahead = asyncio.run(skew(base_url, time.time))
    if ahead is not None:
        away = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Kling's"
        yes = abs(ahead) <= _SKEW
        yield yes, "the clock agrees with Kling's" if yes else f"the clock is {away}: set it, or tokens are refused", 4


def _ledger(workspace: Workspace) -> Iterator[Line]:
    from kling_pipe.engine.forecast import lessons

    blocks = len(workspace.read_lock().blocks)
    known = len(lessons(workspace).durations)
    there = (
        f"the ledger can be read, {known} sorts of task learned" if workspace.ledger_path.exists() else "no ledger yet"
    )
    yield True, f"{there}; {blocks} jobs in the lock", 0


def _probed(workspace: Workspace) -> Iterator[Line]:
    import asyncio
    import base64

    from kling_pipe.cli.init_files import placeholder
    from kling_pipe.engine.account_probe import probe

    front, side = (base64.b64encode(placeholder(number)).decode() for number in (0, 1))
    body = {
        "element_name": "kling-pipe probe",
        "element_description": "made by kling-pipe doctor, and deleted again",
        "reference_type": "image_refer",
        "element_image_list": {"frontal_image": front, "refer_images": [{"image_url": side}]},
    }
    for one in asyncio.run(probe(workspace, body, asyncio.sleep)):
        yield one.ok, one.text, 4


def _packs(workspace: Workspace) -> Sequence[ResourcePack]:
    import asyncio
    import time

    from kling_pipe.engine.resource_packs import packs

    return asyncio.run(packs(workspace, time.time))


def _asked(workspace: Workspace) -> str:
    """The cheapest question that needs credentials: a page of one element."""
    import asyncio

    from kling_pipe.engine.account_probe import count_tasks

    return "the element library is " + ("not empty" if asyncio.run(count_tasks(workspace)) else "empty")
