"""What a source file imports, calls and says, read from its syntax tree. `tests/test_house.py` judges it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """A module that is imported, by its full name. `at_start`: when the importer loads, not when a function runs."""

    name: str
    at_start: bool


@dataclass(frozen=True)
class Source:
    """A Python file. `name` is its dotted module name, `text` what it holds."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """Its part of the house: `manifest` for kling_pipe.manifest.matrix, `top` for kling_pipe itself."""
        return [*self.name.split("."), "top"][1]

    def imports(self) -> Iterator[Import]:
        """Every import but a type checker's. `from a import b` counts as `a.b`; relative ones are resolved."""
        yield from _imports(self.tree, self, at_start=True)

    def calls(self) -> Iterator[ast.Call]:
        """Every call."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def line(self, node: ast.expr | ast.stmt) -> str:
        """A place for a message: `kling_pipe.storage.lockfile.file:12: code`."""
        return f"{self.name}:{node.lineno}: {ast.unparse(node)[:80]}"


def sources(top: Path) -> list[Source]:
    """Every Python file of a package."""
    return [_source(path, top) for path in sorted(top.rglob("*.py"))]


def _source(path: Path, top: Path) -> Source:
    parts = path.relative_to(top.parent).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Source(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"), is_package)


def _imports(node: ast.AST, source: Source, *, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_start) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            origin = _origin(child, source)
            yield from (Import(f"{origin}.{alias.name}", at_start) for alias in child.names)
        else:
            lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, source, at_start=at_start and not lazy)


def _origin(statement: ast.ImportFrom, source: Source) -> str:
    if not statement.level:
        return statement.module or ""
    parts = source.name.split(".")
    kept = len(parts) - statement.level + (1 if source.is_package else 0)
    return ".".join([*parts[:kept], *([statement.module] if statement.module else [])])


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Some circle in a graph as the names along it, the first again at the end; empty when there is none."""
    done: set[str] = set()
    for start in sorted(edges):
        path: list[str] = []
        if found := _walk(start, edges, path, done):
            return found
    return []


def _walk(name: str, edges: dict[str, set[str]], path: list[str], done: set[str]) -> list[str]:
    if name in path:
        return [*path[path.index(name) :], name]
    if name in done:
        return []
    path.append(name)
    for target in sorted(edges.get(name, ())):
        if found := _walk(target, edges, path, done):
            return found
    path.pop()
    done.add(name)
    return []


def effect(call: ast.Call) -> bool:
    """Whether a call changes what is on a disk: by a write mode, or by a name of `os`, `shutil`, `Path` or SQLite.

    What is called `part` may be written and removed: nobody looks at it before `effects.replace` gives it its name.
    """
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
    if name in _ON_A_PART and "part" in (owner, *map(ast.unparse, call.args[-1:])):
        return False
    if owner == "os":
        return name in _OS
    if owner == "shutil":
        return name in _SHUTIL
    if name in {"open", "fdopen", "NamedTemporaryFile"}:
        return any(_is_write_mode(value) for value in [*call.args, *(word.value for word in call.keywords)])
    if name == "replace":  # a string's takes two arguments, a path's one, and a dataclass's has a name in front
        return len(call.args) == 1 and not call.keywords
    return name in _METHODS and "effects" not in owner


_ON_A_PART = {"open", "write_text", "write_bytes", "unlink", "copyfile", "copyfileobj"}
_OS = {"replace", "rename", "link", "symlink", "fsync", "remove", "unlink", "truncate", "removedirs", "renames"}
_SHUTIL = {"copy", "copy2", "copyfile", "copytree", "move", "rmtree"}
_METHODS = {"write_text", "write_bytes", "rename", "unlink", "touch", "hardlink_to", "symlink_to", "rmdir", "commit"}


def _is_write_mode(value: ast.expr) -> bool:
    mode = value.value if isinstance(value, ast.Constant) else None
    return isinstance(mode, str) and len(mode) <= 3 and set(mode) <= set("rwaxbt+") and bool(set(mode) & set("wax+"))
