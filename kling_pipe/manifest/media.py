"""A literal where the API wants a picture, a video or an id: a URL, a local file, raw base64, digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kling_pipe.keys import ExistingId
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.lookup import NotFound, Value
from kling_pipe.manifest.scope import Scope
from kling_pipe.manifest.trouble import Path_, Trouble
from kling_pipe.model import FileRef

_URL = re.compile(r"https?://\S+\Z", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}\s*\Z")
_IDS = ("element", "voice")

Probe = Callable[[FileRef, str], Sequence[Any]]
"""Local file and the name of its limits -> findings with `rule`, `level`, `message`, `allowed`, `hint`."""


class MediaReader:
    """Turns literals into values; local files are read and checked once each."""

    def __init__(self, files: Files, probe: Probe) -> None:
        self._files = files
        self._probe = probe
        self._probed: dict[tuple[str, str], Sequence[Any]] = {}

    def literal(self, value: Any, kind: str, owner: Any, path: Path_, trouble: Trouble, entry: Mapping[str, Any]) -> Value | None:
        """The value a literal stands for. Raises `NotFound` when it stands for nothing; None when already reported."""
        scope: Scope = getattr(owner, "scope", owner)
        if value is None or value == "":
            return None
        if kind in _IDS:
            return self._id(value, kind)
        if not isinstance(value, str):
            raise NotFound("KP102", f"this wants {'an' if kind == 'image' else 'a'} {kind}: a name, a path or a URL, not {_what(value)}")
        if _URL.match(value):
            return value
        if value.startswith("data:") or (kind == "image" and _BASE64.match(value)):
            return value
        if kind != "image":
            raise NotFound("KP309", f"Kling takes a {kind} by URL only, and `{value}` is a local path",
                           hint=f"Put the {kind} on a web server or bucket and write its URL.")  # fmt: skip
        return self._file(value, scope, path, trouble, entry.get("limits", "image"))

    def _id(self, value: Any, kind: str) -> Value:
        if isinstance(value, int) and not isinstance(value, bool):
            return ExistingId(value)
        if isinstance(value, str) and value.strip().isdigit():
            return ExistingId(int(value)) if kind == "element" else value.strip()
        raise NotFound("KP308", f"this wants {'an' if kind == 'element' else 'a'} {kind}: a name or an id in digits, not `{value}`",
                       hint=f"Write {kind}.name, or add it under `{kind}s:`.")  # fmt: skip

    def _file(self, value: str, scope: Scope, path: Path_, trouble: Trouble, limits: str) -> FileRef | None:
        file = Path(scope.folder, value)
        try:
            if file.is_dir():
                raise NotFound("KP303", f"`{value}` is a folder, not a file")
            ref = self._files.ref(file.absolute())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotFound("KP303", f"cannot read `{value}`: {reason}", near=_sibling(file),
                           hint="Paths are relative to the manifest's folder.") from None  # fmt: skip
        for finding in self._findings(ref, limits):
            trouble.add(scope.document, finding.rule, path, f"`{value}`: {finding.message}", level=finding.level,
                        found=finding.found, allowed=finding.allowed, hint=finding.hint, source=finding.source)  # fmt: skip
        return ref

    def _findings(self, ref: FileRef, limits: str) -> Sequence[Any]:
        mark = (ref.sha256, limits)
        if mark not in self._probed:
            self._probed[mark] = self._probe(ref, limits)
        return self._probed[mark]


def _what(value: Any) -> str:
    return {dict: "a mapping", list: "a list", bool: "true or false"}.get(type(value), f"`{value}`")


def _sibling(file: Path) -> str:
    from kling_pipe.nearest import nearest

    try:
        return nearest(file.name, [one.name for one in file.parent.iterdir()])
    except OSError:
        return ""
