"""Results in a local folder: objects by checksum, names as hard links or copies."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs.output_store import Stored
from kling_pipe.storage.outputs.safe_path import inside, must_stay
from kling_pipe.storage.record_fields import is_digest
from kling_pipe.storage.temp_files import part_of

_CHUNK = 1 << 20
_IN_MEMORY = 1 << 20
"""Bytes of a result that are held in memory; a larger one goes into its file as it comes."""


class Incoming:
    """A result on its way: in memory while it is small, an object only when it is whole.

    Hashed with its way to the disk, which for a small one is a thread's work.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.moved = False
        self._digest = hashlib.sha256()
        self._chunks: list[bytes] = []
        self._hashed = 0  # of the chunks
        self._file: IO[bytes] | None = None

    def write(self, chunk: bytes) -> None:
        """Add bytes. Raises OSError."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        if self.size > _IN_MEMORY:
            self.file()

    def file(self) -> IO[bytes]:
        """The file with all that came so far. Raises OSError."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        self._hash()
        self._file.writelines(self._chunks)
        self._chunks.clear()
        self._hashed = 0
        return self._file

    def close(self) -> None:
        """Remove the file, unless it became an object."""
        if self._file is not None:
            self._file.close()
            if not self.moved:
                self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The checksum so far, in hex."""
        self._hash()
        return self._digest.hexdigest()

    def _hash(self) -> None:
        for chunk in self._chunks[self._hashed :]:
            self._digest.update(chunk)
        self._hashed = len(self._chunks)


class LocalOutputs:
    """Objects in `objects/aa/<sha256>`, never changed and never overwritten; names below `root`.

    Whatever stands at a name and is not the wanted file is kept as an object before the name is given away.
    Names and objects stay in their folders: see `storage.outputs.safe_path`.
    """

    def __init__(self, root: Path, objects: Path, effects: Effects) -> None:
        self.root = root
        self.objects = objects
        self._effects = effects
        self._folders: dict[str, bool] = {}
        self._shelves: set[str] = set()

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A new result. Removed on leaving unless `keep` took it."""
        incoming = Incoming(part_of(self.objects / "incoming"))
        with _explained(incoming.path), contextlib.closing(incoming):
            yield incoming

    def keep(self, incoming: Incoming) -> Stored:
        """Make a whole result an object: on the disk first, then under its checksum."""
        target = self.object_path(incoming.sha256)
        with _explained(target):
            with incoming.file() as file:
                self._effects.fsync(file)
            if target.is_symlink() or not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                self._effects.replace(incoming.path, target)
                incoming.moved = True
        return Stored(incoming.sha256, incoming.size)

    def object_path(self, sha256: str) -> Path:
        """Where an object is, or would be. Raises LocalStateError for what is no checksum."""
        if not is_digest(sha256):
            shown = ascii(sha256[:80])[1:-1]
            raise LocalStateError(f"`{shown}` is no checksum: 64 hex digits are", hint="nothing was changed")
        shelf = self.objects / sha256[:2]
        if shelf.name not in self._shelves:
            must_stay(shelf, self.objects)
            self._shelves.add(shelf.name)
        return shelf / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether the object is here and of the right size."""
        try:
            status = self.object_path(sha256).lstat() if sha256 else None
        except OSError:
            return False
        return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == size

    def whole(self, sha256: str) -> bool:
        """Whether the object is here and its bytes are what its name says. A damaged object is moved aside."""
        path = self.object_path(sha256)
        must_stay(path, self.objects)
        if not path.is_file():
            return False
        if file_sha256(path) == sha256:
            return True
        with _explained(path):
            self._effects.replace(path, path.with_name(f"{path.name}.damaged"))
        return False

    def stands(self, relative: str, size: int) -> bool:
        """Whether a file of this size stands at the name."""
        try:
            status = os.lstat(f"{self.root}/{relative}")  # 10,000 of them at a start
            if stat.S_ISLNK(status.st_mode):
                status = self.inside(relative).stat()
            return status.st_size == size and self._is_inside(relative.rpartition("/")[0])
        except (OSError, ValueError, LocalStateError):
            return False

    def place(self, sha256: str, relative: str) -> None:
        """Give an object a name. A different file that stands there becomes an object first."""
        source, target = self.object_path(sha256), self.inside(relative)
        with _explained(target):
            if target.exists():
                if _same(source, target, sha256):
                    return
                self._keep_standing(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = part_of(target)
            self._link_or_copy(source, part)
            self._effects.replace(part, target)

    def write(self, relative: str, text: str) -> None:
        """Write a small text file as a whole (a sidecar)."""
        target = self.inside(relative)
        part = part_of(target)
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            self._effects.replace(part, target)

    def inside(self, relative: str) -> Path:
        """The full path of a name; a name that leaves its folder is refused."""
        return inside(self.root, relative)

    def _is_inside(self, folder: str) -> bool:
        """Whether a folder of names is where it seems to be; looked at once for all files in it."""
        if folder not in self._folders:
            try:
                self._folders[folder] = bool(self.inside(f"{folder}/any" if folder else "any"))
            except LocalStateError:
                self._folders[folder] = False
        return self._folders[folder]

    def _keep_standing(self, target: Path) -> None:
        sha256 = file_sha256(target)
        kept = self.object_path(sha256)
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = part_of(self.objects / sha256)
            self._link_or_copy(target.resolve(), part)  # a hard link to a symbolic one would be one, too
            self._effects.replace(part, kept)

    def _link_or_copy(self, source: Path, target: Path) -> None:
        try:
            self._effects.link(source, target)
        except OSError:  # no hard links here, or another disk
            import shutil

            with source.open("rb") as reader, target.open("wb") as writer:
                shutil.copyfileobj(reader, writer, _CHUNK)
                self._effects.fsync(writer)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(source: Path, target: Path, sha256: str) -> bool:
    if source.exists() and source.samefile(target):
        return True
    return target.is_file() and file_sha256(target) == sha256


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "the task's id is kept: make room or make the folder writable, and run again; nothing is paid twice"
        raise LocalStateError(f"`{path}` cannot be written: {error.strerror or error}", hint=hint) from error
