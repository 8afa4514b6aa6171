"""From a file, an address or an external id back to its line in the manifest, and up to the first inputs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.cli.accounts import accounts_in
from kling_pipe.errors import KlingPipeError, LocalStateError, UsageError

if TYPE_CHECKING:
    from kling_pipe.workspace import Workspace

_LOCK = "kling-pipe.lock"
_STATE = ".kling-pipe"


def explanation(what: Path, database: str = "") -> str:
    """All that is known of a saved file (or its sidecar), of the job at an address, or of an external task id.

    `database` is a PostgreSQL that holds the ledger. Raises UsageError when nobody here knows it, LocalStateError for a
    sidecar that cannot be read.
    """
    from kling_pipe.report.lineage import lineage_text

    root, index, form = _found(what, database)
    return lineage_text(form, index.task, [*_file_facts(_place(what, form, index), form), *_commit(root, form)])


def made_file(what: Path, database: str = "") -> Path:
    """The file that `what` names, as `explanation` takes it. Raises UsageError when there is none here."""
    _, index, form = _found(what, database)
    place = _place(what, form, index)
    if place is None or not place.is_file():
        raise UsageError(f"there is no file of `{form['address']}` here", hint="`kling-pipe pull` fetches what is made")
    return place


def _found(what: Path, database: str) -> tuple[Path, _Index, Mapping[str, Any]]:
    root = _root(what if what.exists() else Path.cwd())
    index = _Index(root, database)
    form = _of_file(what, index) if what.is_file() else index.named(str(what))
    if form is None:
        hint = "a file needs its `.json` beside it; otherwise name an address or an external id"
        raise UsageError(f"nobody here knows where `{what}` came from", hint=hint)
    return root, index, form


def _place(what: Path, form: Mapping[str, Any], index: _Index) -> Path | None:
    """The made file itself: the one that was named, or the one beside the sidecar of what was named."""
    if what.is_file():
        return what.with_name(what.name.removesuffix(".json")) if what.suffix == ".json" else what
    return index.place(form)


class _Index:
    """Every sidecar below a campaign's folder, and what lock and ledger know of things that have no file."""

    def __init__(self, root: Path, database: str = "") -> None:
        self.root = root
        self._database = database
        self._tasks: dict[str, Mapping[str, Any]] | None = None

    def task(self, external_task_id: str) -> Mapping[str, Any] | None:
        """The sidecar of a task."""
        return self._known().get(external_task_id)

    def named(self, name: str) -> Mapping[str, Any] | None:
        """The sidecar of a task by its external id, its task id, or its job's address."""
        known = self._known()
        title, colon, output = name.rpartition(":")
        if colon and output.isdigit():  # image.sheet:3
            return next((one for one, _ in self._sidecars if _is_output(one, title, int(output))), None)
        named = (form for form in known.values() if name in (form["address"], form["task_id"]))
        return known.get(name) or next(named, None)

    def by_bytes(self, sha256: str) -> Mapping[str, Any] | None:
        """The sidecar of a file with these bytes, wherever that is now."""
        return next((form for form, _ in self._sidecars if form.get("sha256") == sha256), None)

    def place(self, form: Mapping[str, Any]) -> Path | None:
        """The file whose sidecar this is."""
        return next((path for one, path in self._sidecars if one is form), None)

    @cached_property
    def _sidecars(self) -> list[tuple[Mapping[str, Any], Path]]:
        return list(_sidecars(self.root))

    def _known(self) -> dict[str, Mapping[str, Any]]:
        if self._tasks is None:
            self._tasks = {form["external_task_id"]: form for form in _recorded(self.root, self._database)}
            # A rehearsal has the same ids as the real thing, and every output of a task: real and first ones count.
            ordered = sorted((form for form, _ in self._sidecars), key=_less_telling, reverse=True)
            self._tasks |= {form["external_task_id"]: form for form in ordered}
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

    return index.by_bytes(file_sha256(path))


def _is_output(form: Mapping[str, Any], address: str, index: int) -> bool:
    return bool(form["address"] == address and form["output"]["index"] == index)


def _less_telling(form: Mapping[str, Any]) -> tuple[bool, int]:
    return bool(form.get("emulated")), form["output"]["index"]


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return form if isinstance(form, dict) and "external_task_id" in form and "request" in form else None


def _sidecars(root: Path) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Every sidecar with the file it is about."""
    for folder in sorted(root.glob("out*")):
        for path in sorted(folder.rglob("*.*.json")):
            form = _read(path)
            if form is not None:
                yield form, path.with_name(path.name.removesuffix(".json"))


def _recorded(root: Path, database: str) -> Iterator[Mapping[str, Any]]:
    """Sidecars as they would be, for jobs of the manifest that are recorded as made: elements have no file."""
    from kling_pipe import api
    from kling_pipe.outputs.sidecar import sidecar_form

    for manifest in sorted(root.glob("*.yaml")):
        for workspace in _workspaces(manifest, database):
            try:
                loaded = api.load(manifest, workspace=workspace, publishes=True)
            except KlingPipeError:
                continue  # other YAML, or one that is being edited
            snapshot = workspace.snapshot()
            records = {job.address: snapshot.counts(job) for job in loaded.jobs}
            made = {address: record for address, record in records.items() if record and record.outputs}
            for job in loaded.jobs:
                if record := made.get(job.address):
                    yield sidecar_form(job, record, record.outputs[0], made, emulated=workspace.emulated)


def _workspaces(manifest: Path, database: str) -> Iterator[Workspace]:
    """The real account, and the emulator's if there was a rehearsal."""
    from kling_pipe import api

    named = accounts_in(manifest.parent, ())
    real = api.open_workspace(manifest, **named)
    yield real.shared_in(database) if database else real
    if (manifest.parent / _STATE / "emulator").is_dir():
        yield api.open_workspace(manifest, emulator=True, **named)


def _file_facts(path: Path | None, form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if path is not None and path.is_file():
        from kling_pipe.outputs.local import file_sha256

        whole = file_sha256(path) == form.get("sha256")
        yield "file", f"{path}, {'as it was saved' if whole else 'changed since it was saved'}"


def _commit(root: Path, form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The commit that recorded the task in the lock; nothing outside of git."""
    words = ["git", "-C", str(root), "log", "-1", "--format=%h %as %s", "-S", form["external_task_id"], "--", _LOCK]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except OSError:
        return
    said = done.stdout.decode("utf-8", "replace").strip()
    if said:
        yield "commit", said
