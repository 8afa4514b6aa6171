"""From a file, an address or an external id back to its line in the manifest, and up to the first inputs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from kling_pipe.cli.artifact_index import LOCK, Form, Index, campaign_of, read_sidecar
from kling_pipe.errors import LocalStateError, UsageError


def explanation(what: Path, database: str = "") -> str:
    """All that is known of a saved file (or its sidecar), of the job at an address, or of an external task id.

    A file is asked for in the campaign that it lies in, and in the one that the user stands in; what its sidecar says
    needs neither. `database` is a PostgreSQL that holds the ledger. Raises UsageError when nobody here knows it, and
    LocalStateError for a sidecar that cannot be read.
    """
    from kling_pipe.report.lineage import lineage_text

    index, form = _found(what, database)
    facts = [*_file_facts(_place(what, form, index), form), *_account(index, form), *_commit(index.root, form)]
    return lineage_text(form, index.task, facts)


def made_file(what: Path, database: str = "") -> Path:
    """The file that `what` names, as `explanation` takes it. Raises UsageError when there is none here."""
    index, form = _found(what, database)
    place = _place(what, form, index)
    if place is None or not place.is_file():
        raise UsageError(f"there is no file of `{form['address']}` here", hint="`kling-pipe pull` fetches what is made")
    return place


def _found(what: Path, database: str) -> tuple[Index, Form]:
    indexes = [Index(root, database) for root in _roots(what)]
    for index in indexes:
        form = _of_file(what, index) if what.is_file() else index.named(str(what))
        if form is not None:
            return index, form
    if trouble := next((index.trouble for index in indexes if index.trouble), None):
        raise trouble
    raise UsageError(f"nobody here knows where `{what}` came from", hint=_hint(what))


def _roots(what: Path) -> list[Path]:
    """The campaigns that may know: the one of the file, then the one that the user stands in."""
    start = what if what.exists() else Path.cwd()
    found = dict.fromkeys(filter(None, (campaign_of(start), campaign_of(Path.cwd()))))
    return list(found) or [start.absolute() if start.is_dir() else start.absolute().parent]


def _hint(what: Path) -> str:
    from kling_pipe.media.xmp import read

    words = read(what) if what.is_file() else None
    if words:
        return f"it is of task `{words['external_task_id']}`: ask in the folder of its campaign, or with its `.json`"
    return "a file needs its `.json` beside it; otherwise name an address or an external id"


def _place(what: Path, form: Form, index: Index) -> Path | None:
    """The made file itself: the one that was named, or the one beside the sidecar of what was named."""
    if what.is_file():
        return what.with_name(what.name.removesuffix(".json")) if what.suffix == ".json" else what
    return index.place(form)


def _of_file(path: Path, index: Index) -> Form | None:
    beside = path.with_name(f"{path.name}.json")
    for place in (beside, path):
        if place.suffix == ".json" and place.is_file():
            form = read_sidecar(place)
            if form is None:
                raise LocalStateError(f"`{place}` is no sidecar of kling-pipe", hint="restore it, or remove it")
            return form
    from kling_pipe.media.xmp import read

    words = read(path)
    return index.task(words["external_task_id"]) if words else _by_bytes(path, index)


def _by_bytes(path: Path, index: Index) -> Form | None:
    """A file that was moved or renamed is still known by its bytes."""
    from kling_pipe.storage.outputs.local import file_sha256

    return index.by_bytes(file_sha256(path))


def _file_facts(path: Path | None, form: Form) -> Iterator[tuple[str, str]]:
    if path is not None and path.is_file():
        from kling_pipe.storage.outputs.local import file_sha256

        whole = file_sha256(path) == form.get("sha256")
        yield "file", f"{path}, {'as it was saved' if whole else 'changed since it was saved'}"


def _account(index: Index, form: Form) -> Iterator[tuple[str, str]]:
    """Where it was made, when there is a choice."""
    if name := index.account(form):
        yield "account", name


def _commit(root: Path, form: Form) -> Iterator[tuple[str, str]]:
    """The commit that recorded the task in the lock; nothing outside of git."""
    words = ["git", "-C", str(root), "log", "-1", "--format=%h %as %s", "-S", form["external_task_id"], "--", LOCK]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except OSError:
        return
    said = done.stdout.decode("utf-8", "replace").strip()
    if said:
        yield "commit", said
