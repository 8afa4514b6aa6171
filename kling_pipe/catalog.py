"""`schemas/` as values: one `Operation` per file, plus the shared tables. Knows no operation by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


def schemas_folder() -> Path:
    """The `schemas/` folder: inside the installed package if it is there, else beside the package (a checkout)."""
    inside = Path(__file__).parent / "schemas"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "schemas"


@cache
def table(name: str) -> Mapping[str, Any]:
    """One shared table of `schemas/` by name: `errors`, `pricing`, `capabilities`, ..."""
    text = (schemas_folder() / f"{name}.json").read_text(encoding="utf-8")
    data: Mapping[str, Any] = json.loads(text)
    return data


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One kind of API call, as `schemas/operations/<name>.json` describes it.

    `schema` is the whole file (draft 2020-12 for the request body); `kling` is its `x-kling` object.
    """

    name: str
    schema: Mapping[str, Any]

    @property
    def kling(self) -> Mapping[str, Any]:
        """Method, path, results, states, media, pool and rules."""
        data: Mapping[str, Any] = self.schema["x-kling"]
        return data

    @property
    def kind(self) -> str:
        """The manifest kind that this operation makes: `element`, `image`, `video`."""
        return str(self.kling["kind"])

    @property
    def path(self) -> str:
        """Path of the create call; single GETs append `/{id}`."""
        return str(self.kling["path"])

    @property
    def fields(self) -> Mapping[str, Any]:
        """The request body's fields and their schemas."""
        data: Mapping[str, Any] = self.schema["properties"]
        return data


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by name, in the order of their names."""
    found = {}
    for path in sorted((schemas_folder() / "operations").glob("*.json")):
        found[path.stem] = Operation(path.stem, json.loads(path.read_text(encoding="utf-8")))
    return found


def find(name_or_path: str) -> Operation | None:
    """An operation by its name (`omni-video`) or its path (`/v1/videos/omni-video`, slash at the end or not)."""
    wanted = name_or_path.rstrip("/")
    known = operations()
    return known.get(wanted) or next((one for one in known.values() if one.path == wanted), None)
