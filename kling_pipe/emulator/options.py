"""Everything that can be set about an emulator, as one value that also travels on a command line."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SECONDS = {"element": 0.3, "voice": 0.3, "audio": 0.6, "image": 0.8, "video": 1.5}
"""How long a task of each kind takes when nothing else is said."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `kling-pipe emulator serve` can be told. Times in seconds, sizes in bytes.

    `speed` divides every task's time; `task_seconds` replaces the times per kind by one mean, `spread` (0.3: uniform
    within 30 %) varies it by a hash of the external id; `per_clip_second` makes it follow the length of the clip.
    `latency` delays each answer.
    `slots` are parallel tasks per pack type (and per model with `slots_per_model`); `packs` are the units an account
    has (a pack that is not named never runs out); in both `NAME/video` is for the account NAME alone.
    `over_limit_http` is the HTTP status of code 1303: 429 or 200.
    `standards_apart` hides from each of the vendor's two standards what was made in the other.
    `reuse_failed_ids` allows an external id again when its task failed, `accept_duplicates` any id at any time.
    `media` is `real` or `tiny`, `media_bytes` pads tiny files. `url_seconds` is how long one signed URL works. `keys`
    are further accounts, `ACCESS:SECRET`. `idle_exit` ends the server after so many quiet seconds (0: never).
    """

    host: str = "127.0.0.1"
    port: int = 0
    speed: float = 1.0
    task_seconds: float = 0.0
    spread: float = 0.0
    per_clip_second: float = 0.0
    latency: float = 0.0
    media: str = "real"
    media_bytes: int = 0
    strict: bool = False
    public_url: str = ""
    slots: Mapping[str, int] = field(default_factory=lambda: {"video": 5, "image": 9})
    slots_per_model: bool = False
    over_limit_http: int = 429
    reuse_failed_ids: bool = False
    taken_id_code: int = 1201
    accept_duplicates: bool = False
    standards_apart: bool = False
    packs: Mapping[str, float] = field(default_factory=dict)
    max_body: int = 192 * 1024 * 1024
    url_seconds: int = 30 * 24 * 3600
    callbacks_anywhere: bool = False
    callback_secret: str = ""
    keys: Sequence[str] = ()
    idle_exit: float = 0.0

    def to_json(self) -> str:
        """One line that `from_json` reads."""
        changed = {name: value for name, value in asdict(self).items() if value != getattr(Options(), name)}
        return json.dumps(changed, separators=(",", ":"))


def from_json(text: str) -> Options:
    """The options that `to_json` wrote. Raises TypeError for a name that does not exist."""
    return Options(**json.loads(text))


def _pairs(text: str, kind: type[int] | type[float] = float) -> dict[str, float]:
    """`video=5,image=9`, and `second/video=2` for one account."""
    found = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name.rpartition("/")[2] not in _PACKS:
            raise argparse.ArgumentTypeError(f"`{part}` names no pack; write video=5,image=9")
        found[name] = _number(kind)(number)
    return found


def _slots(text: str) -> dict[str, float]:
    return _pairs(text, int)


def _number(kind: type[int] | type[float], least: float = 0, most: float = math.inf) -> Callable[[str], float]:
    """Reads a number within bounds."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and least <= value <= most):
            bounds = f"of {least:g} or more" if math.isinf(most) else f"from {least:g} to {most:g}"
            raise argparse.ArgumentTypeError(f"`{text}` is no {_WORDS[kind]} {bounds}")
        return value

    return read


_HELP: Mapping[str, str] = {
    "host": "address to listen on",
    "port": "0 takes a free one",
    "speed": "divide the time of every task by this",
    "task_seconds": "mean time of every task, whatever its kind",
    "per_clip_second": "time of a video task per second of its clip",
    "spread": "vary the time by this share, fixed by the external id",
    "latency": "delay of every answer",
    "media": "real or tiny (constant small files for load tests)",
    "media_bytes": "size of the tiny files",
    "strict": "refuse what the real API only tolerates",
    "public_url": "scheme and host of the media URLs",
    "slots": "parallel tasks per pack type, such as video=5,image=9",
    "slots_per_model": "count slots per model as well",
    "over_limit_http": "HTTP status of code 1303: 429 or 200",
    "taken_id_code": "code of the refusal of an external id that is taken",
    "standards_apart": "hide from each standard the tasks that were made in the other",
    "reuse_failed_ids": "allow the external id of a failed task again",
    "accept_duplicates": "allow every external id again and again",
    "packs": "units an account has, such as video=100,image=500",
    "max_body": "largest request body in bytes",
    "url_seconds": "how long a signed media URL works",
    "callbacks_anywhere": "send callbacks to other machines too",
    "callback_secret": "sign callbacks with this whsec_ secret",
    "keys": "a further account as ACCESS:SECRET; may be repeated",
    "idle_exit": "stop after so many seconds without work",
}
_PACKS = ("video", "image")
_WORDS: Mapping[type, str] = {int: "whole number", float: "number"}
_READERS: Mapping[str, Any] = {
    "slots": _slots,
    "packs": _pairs,
    "port": _number(int, most=65535),
    "speed": _number(float, least=0.001),
    "spread": _number(float, most=1),
    "int": _number(int),
    "float": _number(float),
}
_CHOICES: Mapping[str, Sequence[Any]] = {"media": ("real", "tiny"), "over_limit_http": (429, 200)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One flag per option (`--task-seconds`)."""
    for option in fields(Options):
        flag, text = f"--{option.name.replace('_', '-')}", _HELP[option.name]
        if option.type == "bool":
            parser.add_argument(flag, action="store_true", default=None, help=text)
        elif option.name == "keys":
            parser.add_argument(flag, action="append", help=text)
        else:
            read = _READERS.get(option.name) or _READERS.get(str(option.type), str)
            parser.add_argument(flag, type=read, choices=_CHOICES.get(option.name), help=text)


def from_arguments(given: argparse.Namespace) -> Options:
    """The options that were given; the rest keep their defaults."""
    values = {option.name: getattr(given, option.name, None) for option in fields(Options)}
    return Options(**{name: value for name, value in values.items() if value is not None})
