"""Local files that Kling fetches by link: put into a bucket under the checksum of their bytes, and signed for.

A link is a secret: whoever has it may fetch the file. It goes into a request and nowhere else.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs.bucket import explained, opened
from kling_pipe.storage.outputs.file_names import suffix_of

DAY = 24 * 3600.0
LONGEST = 7 * DAY
"""What the signers of S3, Google and Azure allow."""

_CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_STARTS = ((b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"ID3", ".mp3"), (b"RIFF", ".wav"))
_USUAL = {"image": ".png", "video": ".mp4", "audio": ".mp3", "voice": ".mp3"}
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
}


@dataclass(frozen=True, slots=True)
class Publish:
    """Where files are published: `to` is a bucket's URL, `expires` how long a link is good, in seconds.

    Pictures of more than `images_over` bytes go by link, too.
    """

    to: str
    expires: float = 2 * DAY
    images_over: int = 4_000_000


class LinkStore(Protocol):
    """A place for files by name, from which Kling can fetch them. Failures are LocalStateError."""

    def stands(self, name: str) -> bool:
        """Whether a file of that name is there, whole."""

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Put a file there. Refuses one whose bytes are others than its checksum says; what is there stays."""

    def link(self, name: str) -> str:
        """A link from which a file can be fetched for a while."""


class BucketLinkStore:
    """Files in a bucket, each under its name from the moment at which it is whole."""

    def __init__(self, place: Publish, effects: Effects) -> None:
        self._place = place
        self._effects = effects

    def stands(self, name: str) -> bool:
        """Whether the file is there."""
        import obstore

        with self._explained(name), suppress(FileNotFoundError):
            obstore.head(self._bucket, name)
            return True
        return False

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Upload a file, in parts as they are read when it is large. Nothing appears before the end is known."""
        if path.stat().st_size <= _IN_MEMORY:
            self._put_at_once(name, path, sha256)
        else:
            self._put_in_parts(name, path, sha256)

    def link(self, name: str) -> str:
        """A signed link to the file."""
        import obstore

        with self._explained(name):
            link: str = obstore.sign(self._bucket, "GET", name, timedelta(seconds=self._place.expires))
            return link

    def _put_at_once(self, name: str, path: Path, sha256: str) -> None:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        data = path.read_bytes()
        _check(path, hashlib.sha256(data).hexdigest(), sha256)
        with self._explained(name), suppress(AlreadyExistsError):
            self._effects.upload(
                lambda: obstore.put(self._bucket, name, data, mode="create", attributes=_attributes(name))
            )

    def _put_in_parts(self, name: str, path: Path, sha256: str) -> None:
        import obstore

        digest = hashlib.sha256()
        with self._explained(name), path.open("rb") as file:
            parts = obstore.open_writer(
                self._bucket, name, attributes=_attributes(name), buffer_size=_IN_MEMORY, max_concurrency=4
            )
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                parts.write(chunk)
            # Without its end an upload is nothing: parts of a file that changed meanwhile never get a name.
            _check(path, digest.hexdigest(), sha256)
            self._effects.upload(parts.close)

    @cached_property
    def _bucket(self) -> Any:
        return opened(self._place.to)

    def _explained(self, name: str) -> AbstractContextManager[None]:
        return explained(f"{self._place.to}/{name}")


def link_store_name(file: FileRef) -> str:
    """The name of a file on a shelf: its checksum, and the suffix that its sort of file has. Raises OSError."""
    return f"{file.sha256}{suffix_of(Path(file.path).as_posix()) or _sniffed(file)}"


def _sniffed(file: FileRef) -> str:
    with Path(file.path).open("rb") as opened_file:
        start = opened_file.read(8)
    return next((suffix for sign, suffix in _STARTS if start.startswith(sign)), _USUAL.get(file.kind, ".bin"))


def _check(path: Path, found: str, sha256: str) -> None:
    if found != sha256:
        raise LocalStateError(f"`{path}` changed while the run was under way", hint="run again")


def _attributes(name: str) -> dict[str, str]:
    return {"Content-Type": _TYPES.get(Path(name).suffix, "application/octet-stream")}
