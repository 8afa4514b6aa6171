"""The tool's own problems as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kling_pipe.manifest.yaml import read_document


@dataclass(frozen=True, slots=True)
class Entry:
    """One problem: what it is, why it matters, a part of a manifest that has it and one that has not, the next step.

    `when` says when it is found: `compile`, `remarks` (once all problems are known), `probe` (with more than the
    manifest and its pictures at hand), `standard` (requests are to go out in the vendor's second one), or `plan`.
    """

    id: str
    title: str
    why: str
    next: str
    wrong: str = ""
    right: str = ""
    when: str = "compile"


@cache
def registry() -> Mapping[str, Entry]:
    """All entries by id, in the order of their ids."""
    found = read_document(Path(__file__).with_name("registry.yaml"), "registry.yaml")
    return {id: Entry(id, **facts) for id, facts in found.data.items()}
