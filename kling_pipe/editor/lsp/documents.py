"""The files that are open and what the compiler makes of them. Each manifest is read again only when it has to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from kling_pipe import api
from kling_pipe.catalog.api_v2 import FIRST
from kling_pipe.editor.lsp.partial_yaml import rows
from kling_pipe.editor.lsp.positions import Lines, lines_of
from kling_pipe.errors import KlingPipeError
from kling_pipe.manifest import Reading
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.keywords import KINDS, TOP_LEVEL
from kling_pipe.manifest.scope import Scope
from kling_pipe.model import FileRef, Position, Problem
from kling_pipe.report.severity import Levels

LevelsFor = Callable[[Path], Levels]
_NAMES = ("kling-pipe.yaml", "kling-pipe.yml")
_MODELINE = "manifest.schema.json"
SUFFIXES = (".yaml", ".yml")
_FOREIGN = ("node_modules", "__pycache__", "venv")
_MOST_FILES = 2000
_LARGE = 50_000


def place(path: Path) -> Path:
    """One spelling for each file, however it was reached."""
    return Path(os.path.realpath(path))


@lru_cache(maxsize=256)
def looks_like_manifest(name: str, text: str) -> bool:
    """Whether a YAML file is one of ours: by its name, its schema line, or the words at its top."""
    if name in _NAMES or _MODELINE in text[:500]:
        return True
    words = {str(row.path[0]) for row in rows(text) if len(row.path) == 1}
    kinds = words & KINDS.keys()
    ours = words & {*TOP_LEVEL}
    return len(kinds) > 1 or ("project" in words and (len(ours) > 1 or ours == words))


@dataclass(frozen=True)
class Analysis:
    """One manifest as the compiler read it last. `scopes` are its files."""

    root: Path
    reading: Reading

    @cached_property
    def scopes(self) -> Mapping[Path, Scope]:
        """The scope of each file; the first, where one is included twice."""
        found: dict[Path, Scope] = {}
        for scope in self.reading.scopes:
            found.setdefault(place(Path(scope.document.name)), scope)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether the root was read to its end."""
        document = self.reading.scopes[0].document
        return bool(document.data) and document.is_whole

    def problems(self) -> Iterator[tuple[Path, Problem]]:
        """Every problem with its file; what has no place stands at the top of the root."""
        for problem in self.reading.problems:
            at = problem.position or Position(str(self.root), 1, 1)
            yield place(Path(at.file)), problem


