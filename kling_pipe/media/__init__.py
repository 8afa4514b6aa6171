"""Media files, here or behind a link: what they are, whether they fit, their bytes as base64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.media.facts import Facts
    from kling_pipe.media.inline import base64_length, base64_pieces
    from kling_pipe.media.limits import MediaFinding, broken, broken_file, broken_length, plain, unlike
    from kling_pipe.media.local import Looks, looked
    from kling_pipe.media.streams import can_open_streams

__all__ = [
    "Facts",
    "Looks",
    "MediaFinding",
    "base64_length",
    "base64_pieces",
    "broken",
    "broken_file",
    "broken_length",
    "can_open_streams",
    "looked",
    "plain",
    "unlike",
]
__getattr__ = on_demand(
    __name__,
    {
        "facts": "Facts",
        "inline": "base64_length base64_pieces",
        "limits": "MediaFinding broken broken_file broken_length plain unlike",
        "local": "Looks looked",
        "streams": "can_open_streams",
    },
)
