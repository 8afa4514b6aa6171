"""A campaign as the value that the contact sheet shows: today's, or as it stood at a commit."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kling_pipe.catalog.operations import load_operation
from kling_pipe.catalog.pricing import Prices, estimate, prices
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import UsageError
from kling_pipe.manifest import Manifest
from kling_pipe.manifest.scope import Scope
from kling_pipe.manifest.selectors import chosen
from kling_pipe.model import Job, Output, Record
from kling_pipe.planning import Snapshot, make_plan
from kling_pipe.report.contact_sheet import Sheet, Sources, collected
from kling_pipe.storage.lockfile import Lock


def sheet_of(
    manifest: Manifest,
    workspace: Workspace,
    *,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    lock: Lock | None = None,
    by: Prices | None = None,
) -> Sheet:
    """The sheet of a campaign as lock, ledger and disk know it; asks nobody.

    `lock` stands in for the lock file, `by` for the price table.
    """
    by = by or prices()
    snapshot = workspace.snapshot(lock)
    wanted = chosen(manifest.jobs, select, exclude, states=_states(manifest, snapshot))
    plan = make_plan(manifest.jobs, snapshot, selection=wanted, known=manifest.known, new_account=workspace.emulated)
    sources = Sources(
        picks=dict(picks(manifest.scope)),
        estimate=lambda job: estimate(load_operation(job.operation), job.request, by=by),
        attempts=snapshot.attempts,
        file=_Files(workspace, snapshot),
    )
    budget = {name: float(value) for name, value in manifest.budget.items() if isinstance(value, int | float)}
    return Sheet(
        project=manifest.project,
        cards=collected(plan, sources),
        profile=manifest.profile,
        emulated=workspace.emulated,
        made_at=time.time(),
        version=_version(manifest.root),
        budget=budget,
        price_date=by.date,
    )


def picks(scope: Scope) -> Iterator[tuple[str, int]]:
    """The picked take of every cell of a manifest file and of what it includes."""
    for recipe in scope.recipes():
        for cell in recipe.cells:
            yield recipe.base(cell), recipe.picked(cell)
    for inner in scope.includes.values():
        yield from picks(inner)


@contextmanager
def at_commit(manifest: Path, revision: str) -> Iterator[Path]:
    """The manifest as it stood at a commit, with everything beside it, in a folder that is removed afterwards.

    Raises UsageError when there is no such commit, or the manifest was not there.
    """
    folder = manifest.absolute().parent
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    packed = _git(top, "archive", "--format=tar", revision)
    with tempfile.TemporaryDirectory(prefix="kling-pipe-") as name:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(name, filter="data")
        then = Path(name) / manifest.resolve().relative_to(top.resolve())
        if not then.exists():
            raise UsageError(f"`{manifest}` did not exist at `{revision}`")
        yield then


def _states(manifest: Manifest, snapshot: Snapshot) -> dict[str, str]:
    words = {"succeed": "made", "failed": "failed"}
    known = ((job.address, snapshot.counts(job)) for job in manifest.jobs)
    return {address: words.get(record.state, "running") if record else "new" for address, record in known}


class _Files:
    """Where an output is on this disk: as an object, else at its name."""

    def __init__(self, workspace: Workspace, snapshot: Snapshot) -> None:
        self._outputs, self._snapshot = workspace.outputs(), snapshot

    def __call__(self, job: Job, record: Record, output: Output) -> Path | None:
        """The path, or None when the file is not here."""
        if not output.sha256:
            return None
        if self._outputs.has(output.sha256, output.size):
            return self._outputs.object_path(output.sha256)
        names = {one.index: path for one, path in self._snapshot.paths(job, record)}
        name = names.get(output.index, "")
        return self._outputs.inside(name) if name and self._outputs.stands(name, output.size) else None


def _version(folder: Path) -> str:
    """The commit that the folder is at, with `+` for changes; "" outside of git."""
    try:
        return _git(folder, "describe", "--always", "--dirty=+", "--abbrev=8").decode().strip()
    except UsageError:
        return ""


def _git(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    except OSError as error:
        raise UsageError(f"git cannot be run: {error.strerror or error}", hint="install git") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        hint = "name a commit, a branch, a tag, or a lock file that is there"
        raise UsageError(f"git says: {said[-1] if said else 'nothing'}", hint=hint)
    return done.stdout
