"""Request bodies as bytes: JSON in which local files stand as base64, read from the disk while they are sent."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from kling_pipe.errors import LocalStateError
from kling_pipe.media import base64_length, base64_pieces
from kling_pipe.model import FileRef, Json
from kling_pipe.storage.outputs.local import file_sha256


class Body(NamedTuple):
    """Pieces of JSON text and the files between them. May be sent more than once."""

    texts: tuple[bytes, ...]
    files: tuple[FileRef, ...] = ()

    @property
    def length(self) -> int:
        """Content-Length."""
        return sum(map(len, self.texts)) + sum(base64_length(file.size) for file in self.files)

    def pieces(self) -> Iterator[bytes]:
        """The body, piece by piece."""
        for index, text in enumerate(self.texts):
            yield text
            if index < len(self.files):
                yield from base64_pieces(Path(self.files[index].path))

    async def stream(self) -> AsyncIterator[bytes]:
        """The same for an async client."""
        for piece in self.pieces():
            yield piece


def body_of(request: Mapping[str, Json]) -> Body:
    """The body of a request whose `FileRef` leaves are sent as raw base64.

    Raises LocalStateError when a file is not the one that the manifest was compiled with.
    """
    files: list[FileRef] = []
    mark = ""  # stands for a file in the text; nobody can have written it

    def leaf(value: object) -> str:
        nonlocal mark
        if not isinstance(value, FileRef):
            raise TypeError(f"no JSON value: {value!r}")
        mark = mark or os.urandom(16).hex()
        files.append(value)
        return mark

    text = json.dumps(request, ensure_ascii=False, separators=(",", ":"), default=leaf)
    for file in files:
        _check(file)
    parts = text.split(mark) if files else [text]
    return Body(tuple(part.encode() for part in parts), tuple(files))


def _check(file: FileRef) -> None:
    try:
        sha256 = file_sha256(Path(file.path))
    except OSError as error:
        raise LocalStateError(f"`{file.path}` cannot be read: {error.strerror or error}") from error
    if sha256 != file.sha256:
        raise LocalStateError(f"`{file.path}` changed while the run was under way", hint="run again")
