"""The parts of a manifest that stand beside its recipes: defaults, profiles, budget, limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog import find, operations
from kling_pipe.manifest.scope import Scope
from kling_pipe.manifest.trouble import Path_, Trouble
from kling_pipe.manifest.words import BUDGET, DEFAULT_API, KINDS, PER_JOB
from kling_pipe.nearest import nearest


def check_shape(scope: Scope, profile: str, trouble: Trouble) -> None:
    """Report what is wrong beside the recipes, in this file alone."""
    data = scope.data
    defaults = _mapping(scope, ("defaults",), data.get("defaults"), trouble)
    _defaults(scope, ("defaults",), defaults, {}, trouble)
    profiles = _mapping(scope, ("profiles",), data.get("profiles"), trouble)
    for name, layer in profiles.items():
        path: Path_ = ("profiles", name)
        _defaults(scope, path, _mapping(scope, path, layer, trouble), defaults, trouble)
    if profile and profile not in profiles and not scope.prefix:
        trouble.add(scope.document, "KP301", ("profiles",), f"there is no profile `{profile}`",
                    near=nearest(profile, map(str, profiles)), allowed=", ".join(map(str, profiles)))  # fmt: skip
    numbers(scope, ("budget",), data.get("budget"), BUDGET, trouble)
    _limits(scope, data.get("limits"), trouble)


def _mapping(scope: Scope, path: Path_, value: Any, trouble: Trouble) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    trouble.add(scope.document, "KP102", path, f"`{path[-1]}` wants a mapping")
    return {}


def _defaults(scope: Scope, path: Path_, layers: Mapping[str, Any], below: Mapping[str, Any], trouble: Trouble) -> None:
    for plural, layer in layers.items():
        if plural not in KINDS:
            trouble.add(scope.document, "KP101", (*path, plural), f"`{path[0]}` has no `{plural}`", key=True,
                        near=nearest(str(plural), KINDS), allowed=", ".join(KINDS))  # fmt: skip
            continue
        layer = _mapping(scope, (*path, plural), layer, trouble)
        under = below.get(plural)
        base = under.get("api") if isinstance(under, Mapping) else None
        _layer(scope, (*path, plural), layer, str(layer.get("api", base or DEFAULT_API[KINDS[plural]])), trouble)


def _layer(scope: Scope, path: Path_, layer: Mapping[str, Any], api: str, trouble: Trouble) -> None:
    operation = find(api)
    kind = KINDS[str(path[-1])]
    if operation is None or operation.kind != kind:
        fitting = [one.name for one in operations().values() if one.kind == kind]
        trouble.add(scope.document, "KP105", (*path, "api"), f"`{api}` is no operation for {path[-1]}",
                    near=nearest(api, fitting), allowed=", ".join(fitting))  # fmt: skip
        return
    known = [*operation.fields, "api", "tags", "retries", "takes"]
    for word in layer:
        if word in operation.kling.get("owned", ()):
            trouble.add(scope.document, "KP107", (*path, word), f"`{word}` belongs to kling-pipe", key=True, hint="Remove it.")
        elif word not in known:
            trouble.add(scope.document, "KP101", (*path, word), f"`{operation.name}` has no field `{word}`", key=True,
                        near=nearest(str(word), known))  # fmt: skip


def numbers(scope: Scope, path: Path_, value: Any, known: tuple[str, ...], trouble: Trouble) -> None:
    """A mapping of known words to amounts of zero or more; `per_job` holds one more level."""
    for word, amount in _mapping(scope, path, value, trouble).items():
        if word not in known:
            trouble.add(scope.document, "KP101", (*path, word), f"`{path[-1]}` has no `{word}`", key=True,
                        near=nearest(str(word), known), allowed=", ".join(known))  # fmt: skip
        elif word == "per_job":
            numbers(scope, (*path, word), amount, PER_JOB, trouble)
        elif isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
            trouble.add(scope.document, "KP106", (*path, word), f"`{word}: {amount}` is no amount", allowed="a number from 0")


def _limits(scope: Scope, value: Any, trouble: Trouble) -> None:
    packs = {str(one.kling["pool"]["pack"]) for one in operations().values() if one.kling["pool"].get("pack")}
    for word, amount in _mapping(scope, ("limits",), value, trouble).items():
        pack, _, _model = str(word).partition("/")
        if pack not in packs:
            trouble.add(scope.document, "KP101", ("limits", word), f"there is no pack `{pack}`", key=True,
                        near=nearest(pack, packs), allowed=", ".join(sorted(packs)))  # fmt: skip
        elif isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            trouble.add(scope.document, "KP106", ("limits", word), f"`{word}: {amount}` is no number of slots", allowed="a whole number from 1")
