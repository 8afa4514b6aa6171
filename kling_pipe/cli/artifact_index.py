"""What a campaign's folder knows of made things: sidecars and manifests, and where those are gone lock and ledger."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.cli.account_options import accounts_in
from kling_pipe.cli.shared_options import DEFAULT_MANIFEST
from kling_pipe.errors import KlingPipeError, LocalStateError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import Output, Record

LOCK = "kling-pipe.lock"
STATE = ".kling-pipe"
Form = Mapping[str, Any]
"""A sidecar, or what it would be."""


def campaign_of(start: Path) -> Path | None:
    """The nearest folder above that has a lock or a state folder."""
    start = start.absolute()
    return next((one for one in (start, *start.parents) if (one / LOCK).is_file() or (one / STATE).is_dir()), None)


def read_sidecar(path: Path) -> Form | None:
    """A sidecar's content; None for what is none. Raises LocalStateError for one that says what none may say."""
    from kling_pipe.storage.lockfile.lock_check import shown
    from kling_pipe.storage.outputs.sidecar import sidecar_faults

    try:
        text = path.read_text(encoding="utf-8")
        form = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(form, dict) or not {"external_task_id", "request"} <= form.keys():
        return None
    for fault in sidecar_faults(form):
        word = f'"{fault.field.rpartition(".")[2].rpartition(" ")[2]}"'
        line = next((number for number, one in enumerate(text.splitlines(), 1) if word in one), 1)
        what = f"{path}:{line} has `{shown(fault.value)}` as `{fault.field}`; allowed is {fault.allowed}"
        raise LocalStateError(what, hint="restore the sidecar, or remove it")
    return form


