"""Results in a bucket (`s3://`, `gs://`, `az://`): the same objects and names as in a local folder, no file between.

    <base>/.objects/ab/<sha256>     every result once, put only if it is not there
    <base>/<name>, <name>.json      copies made by the bucket itself, and sidecars
    <base>/.objects/incoming/...    a large result while it comes in; what a killed run leaves there may be removed

Credentials and endpoint are those of the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from kling_pipe.core.redact import unsigned
from kling_pipe.errors import LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs.local import LocalOutputs
from kling_pipe.storage.outputs.output_store import Stored
from kling_pipe.storage.record_fields import is_digest

_IN_MEMORY = 8 << 20
"""Results up to this size go out in one request; larger ones in parts, as they come."""


class Streamed:
    """A result on its way into the bucket: in memory while it is small, then parts that leave as they fill up."""

    def __init__(self, bucket: Any, key: str) -> None:
        self._bucket = bucket
        self._digest = hashlib.sha256()
        self.key = key
        self.held = bytearray()
        self.parts: Any = None
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes."""
        self._digest.update(chunk)
        self.size += len(chunk)
        if self.parts is not None:
            self.parts.write(chunk)
            return
        self.held += chunk
        if len(self.held) > _IN_MEMORY:
            import obstore

            self.parts = obstore.open_writer(self._bucket, self.key, buffer_size=_IN_MEMORY, max_concurrency=4)
            self.parts.write(bytes(self.held))
            self.held.clear()

    @property
    def sha256(self) -> str:
        """The checksum so far, in hex."""
        return self._digest.hexdigest()


