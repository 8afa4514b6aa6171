"""Requests as JSON for people: leaves that only a run can fill shown for what they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kling_pipe.core.json_tree import map_leaves
from kling_pipe.model import FileRef, Json, OutputRef, PresetRef


def request_form(value: Json, root: Path) -> Any:
    """A request with `{"$ref": address}` for outputs and `{"$file": path, "sha256": ...}` for local files."""
    return map_leaves(value, lambda leaf: _shown(leaf, root))


def _shown(leaf: Json, root: Path) -> Any:
    if isinstance(leaf, OutputRef):
        return {"$ref": leaf.address + (f":{leaf.output}" if leaf.output > 1 else "")}
    if isinstance(leaf, FileRef):
        return {"$file": Path(os.path.relpath(leaf.path, root)).as_posix(), "sha256": leaf.sha256}
    return {"$preset": leaf.name} if isinstance(leaf, PresetRef) else leaf
