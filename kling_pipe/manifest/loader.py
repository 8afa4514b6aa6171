"""Manifest file -> scope: includes read, vars overridden, defaults and profile laid under the recipes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_pipe.catalog import Operation, find, operations
from kling_pipe.manifest.lookup import NotFound
from kling_pipe.manifest.matrix import Cell, expand
from kling_pipe.manifest.media import MediaReader
from kling_pipe.manifest.names import NAME
from kling_pipe.manifest.scope import Existing, Recipe, Scope
from kling_pipe.manifest.trouble import Path_, Trouble
from kling_pipe.manifest.words import DEFAULT_API, KINDS, PLURALS, RECIPE, TOP_LEVEL
from kling_pipe.nearest import nearest
from kling_pipe.prompts import TemplateProblem, compile_text
from kling_pipe.slug import slug
from kling_pipe.source import Document, read_document

_PROJECT = re.compile(r"[a-z][a-z0-9-]{0,23}\Z")
_MOST_TAKES = 999
_FIELDS_BESIDE_API = ("references", "shots", "raw")


@dataclass(slots=True)
class Loader:
    """Reads manifests. `overrides` and `profile` apply to the root; includes keep their own."""

    trouble: Trouble
    media: MediaReader
    profile: str = ""

    def scope(self, file: Path, name: str, overrides: Mapping[str, Any], prefix: str = "",
              above: tuple[Path, ...] = ()) -> Scope:  # fmt: skip
        """The scope of one file and all it includes. What is wrong goes to `trouble`."""
        document = read_document(file, name)
        for problem in document.problems:
            self.trouble.put(problem)
        data = document.data if isinstance(document.data, Mapping) else {}
        if not document.problems and not isinstance(document.data, Mapping):
            self.trouble.add(document, "KP008", (), "a manifest is a mapping with `project:`, `images:`, `videos:` ...",
                             hint="`kling-pipe init` writes a first manifest.")  # fmt: skip
        scope = Scope(document, file.parent, data, prefix)
        if not data:
            return scope
        self._top_level(scope)
        self._vars(scope, overrides)
        self._includes(scope, file, above)
        for plural, kind in KINDS.items():
            self._entries(scope, plural, kind)
        return scope

    # -- the top of the file -------------------------------------------------------------------------------------

    def _top_level(self, scope: Scope) -> None:
        document, data = scope.document, scope.data
        for word in data:
            if word not in TOP_LEVEL and not str(word).startswith("x-"):
                self.trouble.add(document, "KP101", (word,), f"a manifest has no `{word}`", key=True,
                                 near=nearest(str(word), TOP_LEVEL), allowed=", ".join(TOP_LEVEL),
                                 hint="Keys of your own start with `x-`.")  # fmt: skip
        if data.get("version", 1) != 1:
            self.trouble.add(document, "KP105", ("version",), f"version `{data['version']}` is not known", allowed="1")
        self._project(scope)

    def _project(self, scope: Scope) -> None:
        project = scope.data.get("project")
        suggestion = (slug(scope.folder.resolve().name).encode("ascii", "ignore").decode() or "campaign")[:24]
        if project is None:
            self.trouble.add(scope.document, "KP103", (), "`project` is missing",
                             hint=f"Add `project: {suggestion}`; it is part of every task's id, so it stays as it is.")  # fmt: skip
        elif not isinstance(project, str) or not _PROJECT.match(project):
            self.trouble.add(scope.document, "KP106", ("project",), f"`{project}` cannot be a project's name",
                             allowed="a to z, 0 to 9 and -, at most 24, a letter first")  # fmt: skip
        else:
            scope.project = project

    def _vars(self, scope: Scope, overrides: Mapping[str, Any]) -> None:
        own = scope.data.get("vars") or {}
        if not isinstance(own, Mapping):
            self.trouble.add(scope.document, "KP102", ("vars",), "`vars` wants a mapping of names to values")
            own = {}
        for name in overrides:
            if name not in own:
                self.trouble.add(scope.document, "KP301", ("vars",), f"`--var {name}` is not in the manifest's `vars`",
                                 near=nearest(name, map(str, own)), allowed=", ".join(map(str, own)),
                                 hint=f"Add `{name}:` under `vars:` first.")  # fmt: skip
        scope.vars = {**own, **overrides}

    def _includes(self, scope: Scope, file: Path, above: tuple[Path, ...]) -> None:
        written = scope.data.get("include") or {}
        if not isinstance(written, Mapping):
            self.trouble.add(scope.document, "KP102", ("include",), "`include` wants a mapping of names to manifests",
                             hint="Write include: {brand: ../brand.yaml}.")  # fmt: skip
            return
        chain = (*above, file.resolve())
        for alias, target in written.items():
            path = ("include", alias)
            if not isinstance(alias, str) or not NAME.match(alias):
                self.trouble.add(scope.document, "KP106", path, f"`{alias}` cannot be a name", key=True, allowed="[a-z][a-z0-9_]*")
            elif not isinstance(target, str):
                self.trouble.add(scope.document, "KP102", path, "an include is the path of a manifest")
            elif (scope.folder / target).resolve() in chain:
                self.trouble.add(scope.document, "KP311", path, f"`{target}` includes itself", hint="Move what both need into a third file.")
            elif not (scope.folder / target).is_file():
                self.trouble.add(scope.document, "KP303", path, f"there is no file `{target}`", hint="Paths are relative to this manifest.")
            else:
                shown = str(Path(scope.document.name).parent / target)
                scope.includes[alias] = self.scope(scope.folder / target, shown, {}, f"{scope.prefix}{alias}.", chain)

    # -- entries -------------------------------------------------------------------------------------------------

    def _entries(self, scope: Scope, plural: str, kind: str) -> None:
        written = scope.data.get(plural) or {}
        names = scope.entries.setdefault(kind, {})
        if not isinstance(written, Mapping):
            self.trouble.add(scope.document, "KP102", (plural,), f"`{plural}` wants a mapping of names")
            return
        for name, value in written.items():
            path: Path_ = (plural, name)
            if not isinstance(name, str) or not NAME.match(name):
                self.trouble.add(scope.document, "KP106", path, f"`{name}` cannot be a name", key=True,
                                 allowed="a to z, 0 to 9 and _, a letter first", hint="Names become part of addresses and files.")  # fmt: skip
            elif name in scope.includes:
                self.trouble.add(scope.document, "KP106", path, f"`{name}` is the name of an include already", key=True)
            elif isinstance(value, Mapping):
                if (recipe := self._recipe(scope, kind, name, value, path)) is not None:
                    names[name] = recipe
            else:
                self._existing(scope, kind, name, value, path)

    def _existing(self, scope: Scope, kind: str, name: str, value: Any, path: Path_) -> None:
        try:
            template = compile_text(value) if isinstance(value, str) else None
            value = template.value({"vars": scope.vars}) if template else value
            found = self.media.literal(value, kind, scope, path, self.trouble, {})
        except (NotFound, TemplateProblem) as problem:
            self.trouble.add(scope.document, problem.id, path, problem.message, address=f"{kind}.{scope.prefix}{name}",
                             near=problem.near, allowed=problem.allowed, hint=problem.hint)  # fmt: skip
            found = "https://unknown.invalid/"  # so that every reference to it is not a second problem
        if found is None:
            if value in (None, ""):
                self.trouble.add(scope.document, "KP103", path, f"`{name}` is empty", key=True,
                                 hint="Write a path, a URL, an id, or a recipe.")  # fmt: skip
            found = "https://unknown.invalid/"
        scope.entries[kind][name] = Existing(found, path)  # type: ignore[arg-type]

    def _recipe(self, scope: Scope, kind: str, name: str, written: Mapping[str, Any], path: Path_) -> Recipe | None:
        operation = self._operation(scope, kind, written, path)
        if operation is None:
            return None
        fields, origins, inherited, tool = self._layers(scope, kind, operation, written, path)
        self._known_fields(scope, kind, name, operation, {key: (*path, key) for key in written})
        cells = expand(scope.document, (*path, "matrix"), written.get("matrix"), scope.folder, self.trouble)
        recipe = Recipe(scope, kind, name, path, operation, fields, origins, inherited, tool, cells or [Cell()])
        self._takes(recipe)
        return recipe

    def _operation(self, scope: Scope, kind: str, written: Mapping[str, Any], path: Path_) -> Operation | None:
        defaults = self._defaults(scope, kind)
        api = written.get("api", defaults.get("api", DEFAULT_API[kind]))
        where = (*path, "api") if "api" in written else ("defaults", PLURALS[kind], "api")
        operation = find(api) if isinstance(api, str) else None
        fitting = [one.name for one in operations().values() if one.kind == kind]
        if operation is None or operation.kind != kind:
            made = f", it makes {operation.kind}s" if operation else ""
            self.trouble.add(scope.document, "KP105", where, f"`{api}` is no operation for {PLURALS[kind]}{made}",
                             near=nearest(str(api), fitting), allowed=", ".join(fitting))  # fmt: skip
            return None
        return operation

    def _defaults(self, scope: Scope, kind: str) -> Mapping[str, Any]:
        defaults = scope.data.get("defaults") or {}
        found = defaults.get(PLURALS[kind]) if isinstance(defaults, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _layers(self, scope: Scope, kind: str, operation: Operation, written: Mapping[str, Any],
                path: Path_) -> tuple[dict[str, Any], dict[str, Path_], frozenset[str], dict[str, Any]]:  # fmt: skip
        """Defaults, then the profile, then the recipe: the nearest wins, field by field."""
        plural = PLURALS[kind]
        layers: list[tuple[Path_, Mapping[str, Any]]] = []
        defaults = self._defaults(scope, kind)
        if find(str(defaults.get("api", DEFAULT_API[kind]))) is operation:
            layers.append((("defaults", plural), defaults))
        profile = self._profile(scope, plural)
        if profile and find(str(profile.get("api", defaults.get("api", DEFAULT_API[kind])))) is operation:
            layers.append((("profiles", self.profile, plural), profile))
        fields: dict[str, Any] = {}
        origins: dict[str, Path_] = {}
        tool: dict[str, Any] = {}
        for where, layer in [*layers, (path, written)]:
            for word, value in layer.items():
                target = tool if word in RECIPE and word not in _FIELDS_BESIDE_API else fields
                target[word] = value
                origins[word] = (*where, word)
        return fields, origins, frozenset(fields) - frozenset(written), tool

    def _profile(self, scope: Scope, plural: str) -> Mapping[str, Any]:
        profiles = scope.data.get("profiles") or {}
        chosen = profiles.get(self.profile) if isinstance(profiles, Mapping) else None
        found = (chosen or {}).get(plural) if isinstance(chosen, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _known_fields(self, scope: Scope, kind: str, name: str, operation: Operation, places: Mapping[str, Path_]) -> None:
        sugar = operation.kling.get("sugar", {})
        owned = operation.kling.get("owned", ())
        known = [field for field in (*operation.fields, *sugar, *RECIPE) if field not in owned]
        address = f"{kind}.{scope.prefix}{name}" if name else ""
        for word, path in places.items():
            if word in owned:
                self.trouble.add(scope.document, "KP107", path, f"`{word}` belongs to kling-pipe", key=True, address=address,
                                 hint="Remove it: the id follows from the content; a callback goes by `--callback-url`.")  # fmt: skip
            elif word not in known or (word == "shots" and not sugar.get("shots")):
                self.trouble.add(scope.document, "KP101", path, f"`{operation.name}` has no field `{word}`", key=True, address=address,
                                 near=nearest(str(word), known), hint="A field that kling-pipe does not know yet goes under `raw:`.")  # fmt: skip

    def _takes(self, recipe: Recipe) -> None:
        recipe.takes = self._count(recipe, "takes", _MOST_TAKES)
        recipe.pick = self._count(recipe, "pick", recipe.takes)

    def _count(self, recipe: Recipe, word: str, most: int) -> int:
        value = recipe.tool.get(word, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            self.trouble.add(recipe.scope.document, "KP106", recipe.origins[word], f"`{word}: {value}` is not possible here",
                             address=recipe.title, allowed=f"1 to {most}")  # fmt: skip
            return 1
        return value