class PictureCache(Files):
    """Local files that were hashed before, as long as size and time are the same."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[Path, tuple[tuple[int, int], FileRef]] = {}

    def ref(self, path: Path) -> FileRef:
        """The file as a value. Raises OSError; ValueError for a path that no system knows."""
        found = path.stat()
        mark = (found.st_mtime_ns, found.st_size)
        if path not in self._seen or self._seen[path][0] != mark:
            self._seen[path] = mark, Files().ref(path)
        return self._seen[path][1]


@dataclass
class Documents:
    """What is open, by file, and the analyses of it. Plain and synchronous: one caller at a time.

    `levels` says which problems count for a manifest, `publishes` whether its films may be local files, `standard` in
    which form its requests will go out, `accounts` which names its jobs may ask for; `folders` are where other
    manifests may lie.
    """

    levels: LevelsFor = lambda _: Levels()
    publishes: Callable[[Path], bool] = lambda _: False
    standard: Callable[[Path], str] = lambda _: FIRST
    accounts: Callable[[Path], Collection[str] | None] = lambda _: None
    folders: tuple[Path, ...] = ()
    encoding: str = "utf-16"
    texts: dict[Path, str] = field(default_factory=dict)
    _latest: dict[Path, Analysis] = field(default_factory=dict)
    _good: dict[Path, Analysis] = field(default_factory=dict)
    _stale: set[Path] = field(default_factory=set)
    _files: PictureCache = field(default_factory=PictureCache)

    # -- what is open --------------------------------------------------------------------------------------------

    def put(self, path: Path, text: str) -> None:
        """A file was opened, or its text was changed."""
        if self.texts.get(path) != text:
            self.texts[path] = text
            self.outdate(path)

    def drop(self, path: Path) -> None:
        """A file was closed: what is on the disk counts again."""
        self.texts.pop(path, None)
        self._latest.pop(path, None)
        self._good.pop(path, None)
        self.outdate(path)

    def outdate(self, path: Path | None = None) -> None:
        """A file is not what it was. Without a path: any file may have changed."""
        for root, analysis in self._latest.items():
            # Tables and pictures are not in the list of scopes, nor is an include that could not be read.
            if path is None or path.suffix not in SUFFIXES or path in analysis.scopes or not analysis.is_whole:
                self._stale.add(root)

    def text(self, path: Path) -> str:
        """A file's text as its reader sees it; empty when there is none."""
        if path in self.texts:
            return self.texts[path]
        try:
            return path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return ""

    def lines(self, path: Path) -> Lines:
        """A file's text as lines and columns."""
        return lines_of(self.text(path), self.encoding)

    def opened(self, path: Path) -> str | None:
        """The text of an open file, for the compiler."""
        return self.texts.get(place(path))

    def roots(self) -> list[Path]:
        """The open manifests, each on its own; an included one is a manifest too."""
        included = {file for one in self._latest.values() for file in one.scopes}
        return [
            path
            for path, text in self.texts.items()
            if path.suffix in SUFFIXES and (path in included or looks_like_manifest(path.name, text))
        ]

    # -- what the compiler says ----------------------------------------------------------------------------------

    def analysis(self, path: Path) -> Analysis:
        """A manifest as it reads now."""
        if path not in self._latest or path in self._stale:
            self._latest[path] = self._read(path)
            self._stale.discard(path)
            if self._latest[path].is_whole or path not in self._good:
                self._good[path] = self._latest[path]
        return self._latest[path]

    def good(self, path: Path) -> Analysis:
        """The last analysis of a manifest that could be read to its end; the latest one when none could.

        Of a large one it may be that of a moment ago: nobody who types waits for a thousand jobs.
        """
        if path not in self._good or len(self.text(path)) < _LARGE:
            self.analysis(path)
        return self._good[path]

    def _read(self, path: Path) -> Analysis:
        read = api.read(
            path,
            opened=self.opened,
            levels=self._levels(path),
            files=self._files,
            publishes=self._publishes(path),
            standard=self._standard(path),
            accounts=self._accounts(path),
        )
        return Analysis(path, read)

    def _standard(self, path: Path) -> str:
        try:
            return self.standard(path)
        except KlingPipeError:  # as with the levels
            return FIRST

    def _accounts(self, path: Path) -> Collection[str] | None:
        try:
            return self.accounts(path)
        except KlingPipeError:  # as with the levels
            return None

    def _publishes(self, path: Path) -> bool:
        try:
            return self.publishes(path)
        except KlingPipeError:  # as with the levels
            return False

    def _levels(self, path: Path) -> Levels:
        try:
            return self.levels(path)
        except KlingPipeError:  # the settings file is wrong: `validate` says so, an editor goes on
            return Levels()

    def problems(self) -> dict[Path, list[Problem]]:
        """All problems of the open manifests by file, each once; a file without problems has an empty list."""
        found: dict[Path, dict[Any, Problem]] = {root: {} for root in self.roots()}
        for root in list(found):
            analysis = self.analysis(root)
            for file in analysis.scopes:
                found.setdefault(file, {})
            for file, problem in analysis.problems():
                at = problem.position
                mark = (problem.id, at and (at.line, at.column), problem.message)
                found.setdefault(file, {}).setdefault(mark, problem)
        return {file: list(problems.values()) for file, problems in found.items()}

    # -- other manifests -----------------------------------------------------------------------------------------

    def manifests(self) -> list[Path]:
        """The open manifests and those that lie in the folders of the workspace."""
        found = dict.fromkeys(self.roots())
        for path in self._lying():
            if path not in found and looks_like_manifest(path.name, self.text(path)):
                found[path] = None
        return list(found)

    def _lying(self) -> Iterator[Path]:
        count = 0
        for top in self.folders:
            for folder, folders, names in os.walk(top):
                folders[:] = sorted(name for name in folders if name not in _FOREIGN and not name.startswith("."))
                for name in sorted(names):
                    if name.endswith(SUFFIXES) and count < _MOST_FILES:
                        count += 1
                        yield place(Path(folder, name))
