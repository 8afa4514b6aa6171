"""Go to a definition, and rename: across all files that include each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kling_pipe.editor.lsp.cursor import place_at
from kling_pipe.editor.lsp.documents import Analysis, Documents
from kling_pipe.editor.lsp.partial_yaml import rows
from kling_pipe.editor.lsp.results import Edit, Location
from kling_pipe.editor.lsp.symbols import Symbol, SymbolName, file_of, leaves, word_at, words, words_of_line
from kling_pipe.manifest.files import Files
from kling_pipe.manifest.loader import Loader
from kling_pipe.manifest.media_values import MediaReader
from kling_pipe.manifest.problems import ProblemCollector
from kling_pipe.manifest.references import NAME
from kling_pipe.manifest.scope import Scope

_RENAMED = ("element", "voice", "audio", "image", "video", "var", "include")


class CannotRename(Exception):
    """Why a name stays as it is, in one sentence."""


def symbol_word(desk: Documents, file: Path, index: int) -> SymbolName | None:
    """The name at a character of a file."""
    text = desk.text(file)
    is_yaml = leaves(text) is not None
    scope = (desk.analysis(file) if is_yaml else desk.good(file)).scopes.get(file)
    if scope is None:
        return None
    place = None if is_yaml else place_at(text, index)
    found = words_of_line(scope, text, index, place.path if place else ()) if not is_yaml else words(scope)
    return word_at(found, index)


def definition(desk: Documents, file: Path, index: int) -> Location | None:
    """Where the name, variable or include at a character is defined."""
    word = symbol_word(desk, file, index)
    if word is None:
        return _included_file(desk, file, index)
    if word.symbol.kind == "include":
        return _target(desk.good(file), word.symbol)
    return _definition(desk, word.symbol)


def _definition(desk: Documents, symbol: Symbol) -> Location | None:
    found = (Location(symbol.file, start, end) for path, start, end in _keys(desk, symbol.file) if path == symbol.path)
    return next(found, None)


def _keys(desk: Documents, file: Path) -> Iterator[tuple[tuple[str | int, ...], int, int]]:
    """The keys of a file; while it is no YAML, those of its lines, and what has not moved since it was."""
    text = desk.text(file)
    read = leaves(text)
    if read is None:
        yield from ((row.path, row.start, row.end) for row in rows(text))
        scope = desk.good(file).scopes.get(file)
        before = scope.document.text if scope is not None else ""
        read = [leaf for leaf in leaves(before) or () if text.startswith(leaf.value, leaf.start)]
    yield from ((leaf.path, leaf.start, leaf.end) for leaf in read if leaf.is_key)


def _included_file(desk: Documents, file: Path, index: int) -> Location | None:
    """The manifest whose path stands here."""
    for leaf in leaves(desk.text(file)) or ():
        if (
            not leaf.is_key
            and leaf.path[:1] == ("include",)
            and len(leaf.path) == 2
            and leaf.start <= index <= leaf.end
        ):
            return _target(desk.analysis(file), Symbol("include", file, leaf.path))
    return None


def _target(analysis: Analysis, symbol: Symbol) -> Location | None:
    scope = analysis.scopes.get(symbol.file)
    inner = scope.includes.get(symbol.name) if scope else None
    return Location(file_of(inner.document.name), 0, 0) if inner is not None and inner.data else None


# -- all places of a name ------------------------------------------------------------------------------------------


def uses(desk: Documents, symbol: Symbol) -> list[Location]:
    """Every place where a symbol's name stands, in all manifests that know it. Raises `CannotRename`."""
    found: dict[Location, None] = {}
    for scope in _scopes(desk, symbol):
        file = file_of(scope.document.name)
        if leaves(scope.document.text) is None:
            raise CannotRename(f"`{file.name}` is no YAML at the moment: mend it first")
        found |= {Location(file, word.start, word.end): None for word in words(scope) if word.symbol == symbol}
    return list(found)


def _scopes(desk: Documents, symbol: Symbol) -> Iterator[Scope]:
    """The files of every manifest that includes the symbol's file, or is it."""
    for root in dict.fromkeys([symbol.file, *desk.manifests()]):
        scopes = list(_tree(_loaded(desk, root)))
        if any(file_of(scope.document.name) == symbol.file for scope in scopes):
            yield from (scope for scope in scopes if scope.document.text)


def _loaded(desk: Documents, root: Path) -> Scope:
    """Names and includes of a manifest, without its jobs."""
    media = MediaReader(Files(), lambda _file, _limits: ())
    return Loader(ProblemCollector(), media, "", desk.opened).scope(root, str(root), {})


def _tree(scope: Scope) -> Iterator[Scope]:
    yield scope
    for inner in scope.includes.values():
        yield from _tree(inner)


def may_rename(desk: Documents, file: Path, index: int) -> SymbolName:
    """The name at a character, if it is one that can be changed. Raises `CannotRename`."""
    word = symbol_word(desk, file, index)
    if word is None:
        raise CannotRename("no name of an element, image, video, variable or include stands here")
    if word.symbol.kind not in _RENAMED:
        raise CannotRename("an axis joins jobs by its name: rename it by hand in all of them")
    if word.symbol.kind == "var" and len(word.symbol.path) > 2:
        raise CannotRename("this is a value inside of a variable, and may be looked up by other means")
    return word


def rename_edits(desk: Documents, file: Path, index: int, name: str) -> list[Edit]:
    """The edits that give the symbol at a character a new name everywhere. Raises `CannotRename`."""
    symbol = may_rename(desk, file, index).symbol
    if not (NAME.match(name) if symbol.kind != "var" else name.isidentifier()):
        raise CannotRename(f"`{name}` cannot be a name: a to z, 0 to 9 and _, a letter first")
    scope = _loaded(desk, symbol.file)
    if name != symbol.name and name in _taken(scope, symbol):
        raise CannotRename(f"there is a `{name}` already")
    return [Edit(spot, name) for spot in uses(desk, symbol)]


def _taken(scope: Scope, symbol: Symbol) -> set[str]:
    if symbol.kind == "var":
        return set(scope.vars)
    if symbol.kind == "include":
        return {*scope.includes, *(name for names in scope.entries.values() for name in names)}
    return {*scope.entries.get(symbol.kind, {}), *scope.includes}
