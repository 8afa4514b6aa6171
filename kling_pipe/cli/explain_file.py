"""From a file, an address or an external id back to its line in the manifest, and up to the first inputs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.errors import KlingPipeError, LocalStateError, UsageError

if TYPE_CHECKING:
    from kling_pipe.workspace import Workspace

_LOCK = "kling-pipe.lock"
_STATE = ".kling-pipe"


def explanation(what: Path) -> str:
    """All that is known of a saved file (or its sidecar), of the job at an address, or of an external task id.

    Raises UsageError when nobody here knows it, LocalStateError for a sidecar that cannot be read.
    """
    from kling_pipe.report.lineage import lineage_text

    root = _root(what if what.exists() else Path.cwd())
    index = _Index(root)
    form = _of_file(what, index) if what.is_file() else index.named(str(what))
    if form is None:
        hint = "a file needs its `.json` beside it; otherwise name an address or an external id"
        raise UsageError(f"nobody here knows where `{what}` came from", hint=hint)
    return lineage_text(form, index.task, [*_file_facts(what, form), *_commit(root, form)])


class _Index:
    """Every sidecar below a campaign's folder, and what lock and ledger know of things that have no file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tasks: dict[str, Mapping[str, Any]] | None = None

    def task(self, external_task_id: str) -> Mapping[str, Any] | None:
        """The sidecar of a task."""
        return self._known().get(external_task_id)

    def named(self, name: str) -> Mapping[str, Any] | None:
        """The sidecar of a task by its external id, its task id, or its job's address."""
        known = self._known()
        named = (form for form in known.values() if name in (form["address"], form["task_id"]))
        return known.get(name) or next(named, None)

    def _known(self) -> dict[str, Mapping[str, Any]]:
        if self._tasks is None:
            self._tasks = {form["external_task_id"]: form for form in _recorded(self.root)}
            self._tasks |= {form["external_task_id"]: form for form in _sidecars(self.root)}
        return self._tasks


def _root(start: Path) -> Path:
    """The campaign's folder: the nearest one above that has a lock or a state folder."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / _LOCK).is_file() or (folder / _STATE).is_dir():
            return folder
    return start if start.is_dir() else start.parent


def _of_file(path: Path, index: _Index) -> Mapping[str, Any] | None:
    beside = path.with_name(f"{path.name}.json")
    for place in (beside, path):
        if place.suffix == ".json" and place.is_file():
            form = _read(place)
            if form is None:
                raise LocalStateError(f"`{place}` is no sidecar of kling-pipe", hint="restore it, or remove it")
            return form
    from kling_pipe.provenance import read

    words = read(path)
    return index.task(words["external_task_id"]) if words else _by_bytes(path, index)


def _by_bytes(path: Path, index: _Index) -> Mapping[str, Any] | None:
    """A file that was moved or renamed is still known by its bytes."""
    from kling_pipe.outputs.local import file_sha256

    sha256 = file_sha256(path)
    return next((form for form in _sidecars(index.root) if form.get("sha256") == sha256), None)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return form if isinstance(form, dict) and "external_task_id" in form and "request" in form else None


def _sidecars(root: Path) -> Iterator[Mapping[str, Any]]:
    for folder in sorted(root.glob("out*")):
        for path in sorted(folder.rglob("*.*.json")):
            form = _read(path)
            if form is not None:
                yield form


def _recorded(root: Path) -> Iterator[Mapping[str, Any]]:
    """Sidecars as they would be, for jobs of the manifest that are recorded as made: elements have no file."""
    from kling_pipe import api
    from kling_pipe.outputs.sidecar import sidecar_form

    for manifest in sorted(root.glob("*.yaml")):
        for workspace in _workspaces(manifest):
            try:
                loaded = api.load(manifest, workspace=workspace)
            except KlingPipeError:
                continue  # other YAML, or one that is being edited
            snapshot = workspace.snapshot()
            records = {job.address: snapshot.known(job) for job in loaded.jobs}
            made = {address: record for address, record in records.items() if record and record.outputs}
            for job in loaded.jobs:
                if record := made.get(job.address):
                    yield sidecar_form(job, record, record.outputs[0], made, emulated=workspace.emulated)


def _workspaces(manifest: Path) -> Iterator[Workspace]:
    """The real account, and the emulator's if there was a rehearsal."""
    from kling_pipe import api

    yield api.open_workspace(manifest)
    if (manifest.parent / _STATE / "emulator").is_dir():
        yield api.open_workspace(manifest, emulator=True)


def _file_facts(what: Path, form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    path = what.with_name(what.name.removesuffix(".json")) if what.suffix == ".json" else what
    if path.is_file():
        from kling_pipe.outputs.local import file_sha256

        whole = file_sha256(path) == form.get("sha256")
        yield "file", f"{path}, {'as it was saved' if whole else 'changed since it was saved'}"


def _commit(root: Path, form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The commit that recorded the task in the lock; nothing outside of git."""
    words = ["git", "-C", str(root), "log", "-1", "--format=%h %as %s", "-S", form["external_task_id"], "--", _LOCK]
    try:
        done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return
    said = done.stdout.decode("utf-8", "replace").strip()
    if said:
        yield "commit", said
