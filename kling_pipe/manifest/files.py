"""Local files as values: found, hashed once, and refused clearly when they cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kling_pipe.model import FileRef


class Files:
    """Local files by path, each read and hashed once for as long as this object is used."""

    def __init__(self) -> None:
        self._known: dict[Path, FileRef] = {}

    def ref(self, path: Path) -> FileRef:
        """The file as a value. Raises OSError; ValueError for a path that no system knows."""
        known = self._known.get(path)
        if known is None:
            if not path.is_file():
                # A pipe or a device would be waited for, not read.
                raise FileNotFoundError(2, "no such file" if not path.exists() else "not a file", str(path))
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            known = self._known[path] = FileRef(str(path), digest, path.stat().st_size)
        return known