class Index:
    """Every sidecar below a folder, and what its manifests, lock and ledger know of things that have none.

    `trouble` is what kept it from looking somewhere: whoever finds what is wanted need not know.
    """

    def __init__(self, root: Path, database: str = "") -> None:
        self.root = root
        self.trouble: KlingPipeError | None = None
        self._database = database

    def task(self, external_task_id: str) -> Form | None:
        """The sidecar of a task."""
        found = self._known.get(external_task_id)
        return found or next((one for one in self._remembered if one["external_task_id"] == external_task_id), None)

    def named(self, name: str) -> Form | None:
        """The sidecar of a task by its external id, its task id, or its job's address."""
        title, colon, output = name.rpartition(":")
        if colon and output.isdigit():  # image.sheet:3
            outputs = (*(form for form, _ in self._sidecars), *self._remembered)
            return next((one for one in outputs if _is_output(one, title, int(output))), None)
        every = (one for forms in (self._known.values, lambda: self._remembered) for one in forms())
        named = (one for one in every if name in (one["address"], one["task_id"]))
        return self.task(name) or next(named, None)

    def by_bytes(self, sha256: str) -> Form | None:
        """The sidecar of a file with these bytes, wherever that is now."""
        found = next((form for form, _ in self._sidecars if form.get("sha256") == sha256), None)
        return found or next((form for form in self._remembered if form["sha256"] == sha256), None)

    def place(self, form: Form) -> Path | None:
        """The file whose sidecar this is. Raises LocalStateError for a name that leaves the outputs."""
        from kling_pipe.storage.outputs.safe_path import inside

        if path := str(form.get("path") or ""):
            return None if "://" in path else inside(self.root, path)
        return next((path for one, path in self._sidecars if one is form), None)

    def account(self, form: Form) -> str:
        """What the settings call the account that a thing was made in, as `status` does; "" where they name none."""
        for workspace in self._workspaces:
            with contextlib.suppress(KlingPipeError):
                if name := workspace.snapshot().account_name(str(form.get("account"))):
                    return name
        return ""

    @cached_property
    def _sidecars(self) -> list[tuple[Form, Path]]:
        return list(self._below(self.root))

    def _below(self, root: Path) -> Iterator[tuple[Form, Path]]:
        """Every sidecar with the file it is about. One that cannot be read is told to who finds nothing."""
        from kling_pipe.storage.outputs.safe_path import inside

        for folder in sorted(root.glob("out*")):
            for path in sorted(folder.rglob("*.*.json")):
                try:
                    form = read_sidecar(inside(root, str(path.relative_to(root))))
                except LocalStateError as error:
                    self.trouble = self.trouble or error
                    continue
                if form is not None:
                    yield form, path.with_name(path.name.removesuffix(".json"))

    @cached_property
    def _known(self) -> dict[str, Form]:
        known = {form["external_task_id"]: form for one in self._workspaces for form in self._recorded(one)}
        # A rehearsal has the same ids as the real thing, and every output of a task: real and first ones count.
        ordered = sorted((form for form, _ in self._sidecars), key=_less_telling, reverse=True)
        return known | {form["external_task_id"]: form for form in ordered}

    @cached_property
    def _workspaces(self) -> list[Workspace]:
        """The real account, or all of them, and the emulator's if there was a rehearsal."""
        from kling_pipe import api

        try:
            manifest, named = self.root / DEFAULT_MANIFEST, accounts_in(self.root, ())
            real = api.open_workspace(manifest, **named)
            found = [real.shared_in(self._database) if self._database else real]
            if (self.root / STATE / "emulator").is_dir():
                found.append(api.open_workspace(manifest, emulator=True, **named))
        except KlingPipeError as error:
            self.trouble = error
            return []
        return found

    def _recorded(self, workspace: Workspace) -> Iterator[Form]:
        """Sidecars as they would be, for jobs of the manifests that are recorded as made: elements have no file."""
        from kling_pipe import api
        from kling_pipe.storage.outputs.sidecar import sidecar_form

        for manifest in sorted(self.root.glob("*.yaml")):
            try:
                loaded = api.load(manifest, workspace=workspace, publishes=True)
            except KlingPipeError:
                continue  # other YAML, or one that is being edited
            try:
                snapshot = workspace.snapshot()
            except KlingPipeError as error:
                self.trouble = error
                return
            records = {job.address: snapshot.counts(job) for job in loaded.jobs}
            made = {address: record for address, record in records.items() if record and record.outputs}
            for job in loaded.jobs:
                if record := made.get(job.address):
                    yield sidecar_form(job, record, record.outputs[0], made, emulated=workspace.emulated)

    @cached_property
    def _remembered(self) -> list[Form]:
        """All outputs that locks and ledgers know, whether or not a manifest still asks for them; locks first."""
        found: list[Form] = []
        for workspace in self._workspaces:
            try:
                found += _remembered(workspace)
            except KlingPipeError as error:
                self.trouble = error
        return found


def _remembered(workspace: Workspace) -> Iterator[Form]:
    from kling_pipe.planning import MultiAccount
    from kling_pipe.storage.lockfile.blocks import made_record, split_name

    for name, block in workspace.read_lock().blocks.items():
        if "outputs" in block:
            record = made_record(block, split_name(name)[0])
            for output in record.outputs:
                yield _form(record, output, emulated=workspace.emulated, draft=str(block.get("draft") or ""))
    snapshot = workspace.snapshot()
    for part in snapshot.parts if isinstance(snapshot, MultiAccount) else (snapshot,):
        for record in part.ledger.all():
            for output in record.outputs:
                yield _form(record, output, emulated=workspace.emulated)


def _form(record: Record, output: Output, *, emulated: bool, draft: str = "") -> Form:
    """What a record tells of an output: all of a sidecar but the request, and the line that asked for it."""
    names = ("address", "account", "operation", "external_task_id", "task_id", "key", "take", "attempt", "units")
    facts = {name: getattr(record, name) for name in names}
    times = {"created_at": record.created_at, "updated_at": record.updated_at}
    file = {"output": {"index": output.index}, "path": output.path, "sha256": output.sha256}
    return {**facts, **times, **file, "request": {}, "emulated": emulated, "draft": draft}


def _is_output(form: Form, address: str, index: int) -> bool:
    return bool(form["address"] == address and form["output"]["index"] == index)


def _less_telling(form: Form) -> tuple[bool, int]:
    return bool(form.get("emulated")), form["output"]["index"]