class BucketOutputs:
    """Objects and names below `base`, a URL. `cache` holds objects that something on this machine needs as a file."""

    def __init__(self, base: str, cache: LocalOutputs, effects: Effects) -> None:
        self.base = base.rstrip("/")
        self._cache = cache
        self._effects = effects

    @contextmanager
    def incoming(self) -> Iterator[Streamed]:
        """A new result. An unfinished upload is removed on leaving."""
        key = f".objects/incoming/{os.urandom(16).hex()}"
        with self._explained(key):
            streamed = Streamed(self._bucket, key)
            try:
                yield streamed
            finally:
                if streamed.parts is not None:
                    self._drop(streamed)

    def keep(self, incoming: Streamed) -> Stored:
        """Make a whole result an object. Small ones are put only if there is none; a large one is copied in place."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        target = _object(incoming.sha256)
        with self._explained(target):
            if incoming.parts is not None:
                self._effects.upload(incoming.parts.close)
                self._effects.upload(lambda: obstore.copy(self._bucket, incoming.key, target))
            else:
                data = bytes(incoming.held)
                with suppress(AlreadyExistsError):
                    self._effects.upload(lambda: obstore.put(self._bucket, target, data, mode="create"))
        self._sizes[target] = incoming.size
        return Stored(incoming.sha256, incoming.size)

    def object_path(self, sha256: str) -> Path:
        """The object as a file on this machine, fetched when it is not here yet."""
        import obstore

        path = self._cache.object_path(sha256)
        if not path.exists() and self.whole(sha256):
            with self._explained(_object(sha256)), self._cache.incoming() as incoming:
                for chunk in obstore.get(self._bucket, _object(sha256)).stream():
                    incoming.write(bytes(chunk))
                self._cache.keep(incoming)
        return path

    def has(self, sha256: str, size: int) -> bool:
        """Whether the object is there and of the right size."""
        return bool(sha256) and self._sizes.get(_object(sha256)) == size

    def whole(self, sha256: str) -> bool:
        """Whether the object is there: it got its name only after it was complete and hashed."""
        return self._head(_object(sha256)) is not None

    def stands(self, relative: str, size: int) -> bool:
        """Whether a file of this size stands at the name."""
        return self._sizes.get(self._key(relative)) == size

    def place(self, sha256: str, relative: str) -> None:
        """Copy an object to a name, inside the bucket. A different file that stands there is kept as an object."""
        import obstore

        source, target = _object(sha256), self._key(relative)
        with self._explained(target):
            ours, standing = self._head(source), self._head(target)
            if standing is not None and ours is not None:
                if (standing["size"], standing["e_tag"]) == (ours["size"], ours["e_tag"]):
                    return
                kept = f".objects/replaced/{(standing['e_tag'] or os.urandom(8).hex()).strip(chr(34))}"
                self._effects.upload(lambda: obstore.copy(self._bucket, target, kept))
            self._effects.upload(lambda: obstore.copy(self._bucket, source, target))
            if ours is not None:
                self._sizes[target] = ours["size"]

    def write(self, relative: str, text: str) -> None:
        """Write a small text file."""
        import obstore

        key = self._key(relative)
        with self._explained(key):
            self._effects.upload(lambda: obstore.put(self._bucket, key, text.encode()))

    def inside(self, relative: str) -> Path:
        """A named file on this machine, fetched into the cache under its name."""
        import obstore

        key = self._key(relative)
        path = self._cache.inside(f".kling-pipe/fetched/{key}")
        with self._explained(key), self._cache.incoming() as incoming:
            for chunk in obstore.get(self._bucket, key).stream():
                incoming.write(bytes(chunk))
            stored = self._cache.keep(incoming)
        self._cache.place(stored.sha256, f".kling-pipe/fetched/{key}")
        return path

    @cached_property
    def _bucket(self) -> Any:
        return opened(self.base)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Every key with its size: one listing of 1,000 a page instead of a request for each file of a plan."""
        import obstore

        with self._explained(""):
            return {one["path"]: one["size"] for page in obstore.list(self._bucket, chunk_size=1000) for one in page}

    def _head(self, key: str) -> Any:
        import obstore

        with self._explained(key), suppress(FileNotFoundError):
            return obstore.head(self._bucket, key)
        return None

    def _drop(self, streamed: Streamed) -> None:
        import obstore

        with suppress(Exception):  # an upload that failed half-way may refuse to be closed
            if not streamed.parts.closed():
                streamed.parts.close()
        with suppress(FileNotFoundError):
            obstore.delete(self._bucket, streamed.key)

    def _key(self, relative: str) -> str:
        """The key of a name: a full URL below `base`, or a path that a local run recorded below its own folder."""
        name = relative.removeprefix(f"{self.base}/")
        if name == relative:
            name = name.removeprefix("out/").removeprefix("out-emulator/")
        # Nobody gives an object away under its own name: a lock might name one to have it replaced.
        if "://" in name or ".." in PurePosixPath(name).parts or name.startswith(("/", ".objects/")):
            raise LocalStateError(f"`{relative}` lies outside of `{self.base}`")
        return name

    def _explained(self, key: str) -> AbstractContextManager[None]:
        return explained(f"{self.base}/{key}")


def is_bucket(url: str) -> bool:
    """Whether a text is a bucket's URL."""
    return re.fullmatch(r"(s3|s3a|gs|az)://[^/\s]+(/\S*)?", url) is not None


def opened(url: str) -> Any:
    """The bucket of a URL, credentials from the environment. Raises LocalStateError."""
    try:
        from obstore.store import from_url
    except ImportError as error:
        hint = "install it: pip install 'kling-pipe[s3]'"
        raise LocalStateError(f"`{url}` needs the package obstore", hint=hint) from error
    try:
        return from_url(url)
    except Exception as error:  # the package raises its own errors and ValueError, by scheme
        raise told(url, error) from error


@contextmanager
def explained(where: str) -> Iterator[None]:
    """While inside, what a bucket refuses is told as LocalStateError. `where` is the URL of what is asked for."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise told(where, error) from error


def told(where: str, error: Exception) -> LocalStateError:
    """What a bucket had to say, and what to do."""
    reason = unsigned(str(error).partition("\n")[0])
    hint = "check the bucket's name, the credentials in the environment, and run again: nothing is paid twice"
    return LocalStateError(f"`{where}` cannot be used: {reason}", hint=hint)


def _object(sha256: str) -> str:
    if not is_digest(sha256):
        shown = ascii(sha256[:80])[1:-1]
        raise LocalStateError(f"`{shown}` is no checksum: 64 hex digits are", hint="nothing was changed")
    return f".objects/{sha256[:2]}/{sha256}"
