"""The process that draws: reads one job a line from stdin, answers one line on stdout. Ends when stdin does.

    {"card": {...}, "clip": "<cache path>", "target": "<path>", "comment": "<external id>"}  ->  {"error": ""}

`clip` is empty for a picture or a sound. A clip is encoded once per card and remuxed, which takes milliseconds, for
the rest.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kling_pipe.emulator.media.card import from_json


def _whole(target: Path, write: Callable[[Path], None]) -> None:
    """Write beside the target and rename, so that a half-written file never stands under the name."""
    part = target.with_name(f"{target.stem}.{os.getpid()}.part{target.suffix}")
    write(part)
    part.replace(target)


def render(job: dict[str, Any]) -> None:
    """Make one file."""
    card, target = from_json(job["card"]), Path(job["target"])
    if target.suffix in (".mp3", ".wav"):
        from kling_pipe.emulator.media import sound

        _whole(target, lambda path: sound.write(card, path, job["comment"]))
        return
    if not job["clip"]:
        from kling_pipe.emulator.media import png

        _whole(target, lambda path: png.write(card, path, job["comment"]))
        return
    from kling_pipe.emulator.media import mp4

    clip = Path(job["clip"])
    if not clip.exists():
        _whole(clip, lambda path: mp4.encode(card, path))
    _whole(target, lambda path: mp4.remux(clip, path, job["comment"]))


def main() -> None:
    """Serve jobs until stdin ends, out of the way of whatever else runs here."""
    if hasattr(os, "nice"):
        os.nice(10)
    for line in sys.stdin:
        try:
            render(json.loads(line))
            error = ""
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        print(json.dumps({"error": error}), flush=True)


if __name__ == "__main__":
    main()
