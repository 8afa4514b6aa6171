"""Manifest files -> jobs: everything a campaign asks for, checked, keyed and in order, before a byte is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.manifest.compile import Manifest, Reading, compile_manifest, read_manifest

__all__ = [
    "Manifest",
    "Reading",
    "compile_manifest",
    "read_manifest",
]
__getattr__ = on_demand(
    __name__,
    {
        "compile": "Manifest Reading compile_manifest read_manifest",
    },
)
