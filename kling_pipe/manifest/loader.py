"""Manifest file -> scope: includes read, vars overridden, entries told apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_pipe.core.invalid import Invalid
from kling_pipe.core.text import nearest, slug
from kling_pipe.manifest.entries import Entries, has_hole
from kling_pipe.manifest.keywords import KINDS, SETTINGS, TOP_LEVEL
from kling_pipe.manifest.media_values import MediaReader
from kling_pipe.manifest.problems import ProblemCollector
from kling_pipe.manifest.references import NAME, beside
from kling_pipe.manifest.scope import Scope
from kling_pipe.manifest.yaml import Opened, nothing_open, read_document

_PROJECT = re.compile(r"[a-z][a-z0-9-]{0,23}\Z")
_DEEPEST_INCLUDE = 32
_OF_SETTINGS = "This is a setting: write it into `kling-pipe.toml` beside the manifest."


@dataclass(slots=True)
class Loader:
    """Reads manifests. `overrides` and `profile` apply to the root; includes keep their own."""

    trouble: ProblemCollector
    media: MediaReader
    profile: str = ""
    opened: Opened = nothing_open

    def scope(
        self, file: Path, name: str, overrides: Mapping[str, Any], prefix: str = "", above: tuple[Path, ...] = ()
    ) -> Scope:
        """The scope of one file and all it includes. What is wrong goes to `trouble`."""
        document = read_document(file, name, self.opened)
        for problem in document.problems:
            self.trouble.put(problem)
        data = document.data if isinstance(document.data, Mapping) else {}
        scope = Scope(document, file.parent, data, prefix)
        if not document.problems and not isinstance(document.data, Mapping):
            self.trouble.add(
                document,
                "KP008",
                (),
                "a manifest is a mapping with `project:`, `images:`, `videos:` ...",
                hint="`kling-pipe init` writes a first manifest.",
            )
        if not data or not self._is_sound(scope):
            document.is_whole = False
            return scope
        self._top_level(scope)
        self._vars(scope, overrides)
        self._includes(scope, file, above)
        entries = Entries(scope, self.trouble, self.media, self.profile if not prefix else "", self.opened)
        for plural, kind in KINDS.items():
            entries.read(plural, kind)
        return scope

    def _is_sound(self, scope: Scope) -> bool:
        """Whether what was refused in the file leaves the parts whole that all jobs share."""
        shared = {word: value for word, value in scope.data.items() if word not in KINDS and word != "vars"}
        return not scope.document.problems or not has_hole(shared)

    # -- the top of the file -------------------------------------------------------------------------------------

    def _top_level(self, scope: Scope) -> None:
        document, data = scope.document, scope.data
        for word in data:
            if word not in TOP_LEVEL and not str(word).startswith("x-"):
                self.trouble.add(
                    document,
                    "KP101",
                    (word,),
                    f"a manifest has no `{word}`",
                    key=True,
                    near=nearest(str(word), TOP_LEVEL),
                    allowed=", ".join(TOP_LEVEL),
                    hint=_OF_SETTINGS if word in SETTINGS else "Keys of your own start with `x-`.",
                )
        version = data.get("version", 1)
        if version != 1 or isinstance(version, bool):
            self.trouble.add(document, "KP105", ("version",), f"version `{version}` is not known", allowed="1")
        self._project(scope)

    def _project(self, scope: Scope) -> None:
        project = scope.data.get("project")
        if project is None:
            meant = nearest("project", (str(word) for word in scope.data if word not in TOP_LEVEL))
            if not meant:  # a misspelt `project` is reported already
                self.trouble.add(
                    scope.document,
                    "KP103",
                    (),
                    "`project` is missing",
                    hint=f"Add `project: {_suggested(scope.folder)}`; every task's id has it in, so it stays as it is.",
                )
        elif not isinstance(project, str) or not _PROJECT.match(project):
            self.trouble.add(
                scope.document,
                "KP106",
                ("project",),
                f"`{project}` cannot be a project's name",
                near=_slugged(str(project)),
                allowed="a to z, 0 to 9 and -, at most 24, a letter first",
            )
        else:
            scope.project = project

    def _vars(self, scope: Scope, overrides: Mapping[str, Any]) -> None:
        own = scope.data.get("vars") or {}
        if not isinstance(own, Mapping):
            self.trouble.add(scope.document, "KP102", ("vars",), "`vars` wants a mapping of names to values")
            scope.vars = AnyTask()
            return
        for name, value in overrides.items():
            if not _is_data(value):
                self.trouble.add(
                    scope.document,
                    "KP102",
                    ("vars", name),
                    f"the value given for `{name}` is no plain data",
                    key=True,
                    allowed="texts, numbers, true, false, lists and mappings of them",
                )
            if name not in own:
                self.trouble.add(
                    scope.document,
                    "KP301",
                    ("vars",),
                    f"`{name}` is not one of the manifest's `vars`",
                    key=True,
                    near=nearest(name, map(str, own)),
                    allowed=", ".join(map(str, own)),
                    hint=f"Add `{name}:` under `vars:` first.",
                )
        scope.vars = {**own, **{name: value if _is_data(value) else Invalid() for name, value in overrides.items()}}

    # -- includes ------------------------------------------------------------------------------------------------

    def _includes(self, scope: Scope, file: Path, above: tuple[Path, ...]) -> None:
        written = scope.data.get("include") or {}
        if not isinstance(written, Mapping):
            self.trouble.add(
                scope.document,
                "KP102",
                ("include",),
                "`include` wants a mapping of names to manifests",
                hint="Write include: {brand: ../brand.yaml}.",
            )
            scope.document.is_whole = False
            return
        chain = (*above, file.resolve())
        for alias, target in written.items():
            if self._may_include(scope, alias, target, chain):
                scope.includes[alias] = self.scope(
                    scope.folder / target, beside(scope.document.name, target), {}, f"{scope.prefix}{alias}.", chain
                )
            else:
                scope.includes[str(alias)] = _unread(scope, str(alias))

    def _may_include(self, scope: Scope, alias: Any, target: Any, chain: tuple[Path, ...]) -> bool:
        fault = _include_fault(scope, alias, target, chain)
        if fault is not None:
            id, message, facts = fault
            self.trouble.add(scope.document, id, ("include", alias), message, **facts)
        return fault is None


def _include_fault(
    scope: Scope, alias: Any, target: Any, chain: tuple[Path, ...]
) -> tuple[str, str, dict[str, Any]] | None:
    """Why a file cannot be included: id, message and facts of the problem."""
    if not isinstance(alias, str) or not NAME.match(alias):
        named = {"key": True, "allowed": "a to z, 0 to 9 and _, a letter first"}
        return "KP106", f"`{alias}` cannot be a name", named
    if not isinstance(target, str) or not target.strip():
        return "KP102", "an include is the path of a manifest", {"hint": "Write brand: ../brand.yaml."}
    try:
        file = (scope.folder / target).resolve()
        if file in chain or len(chain) > _DEEPEST_INCLUDE:
            return "KP311", f"`{target}` includes itself", {"hint": "Move what both need into a third file."}
        if not file.is_file():
            facts = {"near": _neighbour(scope.folder / target), "hint": "Paths are relative to this manifest."}
            return "KP303", f"there is no file `{target}`", facts
    except (OSError, ValueError) as error:  # a name that no system takes
        return "KP303", f"cannot read `{target[:80]}`: {getattr(error, 'strerror', None) or error}", {}
    return None


class AnyTask(Mapping[str, Any]):
    """Stands for a mapping that was refused: it has every name, and each is a hole."""

    def __getitem__(self, name: str) -> Any:
        return Invalid()

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def _is_data(value: Any) -> bool:
    """Whether a value from outside could stand in a file: no objects, no half of a surrogate pair."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_data(name) and _is_data(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_is_data, value))
    if isinstance(value, str):
        return value.isascii() or value.encode("utf-8", "ignore").decode() == value
    return value is None or isinstance(value, bool | int | float)


def _unread(scope: Scope, alias: str) -> Scope:
    """A scope for an include that could not be read: references into it keep quiet."""
    from kling_pipe.manifest.yaml import Document

    return Scope(Document(scope.document.name, "", is_whole=False), scope.folder, {}, f"{scope.prefix}{alias}.")


def _suggested(folder: Path) -> str:
    return _slugged(folder.resolve().name) or "campaign"


def _slugged(text: str) -> str:
    return slug(text).encode("ascii", "ignore").decode().strip("-0123456789")[:24].strip("-")


def _neighbour(file: Path) -> str:
    try:
        return nearest(file.name, [one.name for one in file.parent.iterdir()])
    except OSError:
        return ""
