"""Defaults, then the profile, then the recipe: the nearest wins, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import Operation, find
from kling_pipe.manifest.keywords import DEFAULT_API, PLURALS, RECIPE
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.scope import Scope

_FIELDS_BESIDE_API = ("references", "shots", "raw")
_NOTHING: Mapping[str, Any] = {}


class RecipeDefaults(NamedTuple):
    """What a recipe holds once its layers lie on each other; see `Recipe` for the words."""

    fields: dict[str, Any]
    origins: dict[str, Path_]
    inherited: frozenset[str]
    tool: dict[str, Any]


def below(scope: Scope, kind: str, profile: str) -> list[tuple[Path_, Mapping[str, Any]]]:
    """The layers under the recipes of a kind, with their places: defaults first, the chosen profile above."""
    plural = PLURALS[kind]
    defaults = _section(_section(scope.data, "defaults"), plural)
    chosen = _section(_section(_section(scope.data, "profiles"), profile), plural) if profile else _NOTHING
    return [(("defaults", plural), defaults), (("profiles", profile, plural), chosen)]


def api_of(scope: Scope, kind: str, profile: str, written: Mapping[str, Any], path: Path_) -> tuple[Any, Path_]:
    """The name of a recipe's operation, and where it is written."""
    for where, layer in reversed([*below(scope, kind, profile), (path, written)]):
        if "api" in layer:
            return layer["api"], (*where, "api")
    return DEFAULT_API[kind], path


def layered(
    scope: Scope, kind: str, profile: str, operation: Operation, written: Mapping[str, Any], path: Path_
) -> RecipeDefaults:
    """The recipe over the layers that apply to jobs of its operation."""
    fields: dict[str, Any] = {}
    origins: dict[str, Path_] = {}
    tool: dict[str, Any] = {}
    api = DEFAULT_API[kind]
    applying: list[tuple[Path_, Mapping[str, Any]]] = []
    for where, layer in below(scope, kind, profile):
        api = str(layer.get("api", api))
        if find(api) is operation:
            applying.append((where, layer))
    for where, layer in [*applying, (path, written)]:
        for word, value in layer.items():
            target = tool if word in RECIPE and word not in _FIELDS_BESIDE_API else fields
            target[word] = value
            origins[word] = (*where, word)
    return RecipeDefaults(fields, origins, frozenset(fields) - frozenset(written), tool)


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, Mapping) else _NOTHING
