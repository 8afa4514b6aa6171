"""YAML text -> a tree of nodes with marks -> plain data, refusing what would surprise.

Refused: duplicate keys, custom tags, several documents, alias bombs, a mapping as a key (an unquoted `{{ x }}`).
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from kling_pipe.core.invalid import Invalid
from kling_pipe.manifest.yaml.scalars import plain

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml: slower, same result
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_PLAIN = "tag:kling-pipe,2026:plain"
_CORE = {
    f"tag:yaml.org,2002:{name}": name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")
} | {_PLAIN: "plain"}
_MOST_VALUES = 5_000_000
_MOST_GROWTH = 100
_SMALL = 100_000
_DEEPEST = 100
_BRACKETS = re.compile(r"[\[\]{}]")
_FAR_IN = re.compile(r"^[ ]{100}|(?:[-?:][ \t]+){50}", re.MULTILINE)


class Refused(Exception):
    """A node that is valid YAML but not accepted here: problem id, message, place, next step."""

    def __init__(self, id: str, message: str, node: yaml.Node, hint: str) -> None:
        super().__init__(message)
        self.id, self.message, self.hint = id, message, hint
        self.line, self.column = node.start_mark.line + 1, node.start_mark.column + 1


class _Loader(_Base):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - an attribute of PyYAML, shared by its design

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        # Every plain scalar gets one tag of our own: `plain()` decides later by the 1.2 rules.
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]  # PyYAML has none
        return tag


def _may_be_deep(text: str) -> bool:
    """A cheap suspicion: brackets that pile up (quoted ones count too), a long indentation, many `- - -` in a line."""
    if _FAR_IN.search(text):
        return True
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += 1 if found[0] in "[{" else -1
        if depth > _DEEPEST:
            return True
    return False


def _depth(text: str) -> int:
    """How deep collections are nested. libyaml's composer recurses in C and would take the process down with it."""
    depth = deepest = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > _DEEPEST:
                return deepest
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


@contextmanager
def _no_gc() -> Iterator[None]:
    # Collecting while millions of small nodes are born costs more than half of the load.
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def compose(text: str) -> yaml.Node | None:
    """The one document's node tree. Raises `yaml.YAMLError`, also for several; RecursionError when too deep."""
    if _may_be_deep(text) and _depth(text) > _DEEPEST:
        raise RecursionError
    with _no_gc():
        return yaml.compose(text, _Loader)


class Construction:
    """Nodes -> data. `problems` collects what was refused; data is complete apart from that."""

    def __init__(self) -> None:
        self.problems: list[Refused] = []
        self._sizes: dict[int, int] = {}
        self._values: dict[int, Any] = {}
        self._open: set[int] = set()

    def data(self, root: yaml.Node | None, *, aliased: bool = True) -> Any:
        """The document as dicts, lists and scalars; empty on an alias bomb. `aliased`: there may be an alias in it."""
        if root is None:
            return None
        with _no_gc():
            return self._value(root) if not aliased or self._is_bounded(root) else None

    def _is_bounded(self, root: yaml.Node) -> bool:
        """Whether aliases leave the document at a size that can be handled; reports it where they do not."""
        try:
            size = self._size(root)
        except Refused as problem:
            self.problems.append(problem)
            return False
        if size > _SMALL and size > _MOST_GROWTH * len(self._sizes):
            self.problems.append(self._bomb(size, root))
            return False
        return True

    def _refuse(self, id: str, message: str, node: yaml.Node, hint: str) -> None:
        self.problems.append(Refused(id, message, node, hint))

    @staticmethod
    def _bomb(size: int, node: yaml.Node) -> Refused:
        return Refused(
            "KP006",
            f"aliases blow this up to {size:,} values",
            node,
            "Repeat less: an alias of an alias of an alias multiplies.",
        )

    def _size(self, node: yaml.Node) -> int:
        """How many values the node stands for once its aliases are written out."""
        if isinstance(node, yaml.ScalarNode):
            return 1
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise Refused("KP006", "an alias contains itself", node, "Write the values out instead.")
        self._open.add(id(node))
        size = 1 + sum(self._size(child) for child in children(node))
        self._open.discard(id(node))
        if size > _MOST_VALUES:
            raise self._bomb(size, node)
        self._sizes[id(node)] = size
        return size

    def _value(self, node: yaml.Node) -> Any:
        name = _CORE.get(node.tag)
        if name is None:
            self._refuse(
                "KP005",
                f"`{node.tag.replace('tag:yaml.org,2002:', '!!')}` is a custom tag",
                node,
                "Remove the tag; a manifest is plain YAML.",
            )
            return Invalid()
        if isinstance(node, yaml.ScalarNode):
            return plain(node.value) if name == "plain" else _tagged(node, name)
        if id(node) not in self._values:
            build = self._mapping if isinstance(node, yaml.MappingNode) else self._sequence
            self._values[id(node)] = build(node)
        return self._values[id(node)]

    def _sequence(self, node: yaml.Node) -> list[Any]:
        return [self._value(item) for item in node.value]

    def _mapping(self, node: yaml.Node) -> dict[Any, Any] | Invalid:
        if len(node.value) == 1 and isinstance(node.value[0][0], yaml.MappingNode):
            self._refuse_key(node.value[0][0])
            return Invalid()
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse_key(key_node)
                continue
            if is_merge(key_node):
                merged = self._merge(value_node) | merged
                continue
            key = self._value(key_node)
            if key in own:
                first = next(one for one, _ in node.value if one.value == key_node.value)
                self._refuse(
                    "KP004",
                    f"`{key}` is written twice: it stands in line {first.start_mark.line + 1} already",
                    key_node,
                    "Keep one; the other would be lost silently.",
                )
            own[key] = self._value(value_node)
        return {**merged, **own} if merged else own

    def _merge(self, node: yaml.Node) -> dict[Any, Any]:
        """What `<<` brings in; of several, the first that has a key wins (YAML's merge rule)."""
        if isinstance(node, yaml.SequenceNode):
            result: dict[Any, Any] = {}
            for item in node.value:
                result = self._merge(item) | result
            return result
        if isinstance(node, yaml.MappingNode):
            value = self._value(node)
            return dict(value) if isinstance(value, dict) else {}
        self._refuse("KP102", "`<<` wants a mapping or a list of mappings", node, "Use `<<: *anchor`.")
        return {}

    def _refuse_key(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            self._refuse(
                "KP007", "an unquoted `{{ ... }}` is a mapping to YAML, not a template", node, 'Quote it: "{{ ... }}".'
            )
        else:
            self._refuse("KP102", "a key must be a word, not a list", node, "Write a plain word before the colon.")


def _tagged(node: yaml.ScalarNode, name: str | None) -> Any:
    if name in ("int", "float", "bool", "null"):
        return plain(node.value)
    return node.value


def is_merge(node: yaml.Node) -> bool:
    """Whether a key node is the merge key `<<`, unquoted."""
    return bool(node.value == "<<" and node.tag in (_PLAIN, "tag:yaml.org,2002:merge"))


def children(node: yaml.Node) -> Iterator[yaml.Node]:
    """The nodes right below a mapping or a sequence, keys included."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value
