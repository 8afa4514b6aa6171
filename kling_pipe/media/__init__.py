"""Media files, here or behind a link: what they are, whether they fit, their bytes as base64."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.media.av_facts import can_open_streams
    from kling_pipe.media.base64 import base64_length, base64_pieces
    from kling_pipe.media.facts import Facts
    from kling_pipe.media.file_facts import FileFacts, look_at_file
    from kling_pipe.media.limits import MediaFinding, broken, broken_file, broken_length, plain, unlike

__all__ = [
    "Facts",
    "FileFacts",
    "MediaFinding",
    "base64_length",
    "base64_pieces",
    "broken",
    "broken_file",
    "broken_length",
    "can_open_streams",
    "look_at_file",
    "plain",
    "unlike",
]
__getattr__ = on_demand(
    __name__,
    {
        "facts": "Facts",
        "base64": "base64_length base64_pieces",
        "limits": "MediaFinding broken broken_file broken_length plain unlike",
        "file_facts": "FileFacts look_at_file",
        "av_facts": "can_open_streams",
    },
)
