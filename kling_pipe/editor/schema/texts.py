"""Hover texts for the tool's own words, from `words.yaml` beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kling_pipe.manifest.yaml import read_document

Schema = dict[str, Any]


@cache
def _groups() -> Mapping[str, Any]:
    found = read_document(Path(__file__).with_name("words.yaml"), "words.yaml")
    groups: Mapping[str, Any] = found.data
    return groups


def words(group: str) -> list[str]:
    """The words that have a text, by group: `top_level`, `recipe`, `sugar`, `matrix`, `amounts`, `existing`."""
    return list(_groups()[group])


def text(group: str, word: str) -> str:
    """What a word does. KeyError for a word that nobody has described yet."""
    return str(_groups()[group][word]["text"])


def told(group: str, word: str, schema: Mapping[str, Any]) -> Schema:
    """A schema under a word's text and examples; a `$ref` goes into `allOf`, since draft-07 ignores its neighbours."""
    shown: Schema = {"description": text(group, word)}
    if examples := _groups()[group][word].get("examples"):
        shown["examples"] = examples
    return {**shown, "allOf": [dict(schema)]} if "$ref" in schema else {**shown, **schema}
