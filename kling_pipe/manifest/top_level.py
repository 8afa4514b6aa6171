"""The parts of a manifest that stand beside its recipes: defaults, profiles, budget, limits, retries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kling_pipe.catalog.operations import find, load_operation, names, operations
from kling_pipe.core.text import nearest
from kling_pipe.manifest.keywords import BUDGET, DEFAULT_API, DEFAULTS, KINDS, PER_JOB
from kling_pipe.manifest.operation_layout import layout_of
from kling_pipe.manifest.problems import Path_, ProblemCollector
from kling_pipe.manifest.scope import Scope

_MOST_RETRIES = 20


def check_surroundings(scope: Scope, profile: str, trouble: ProblemCollector) -> None:
    """Report what is wrong beside the recipes, in this file alone. `profile` is asked for of the root file only."""
    _TopLevel(scope, trouble).check("" if scope.prefix else profile)


@dataclass(slots=True)
class _TopLevel:
    scope: Scope
    trouble: ProblemCollector

    def _add(self, id: str, path: Path_, message: str, **facts: Any) -> None:
        self.trouble.add(self.scope.document, id, path, message, **facts)

    def check(self, profile: str) -> None:
        data = self.scope.data
        defaults = self._mapping(("defaults",), data.get("defaults"))
        self._layers(("defaults",), defaults, {})
        profiles = self._mapping(("profiles",), data.get("profiles"))
        for name, layer in profiles.items():
            path: Path_ = ("profiles", name)
            if not isinstance(name, str) or not name.replace("-", "_").isidentifier():
                self._add(
                    "KP106", path, f"`{name}` cannot be a profile's name", key=True, allowed="letters, digits, _ and -"
                )
            self._layers(path, self._mapping(path, layer), defaults)
        if profile and profile not in profiles:
            self._add(
                "KP301",
                ("profiles",),
                f"there is no profile `{profile}`",
                key="profiles" in data,
                near=nearest(profile, map(str, profiles)),
                allowed=", ".join(map(str, profiles)),
                hint="Leave --profile out, or name one that stands under `profiles:`"
                if profiles
                else "Leave --profile out, or add it under `profiles:`",
            )
        self._amounts(("budget",), data.get("budget"), BUDGET)
        self._slots(data.get("limits"))
        self._retries(data.get("retries", 0))

    def _mapping(self, path: Path_, value: Any) -> Mapping[str, Any]:
        if value is None or isinstance(value, Mapping):
            return value or {}
        self._add("KP102", path, f"`{path[-1]}` wants a mapping")
        return {}

    def _layers(self, path: Path_, layers: Mapping[str, Any], below: Mapping[str, Any]) -> None:
        for plural, written in layers.items():
            if plural not in KINDS:
                self._add(
                    "KP101",
                    (*path, plural),
                    f"`{path[0]}` has no `{plural}`",
                    key=True,
                    near=nearest(str(plural), KINDS),
                    allowed=", ".join(KINDS),
                )
                continue
            layer = self._mapping((*path, plural), written)
            under = below.get(plural)
            base = under.get("api") if isinstance(under, Mapping) else None
            self._layer((*path, plural), layer, str(layer.get("api", base or DEFAULT_API[KINDS[plural]])))

    def _layer(self, path: Path_, layer: Mapping[str, Any], api: str) -> None:
        operation = find(api)
        kind = KINDS[str(path[-1])]
        if operation is None or operation.kind != kind:
            if "api" in layer:  # otherwise the defaults below are to blame, and are
                fitting = [one.name for one in operations().values() if one.kind == kind]
                self._add(
                    "KP105",
                    (*path, "api"),
                    f"`{api}` is no operation for {path[-1]}" + (f": it makes {operation.kind}s" if operation else ""),
                    near=nearest(api, fitting),
                    allowed=", ".join(fitting),
                )
            return
        owned = layout_of(operation).owned
        known = [*(word for word in operation.fields if word not in owned), *DEFAULTS]
        for word in layer:
            if word in owned:
                self._add("KP107", (*path, word), f"`{word}` belongs to kling-pipe", key=True, hint="Remove it.")
            elif word not in known:
                self._add(
                    "KP101",
                    (*path, word),
                    f"`{path[0]}` of `{operation.name}` can have no `{word}`",
                    key=True,
                    near=nearest(str(word), known),
                    hint="Fields of another operation go with its `api:`.",
                )

    def _amounts(self, path: Path_, value: Any, known: tuple[str, ...]) -> None:
        """A mapping of known words to amounts of zero or more; `per_job` holds one more level."""
        for word, amount in self._mapping(path, value).items():
            if word not in known:
                self._add(
                    "KP101",
                    (*path, word),
                    f"`{path[-1]}` has no `{word}`",
                    key=True,
                    near=nearest(str(word), known),
                    allowed=", ".join(known),
                )
            elif word == "per_job":
                self._amounts((*path, word), amount, PER_JOB)
            elif isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
                self._add("KP106", (*path, word), f"`{word}: {_plain(amount)}` is no amount", allowed="a number from 0")

    def _slots(self, value: Any) -> None:
        for word, amount in self._mapping(("limits",), value).items():
            self._slot(str(word), amount, ("limits", word))

    def _slot(self, word: str, amount: Any, path: Path_) -> None:
        pack, _, model = word.partition("/")
        if pack not in _packs():
            packs = sorted(set(_packs()))
            self._add(
                "KP101",
                path,
                f"there is no pack `{pack}`",
                key=True,
                near=nearest(pack, packs),
                allowed=", ".join(packs),
                hint="Write video, image, or video/<model>.",
            )
        elif model and model not in (models := _models(pack)):
            self._add(
                "KP101",
                path,
                f"there is no model `{model}` of this pack",
                key=True,
                near=nearest(model, models),
                allowed=", ".join(models),
            )
        elif isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            self._add(
                "KP106", path, f"`{word}: {_plain(amount)}` is no number of slots", allowed="a whole number from 1"
            )

    def _retries(self, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_RETRIES:
            self._add(
                "KP106", ("retries",), f"`retries: {_plain(value)}` is not possible", allowed=f"0 to {_MOST_RETRIES}"
            )


def _packs() -> Iterator[str]:
    """The pack of one operation after the other: a known one is found before all of them are read."""
    return (str(pack) for name in names() if (pack := load_operation(name).kling["pool"].get("pack")))


def _models(pack: str) -> list[str]:
    found: dict[str, None] = {}
    for operation in operations().values():
        pool = operation.kling["pool"]
        if pool["pack"] == pack and pool["model"]:
            found.update(dict.fromkeys(operation.fields[pool["model"]].get("enum", ())))
    return list(found)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return {dict: "a mapping", list: "a list", type(None): "null"}.get(type(value), str(value)[:40])
