"""What a run would upload, because Kling takes it by link: for people and machines. Never a link itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kling_pipe.model import FileRef

_MOST = 10


def uploads_form(files: Sequence[FileRef], place: str) -> list[dict[str, Any]]:
    """`[{file, bytes, sha256, to}]`."""
    return [{"file": Path(one.path).name, "bytes": one.size, "sha256": one.sha256, "to": place} for one in files]


def uploads_text(files: Sequence[FileRef], place: str) -> str:
    """A line with the sum, and one for each file; "" when there is nothing to upload."""
    if not files:
        return ""
    count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
    lines = [f"Uploads: {count}, {size(sum(file.size for file in files))}, to {place} unless it has them already"]
    lines += [f"  ^ {Path(file.path).name}  {size(file.size)}" for file in files[:_MOST]]
    return "\n".join([*lines, *([f"  ... and {len(files) - _MOST} more"] if len(files) > _MOST else [])])


def size(count: int) -> str:
    """`812 kB`, `31.2 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1000))} kB"
