"""Requests as JSON for people: leaves that only a run can fill shown for what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_pipe.model import FileRef, Json, OutputRef, PresetRef


def request_form(value: Json, root: Path) -> Any:
    """A request with `{"$ref": address}` for outputs and `{"$file": path, "sha256": ...}` for local files."""
    if isinstance(value, OutputRef):
        return {"$ref": value.address + (f":{value.output}" if value.output > 1 else "")}
    if isinstance(value, FileRef):
        return {"$file": Path(os.path.relpath(value.path, root)).as_posix(), "sha256": value.sha256}
    if isinstance(value, PresetRef):
        return {"$preset": value.name}
    if isinstance(value, Mapping):
        return {name: request_form(item, root) for name, item in value.items()}
    if isinstance(value, list):
        return [request_form(item, root) for item in value]
    return value
