"""Request bodies that others wrote down already: cases, examples and compiled pipelines of what the second form has."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from kling_pipe import api
from kling_pipe.catalog import operations
from kling_pipe.catalog.api_v2.table import table_of
from kling_pipe.catalog.validation import check
from kling_pipe.manifest.request_validation import stand_ins

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = tuple(table_of()["operations"])
Body = dict[str, Any]


def is_sound(name: str, body: Body) -> bool:
    """Whether the first standard would take it, and no defect of the old pages is in it."""
    return not [one for one in check(operations.load_operation(name), body, strict=True) if one.level == "error"]


@cache
def bodies() -> dict[str, tuple[str, Body]]:
    """Operation and body of every sound request at hand, by where it is from."""
    found: dict[str, tuple[str, Body]] = {}
    for name in OPERATIONS:
        for number, body in enumerate(operations.load_operation(name).schema["examples"]):
            found[f"{name}/example-{number}"] = (name, body)
        for path in sorted((ROOT / "tests" / "cases" / name).glob("*.json")):
            found[f"{name}/{path.stem}"] = (name, json.loads(path.read_text(encoding="utf-8"))["body"])
    for path in sorted((ROOT / "pipelines").rglob("*.yaml")):
        if re.search(r"^(project|include):", path.read_text(encoding="utf-8"), re.MULTILINE):
            for job in api.load(path).jobs:
                if job.operation in OPERATIONS:
                    body = stand_ins(dict(job.request))
                    found[f"{path.stem}/{job.address}"] = (job.operation, body)  # type: ignore[assignment]
    return {place: one for place, one in found.items() if is_sound(*one)}
