"""Local files for an emulator on this machine: what a bucket with signed links is for the real Kling."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.errors import LocalStateError

_SECONDS = 60.0


class EmulatorLinkStore:
    """The files that were handed to the emulator at `base_url`, by name."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def stands(self, name: str) -> bool:
        """Whether the emulator has the file."""
        return self._asked("GET", name)[0] == 200

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Hand a file over, as it is read. The emulator refuses one whose bytes do not make its name."""
        assert name.startswith(sha256)
        status, told = self._asked("PUT", name, path)
        if status != 200:
            raise LocalStateError(f"`{path}` was not taken by the emulator: {told.get('message')}", hint="run again")

    def link(self, name: str) -> str:
        """A signed link to the file."""
        status, told = self._asked("GET", name)
        if status != 200:
            raise LocalStateError(f"the emulator has no `{name}`", hint="run again")
        return str(told["url"])

    def _asked(self, method: str, name: str, path: Path | None = None) -> tuple[int, dict[str, Any]]:
        try:
            with closing(http.client.HTTPConnection(urlsplit(self._base_url).netloc, timeout=_SECONDS)) as connection:
                place = f"/_emulator/files/{name}"
                if path is None:
                    connection.request(method, place)
                else:
                    with path.open("rb") as file:
                        connection.request(method, place, file, {"Content-Length": str(path.stat().st_size)})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read() or b"{}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise LocalStateError(f"the emulator does not take files: {error}", hint="run again") from error
