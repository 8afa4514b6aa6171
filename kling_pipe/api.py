"""The Python API, the same as the command line: load, plan, run. The command line is built on nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.catalog.api_v2 import FIRST
from kling_pipe.manifest import Manifest, Reading, compile_manifest, read_manifest
from kling_pipe.manifest.file_inspection import inspector
from kling_pipe.manifest.input_files import LookAtLinks
from kling_pipe.manifest.yaml import Opened
from kling_pipe.model import Job, Plan, Problem
from kling_pipe.report.severity import Levels, leveled

if TYPE_CHECKING:
    from kling_pipe.catalog.pricing import Prices
    from kling_pipe.engine import Dependencies, OnEvent, Result, Settings
    from kling_pipe.engine.account_settings import AccountSpec
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest.files import Files
    from kling_pipe.planning import Snapshot


def load(
    path: str | Path,
    *,
    vars: Mapping[str, Any] | None = None,
    profile: str = "",
    workspace: Workspace | None = None,
    levels: Levels | None = None,
    standard: str = "",
    links: LookAtLinks | None = None,
    publishes: bool | None = None,
    unrecorded: list[str] | None = None,
    accounts: Collection[str] | None = None,
) -> Manifest:
    """Compile a manifest and all it includes. Offline, unless `links` looks at links over the network.

    `vars` replace values of the manifest's `vars`. `workspace` says whose lock holds the results of frozen jobs;
    without one it is the `kling-pipe.lock` beside the manifest. `publishes` says whether a film may be a local file;
    unless given, it may where the workspace can publish it, or where there is none. `standard` is the form in which
    requests will go out, that of the workspace unless it is given. `levels` says which problems count; remarks in the
    files (`# kp: ignore OV-05`) are heeded in any case. With a list as `unrecorded`, frozen jobs that no lock records
    are no problem: they stand for what they ask for now, and their addresses are put into the list. `accounts` are the
    names that jobs may ask for, those of the workspace unless given. Raises `ManifestInvalid` with every problem found.
    """
    path = Path(path)
    wanted = Levels() if levels is None else levels
    with inspector(path.parent) as seen:
        return compile_manifest(
            path,
            overrides=vars,
            profile=profile,
            probe=seen.probe,
            recorded=_recorded(path, profile, workspace, unrecorded),
            settle=lambda problems, texts: leveled(problems, wanted, texts),
            publishes=(workspace is None or workspace.publishes) if publishes is None else publishes,
            standard=standard or (workspace.standard if workspace else FIRST),
            eyes=seen.eyes(links, _unmade(workspace) if links else lambda _: True),
            accounts=_names(workspace) if accounts is None else accounts,
        )


def read(
    path: Path,
    *,
    opened: Opened,
    levels: Levels,
    files: Files | None = None,
    publishes: bool = False,
    standard: str = FIRST,
    accounts: Collection[str] | None = None,
) -> Reading:
    """A manifest as far as it can be read, with the problems that `load` would report, in an editor's unsaved texts.

    `opened` gives the text of an open file, `files` the local pictures that were hashed before; `publishes` says
    whether a film may be a local file, `standard` in which form requests will go out, `accounts` which names jobs may
    ask for (None: nobody knows). Never raises for what is wrong in a manifest.
    """
    with inspector(path.parent) as seen:
        return read_manifest(
            path,
            probe=seen.probe,
            files=files,
            recorded=_recorded(path, "", None),
            settle=lambda problems, texts: leveled(problems, levels, texts),
            opened=opened,
            publishes=publishes,
            standard=standard,
            eyes=seen.eyes(),
            accounts=accounts,
        )


def _names(workspace: Workspace | None) -> Collection[str] | None:
    """The accounts of a workspace, also those that this command may not talk to."""
    return None if workspace is None else [one.name for one in (*workspace.each, *workspace.left_out) if one.name]


def _unmade(workspace: Workspace | None) -> Callable[[Job], bool]:
    """Whether a job is still to be made: what is made already needs its links no more."""
    if workspace is None:
        return lambda _: True
    snapshot = workspace.snapshot()

    def unmade(job: Job) -> bool:
        record = snapshot.counts(job)
        return record is None or record.state != "succeed"

    return unmade


def _recorded(
    path: Path, profile: str, workspace: Workspace | None, unrecorded: list[str] | None = None
) -> Callable[[str], str | None]:
    """The key that the lock holds at an address; the lock is read when the first frozen job asks.

    Without one None, which is a problem; or "", which is none, noted in `unrecorded`.
    """
    known: dict[str, Any] = {}

    def recorded(address: str) -> str | None:
        from kling_pipe.storage.lockfile import block_name, read_lock

        if workspace is not None and workspace.name and (key := workspace.recorded_key(address)):
            return key
        if "blocks" not in known:
            file = workspace.lock_path if workspace else path.parent / "kling-pipe.lock"
            known["blocks"] = read_lock(file).blocks
        block = known["blocks"].get(block_name(address, profile))
        if block and "outputs" in block:
            return str(block["key"])
        if unrecorded is None:
            return None
        unrecorded.append(address)
        return ""

    return recorded


def open_workspace(
    manifest: Manifest | str | Path,
    *,
    emulator: bool = False,
    state: str | Path | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
    base_url: str = "",
    emulator_options: Mapping[str, Any] | None = None,
    accounts: Sequence[AccountSpec] = (),
    left_out: Sequence[AccountSpec] = (),
    spread: str = "",
) -> Workspace:
    """Where a manifest's campaign lives: folder, ledger, lock, outputs, and the account it talks to.

    `emulator` chooses the embedded local Kling (with its state in `state`), whose files, ledger and lock are apart from
    the real ones. Credentials come from `environ` (the process's environment unless given). Writes nothing yet.
    `accounts` are several accounts in place of the one of the usual variables
    (`kling_pipe.engine.account_settings.account_specs` reads them), `spread` how jobs are dealt among them; `left_out`
    are further ones, which are not talked to.
    """
    from kling_pipe.engine.workspace import open_workspace as opened

    path = manifest.path if isinstance(manifest, Manifest) else Path(manifest)
    chosen = profile if profile is not None else manifest.profile if isinstance(manifest, Manifest) else ""
    return opened(
        path.absolute().parent,
        environ=os.environ if environ is None else environ,
        emulator=emulator,
        emulator_state=Path(state) if state else None,
        emulator_options=emulator_options,
        profile=chosen,
        base_url=base_url,
        accounts=accounts,
        left_out=left_out,
        spread=spread,
    )


def plan(
    manifest: Manifest,
    workspace: Workspace,
    *,
    refresh: bool = True,
    everything: bool = False,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    replace: Iterable[str] = (),
    retry: Iterable[str] = (),
    prices: Prices | None = None,
    seams: Dependencies | None = None,
    new_account: bool = False,
) -> Plan:
    """What a run would do, as a value.

    With `refresh` the account is asked about what lock and ledger do not know (`everything`: about each job); without,
    nothing is sent at all. `select` and `exclude` are selectors, `replace` and `retry` choose jobs for a new attempt.
    `prices` stand in for the table that is shipped (`kling_pipe.catalog.pricing.prices().corrected(...)`).
    `new_account` makes anew what the lock has of another access key. Raises CredentialsError and Unreachable (with
    `refresh`), UsageError, LocalStateError.
    """
    from kling_pipe.manifest.selectors import chosen
    from kling_pipe.planning import make_plan

    snapshot = workspace.snapshot()
    selectors, excluded, replaced_by, retried_by = map(list, (select, exclude, replace, retry))
    asks_states = any("state:" in one for one in (*selectors, *excluded, *retried_by))
    states = states_of(manifest, snapshot) if asks_states else {}
    selection = chosen(manifest.jobs, selectors, excluded, states=states)
    replaced = chosen(manifest.jobs, replaced_by) if replaced_by else set()
    retried = chosen(manifest.jobs, retried_by, states=states) if retried_by else set()

    made: list[tuple[Snapshot, Plan]] = []

    def planner(known: Snapshot) -> Plan:
        # Where the account has nothing to add, it is the very snapshot that was planned from before.
        if not made or made[-1][0] is not known:
            found = make_plan(
                manifest.jobs,
                known,
                replace_addresses=replaced,
                retry_addresses=retried,
                selection=selection,
                known=manifest.known,
                prices=prices,
                new_account=new_account or workspace.emulated,
            )
            made[:] = [(known, found)]
        return made[-1][1]

    if refresh:
        from kling_pipe.engine.commands import refresh as asked
        from kling_pipe.engine.event_loop import run_async

        snapshot = run_async(
            asked(manifest.jobs, workspace, planner, everything=everything, snapshot=snapshot, seams=seams)
        )
    return planner(snapshot)


def states_of(manifest: Manifest, snapshot: Snapshot) -> dict[str, str]:
    """What is known of each job, by address: `new`, `made`, `running`, `failed`."""
    found = {}
    for job in manifest.jobs:
        record = snapshot.counts(job)
        words = {"succeed": "made", "failed": "failed"}
        found[job.address] = "new" if record is None else words.get(record.state, "running")
    return found


def over_budget(
    found: Plan, manifest: Manifest, overrides: Mapping[str, float] | None = None, *, allow_unknown: bool = False
) -> list[Problem]:
    """What breaks the manifest's budget, `overrides` replacing its amounts; empty when all is within."""
    from kling_pipe.planning import check_budget

    budget = {**manifest.budget, **(overrides or {})}
    problems = check_budget(found, budget, allow_unknown=allow_unknown)
    if not manifest.budget:
        return problems
    document = manifest.scope.document
    return [changed(one, position=document.locate(("budget",), key=True)) for one in problems]


def run(
    found: Plan,
    workspace: Workspace,
    *,
    on_event: OnEvent | None = None,
    settings: Settings | None = None,
    seams: Dependencies | None = None,
    create: bool = True,
    signals: bool = False,
) -> Result:
    """Carry out a plan and wait: submit, poll, save, write ledger and lock.

    What the plan costs is not refused as a whole here: ask `over_budget` first. `settings.budget` bounds, task by
    task, what this run and all that overlap with it on its ledger send together; the result's error says so.

    `signals` turns SIGINT and SIGTERM into a stop with all state saved. Raises CredentialsError and LocalStateError
    when the run cannot begin; what happens later is in the Result.
    """
    from kling_pipe.engine.event_loop import run_async

    work = _guarded(found, workspace, on_event, settings, seams, create, signals)
    return run_async(work, to_the_end=signals)


async def arun(
    found: Plan,
    workspace: Workspace,
    *,
    on_event: OnEvent | None = None,
    settings: Settings | None = None,
    seams: Dependencies | None = None,
    create: bool = True,
    stop: Any = None,
) -> Result:
    """`run` inside a running event loop. `stop` is an `asyncio.Event` that ends the run early, all state saved."""
    import asyncio

    from kling_pipe.engine.cleanup import sweep_leftovers
    from kling_pipe.engine.commands import run as carried_out
    from kling_pipe.engine.events import ignore

    await asyncio.to_thread(sweep_leftovers, workspace, found)
    return await carried_out(
        found, workspace, settings=settings, seams=seams, on_event=on_event or ignore, stop=stop, create=create
    )


async def _guarded(
    found: Plan,
    workspace: Workspace,
    on_event: OnEvent | None,
    settings: Settings | None,
    seams: Dependencies | None,
    create: bool,
    signals: bool,
) -> Result:
    import asyncio
    import contextlib

    from kling_pipe.engine.signals import stop_on_signals

    stop = asyncio.Event()
    with stop_on_signals(stop) if signals else contextlib.nullcontext():
        return await arun(found, workspace, on_event=on_event, settings=settings, seams=seams, create=create, stop=stop)
