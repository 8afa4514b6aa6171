"""A literal where the API wants a picture, a video or an id: a URL, a local file, raw base64, digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import table
from kling_pipe.core.keys import ExistingId
from kling_pipe.core.redact import shown
from kling_pipe.core.text import nearest
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.reference_lookup import NotFound, Value
from kling_pipe.model import FileRef, PresetRef

_URL = re.compile(r"https?://[^\s/]\S*\Z", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}\s*\Z")
_DIGITS = re.compile(r"[0-9]{1,19}\Z")
_PRESET = re.compile(r"preset:\s*(\S.*)\Z")
_LONG_DIGITS = re.compile(r"[0-9]{10,19}\Z")
_IDS = ("element", "voice")
_FILES = ("image", "audio")
"""Kinds of which a local file may be sent as base64. Which fields take one is data."""
_LIMITS = {"audio": "lip_sound", "image": "image"}
"""What a file is measured by where it is named; films have limits of their own in each field that takes one."""
_PUBLISH = (
    "Name a bucket under `[publish]` in kling-pipe.toml, and it is uploaded there for you; or write a URL."
    " With --emulator it is taken as it is."
)

_HUGE = 1_000_000_000
"""Bytes; the largest file that any field takes has 200 MB."""

Probe = Callable[[FileRef, str], Sequence[Any]]
"""Local file and the name of its limits -> findings with `rule`, `level`, `message`, `found`, `allowed`, `hint`."""


class Literal(NamedTuple):
    """What a literal stands for, and what is wrong with the file behind it."""

    value: Value
    findings: Sequence[Any] = ()


class MediaProblem(NamedTuple):
    """A finding of the probe with the file's name in its message."""

    rule: str
    level: Any
    message: str
    found: str
    allowed: str
    hint: str
    source: str


class MediaReader:
    """Turns literals into values; local files are read and checked once each.

    `publishes`: what Kling takes by URL only may be a local file, because a run hands out a link to it.
    """

    def __init__(self, files: Files, probe: Probe, *, publishes: bool = False) -> None:
        self.publishes = publishes
        self._files = files
        self._probe = probe
        self._probed: dict[tuple[str, str], Sequence[Any]] = {}

    def literal(self, value: Any, kind: str, folder: Path, limits: str = "") -> Literal:
        """The value a literal stands for. Raises `NotFound` when it stands for nothing."""
        if kind in _IDS and isinstance(value, str) and (preset := _PRESET.match(value.strip())):
            return Literal(PresetRef(kind, preset[1]))  # type: ignore[arg-type]  # one of _IDS
        if kind in _IDS or (kind in ("video", "audio") and _LONG_DIGITS.match(str(value).strip())):
            return Literal(_id(value, kind))
        if not isinstance(value, str):
            raise NotFound("KP102", f"this wants {_article(kind)}: a name, a path or a URL, not {_what(value)}")
        text = value.strip()
        if _URL.match(text):
            return Literal(text)
        if text.startswith("data:") or (kind in _FILES and _BASE64.match(text)):
            return Literal(text)
        if (scheme := text.partition("://")[0]) != text and scheme.isalnum():
            raise NotFound(
                "KP309",
                f"Kling fetches over http and https only, and `{_short(shown(text))}` is a link of another kind",
                hint=_PUBLISH,
            )
        if kind not in _FILES and not self.publishes:
            raise NotFound(
                "KP309",
                f"Kling takes {_article(kind)} by URL only, and `{_short(text)}` is a local path",
                hint=_PUBLISH,
            )
        return self._file(text, folder, kind, limits or _LIMITS.get(kind, ""))

    def checked(self, ref: FileRef, limits: str) -> Sequence[Any]:
        """What is wrong with a file in a field with these limits."""
        return self._complaints(Path(ref.path).name, ref, limits) if limits else ()

    def _file(self, value: str, folder: Path, kind: str, limits: str) -> Literal:
        file = Path(folder, value)
        try:
            if file.is_dir():
                raise NotFound("KP303", f"`{value}` is a folder, not a file", hint="Name the file in it.")
            _refuse_huge(value, file, limits)
            ref = replace(self._files.ref(file.absolute()), kind=kind)  # type: ignore[arg-type]  # one that has files
            return Literal(ref, self._complaints(value, ref, limits) if limits else ())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NotFound(
                "KP303",
                f"cannot read `{_short(value)}`: {reason}",
                near=_sibling(value, file),
                hint="Paths are relative to the manifest's folder.",
            ) from None

    def _complaints(self, name: str, ref: FileRef, limits: str) -> list[MediaProblem]:
        mark = (ref.sha256, limits)
        if mark not in self._probed:
            self._probed[mark] = self._probe(ref, limits)
        return [
            MediaProblem(one.rule, one.level, f"`{name}`: {one.message}", one.found, one.allowed, one.hint, one.source)
            for one in self._probed[mark]
        ]


def _refuse_huge(value: str, file: Path, limits: str) -> None:
    """Refuse what no field takes before it is hashed, which may take hours. Raises `NotFound`."""
    size = file.stat().st_size if file.is_file() else 0
    if size > _HUGE:
        most = table("media")["limits"].get(limits, {}).get("max_megabytes", _HUGE / 1e6)
        raise NotFound(
            "KP330",
            f"`{_short(value)}`: the file is too large: {size / 1e9:.1f} GB",
            allowed=f"up to {most:g} MB",
            hint="Use a file within the limits.",
        )


def _id(value: Any, kind: str) -> Value:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**19:
        return ExistingId(value) if kind == "element" else str(value)
    if isinstance(value, str) and _DIGITS.match(value.strip()) and int(value):
        return ExistingId(int(value)) if kind == "element" else value.strip()
    if kind == "voice" and isinstance(value, str) and value.strip():
        return value.strip()
    raise NotFound(
        "KP308",
        f"this wants {_article(kind)}: a name or an id in digits, not {_what(value)}",
        hint=f"Write {kind}.name, or add it under `{kind}s:`.",
    )


def fitting(value: Value, kind: str, entry: Mapping[str, Any], *, publishes: bool = False) -> Value:
    """The value, if the field takes it in this form: `entry` is what the data says of the field. Raises `NotFound`."""
    if not entry or not isinstance(value, str | FileRef) or kind in _IDS:
        return value
    if entry.get("as") == "id":
        if isinstance(value, FileRef) or _URL.match(value):
            raise NotFound(
                "KP308",
                f"this wants the id that Kling gave {_article(kind)}, not a file or URL",
                hint=f"Name a job ({kind}.name), or write the id in digits.",
            )
    elif isinstance(value, str) and _LONG_DIGITS.match(value):
        raise NotFound(
            "KP308",
            f"this wants {_article(kind)} by URL, and `{value}` is an id",
            hint="Some operations have a field of its own for ids, such as `video_id`.",
        )
    elif isinstance(value, FileRef) and not entry.get("base64") and not publishes:
        raise NotFound(
            "KP309", f"this field takes {_article(kind)} by URL only, and this is a local file", hint=_PUBLISH
        )
    return value


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _what(value: Any) -> str:
    return {dict: "a mapping", list: "a list", bool: "true or false"}.get(type(value), f"`{_short(str(value))}`")


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}...{text[-15:]}"


def _sibling(value: str, file: Path) -> str:
    """The file in the same folder that was probably meant, as it would be written."""
    try:
        near = nearest(file.name, [one.name for one in file.parent.iterdir()])
    except (OSError, ValueError):
        return ""
    return value[: len(value) - len(file.name)] + near if near else ""
