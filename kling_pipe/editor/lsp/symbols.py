"""Which word in a file names what: names, vars, includes and axes, where they are defined and where they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kling_pipe.editor.lsp.documents import place
from kling_pipe.manifest.keywords import KINDS as SECTIONS
from kling_pipe.manifest.keywords import MATRIX, PLURALS
from kling_pipe.manifest.references import KINDS, looks_like_reference, parse_reference
from kling_pipe.manifest.scope import Recipe, Scope
from kling_pipe.manifest.yaml.scalar_index import Scalar
from kling_pipe.manifest.yaml.scalar_index import leaves as read_leaves

Path_ = tuple[str | int, ...]
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_CHAIN = re.compile(
    rf"(?<![\w.'\"])({'|'.join((*KINDS, 'vars', 'matrix'))})((?:\s*\.\s*\w+|\[\s*(?:'[^']*'|\"[^\"]*\")\s*\])+)"
)
_STEP = re.compile(r"\.\s*(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")
_DOTTED = re.compile(r"\.([a-zA-Z_][\w-]*)")


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something with a name: `kind` is element, image, ..., var, include or axis; `path` leads to it in its file."""

    kind: str
    file: Path
    path: Path_

    @property
    def name(self) -> str:
        """The name alone."""
        return str(self.path[-1])


@dataclass(frozen=True, slots=True)
class SymbolName:
    """A place in a file where a symbol's name stands."""

    symbol: Symbol
    start: int
    end: int
    is_definition: bool = False


@lru_cache(maxsize=16)
def leaves(text: str) -> list[Scalar] | None:
    """The scalars of a text, found once for all questions about it; None when it is no YAML."""
    return read_leaves(text)


@lru_cache(maxsize=256)
def file_of(name: str) -> Path:
    """The file that messages call so."""
    return place(Path(name))


def words(scope: Scope) -> list[SymbolName]:
    """Every name in a file that means something, in the order of the text; none when the file is no YAML."""
    file, text = file_of(scope.document.name), scope.document.text
    found: list[SymbolName] = []
    for leaf in leaves(text) or ():
        if leaf.is_key:
            symbol = _defined(file, leaf.path)
            if symbol is not None:
                start = text.index(leaf.value, leaf.start) if leaf.value in text[leaf.start : leaf.end] else leaf.start
                found.append(SymbolName(symbol, start, start + len(leaf.value), is_definition=True))
        else:
            found += _used(scope, leaf)
    return found


def words_of_line(scope: Scope, text: str, index: int, path: Path_) -> list[SymbolName]:
    """The names in one line of a text that is no YAML at the moment, by a scope that was read before."""
    start, stop = text.rfind("\n", 0, index) + 1, text.find("\n", index)
    found: list[SymbolName] = []
    for chain in _CHAIN.finditer(text, start, stop if stop >= 0 else len(text)):
        found += _resolved(scope, path, chain[1], _steps(_STEP, chain[2], chain.start(2)))
    return found


def word_at(found: list[SymbolName], index: int) -> SymbolName | None:
    """The word at a character, or right before it."""
    return next((word for word in found if word.start <= index <= word.end), None)


def _defined(file: Path, path: Path_) -> Symbol | None:
    section = str(path[0]) if path else ""
    if section == "vars" and len(path) > 1:
        return Symbol("var", file, path)
    if section == "include" and len(path) == 2:
        return Symbol("include", file, path)
    if section in SECTIONS and len(path) == 2:
        return Symbol(SECTIONS[section], file, path)
    if section in SECTIONS and len(path) == 4 and path[2] == "matrix" and path[3] not in MATRIX:
        return Symbol("axis", file, path)
    return None


def _used(scope: Scope, leaf: Scalar) -> Iterator[SymbolName]:
    text = scope.document.text
    raw = text[leaf.start : leaf.end]
    if "{{" in raw or "{%" in raw:
        for tag in _TAG.finditer(raw):
            for chain in _CHAIN.finditer(raw, tag.start(), tag.end()):
                steps = _steps(_STEP, chain[2], leaf.start + chain.start(2))
                yield from _resolved(scope, leaf.path, chain[1], steps)
    elif looks_like_reference(leaf.value) and (reference := parse_reference(leaf.value)) is not None:
        at = text.find(reference.kind, leaf.start)
        dotted = text[at + len(reference.kind) : at + len(reference.title)]
        yield from _resolved(scope, leaf.path, reference.kind, _steps(_DOTTED, dotted, at + len(reference.kind)))


def _steps(pattern: re.Pattern[str], text: str, start: int) -> list[tuple[str, int, int]]:
    found = []
    for match in pattern.finditer(text):
        group = match.lastindex or 1
        found.append((match[group], start + match.start(group), start + match.end(group)))
    return found


def _resolved(scope: Scope, path: Path_, root: str, steps: list[tuple[str, int, int]]) -> Iterator[SymbolName]:
    if root == "vars":
        yield from _vars(scope, steps)
    elif root == "matrix":
        yield from _axis(scope, path, steps[0])
    else:
        yield from _names(scope, root, steps)


def _names(scope: Scope, kind: str, steps: list[tuple[str, int, int]]) -> Iterator[SymbolName]:
    for name, start, end in steps:
        file = file_of(scope.document.name)
        if name in scope.entries.get(kind, {}):
            yield SymbolName(Symbol(kind, file, (PLURALS[kind], name)), start, end)
            return
        if name not in scope.includes:
            return
        yield SymbolName(Symbol("include", file, ("include", name)), start, end)
        scope = scope.includes[name]


def _vars(scope: Scope, steps: list[tuple[str, int, int]]) -> Iterator[SymbolName]:
    value: Any = scope.vars
    path: Path_ = ("vars",)
    for name, start, end in steps:
        if not isinstance(value, Mapping) or name not in value:
            return
        path, value = (*path, name), value[name]
        yield SymbolName(Symbol("var", file_of(scope.document.name), path), start, end)


def _axis(scope: Scope, path: Path_, step: tuple[str, int, int]) -> Iterator[SymbolName]:
    name, start, end = step
    spec = _written(scope.data, (*path[:2], "matrix"))
    if isinstance(spec, Mapping) and path and path[0] in SECTIONS:
        axis = name if name in spec and name not in MATRIX else "from" if "from" in spec else ""
        if axis:
            yield SymbolName(Symbol("axis", file_of(scope.document.name), (*path[:2], "matrix", axis)), start, end)


def _written(data: Any, path: Path_) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def recipe_of(scope: Scope, path: Path_) -> Recipe | None:
    """The recipe that a path of a file is in."""
    if len(path) < 2 or path[0] not in SECTIONS:
        return None
    entry = scope.entries.get(SECTIONS[str(path[0])], {}).get(str(path[1]))
    return entry if isinstance(entry, Recipe) else None
