"""A YAML file as data that still knows where every value stands.

Positions are found on demand: the node tree costs more memory than the data, so it is composed again when a
problem needs a place, and most runs have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kling_pipe.core.redact import shown
from kling_pipe.manifest.yaml.nodes import Construction, Refused, compose, is_merge
from kling_pipe.manifest.yaml.suggestions import way_on
from kling_pipe.model import Position, Problem

Path_ = tuple[str | int, ...]
Opened = Callable[[Path], str | None]
"""The text of a file that is open in an editor and perhaps not saved; None for what is to be read from disk."""
_NEVER_CLOSED = ("flow sequence", "flow mapping", "quoted scalar")
_MOST_BYTES = 64 * 1024 * 1024
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # what ends a line for libyaml, whose marks we show


@dataclass(slots=True)
class Document:
    """One YAML text. `name` is how messages call the file; `data` is None when it could not be read.

    `is_whole` is taken away by a reader that could not use all of it: then a missing name may be the echo of that.
    """

    name: str
    text: str
    data: Any = None
    problems: list[Problem] = field(default_factory=list)
    names: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    is_whole: bool = True
    _root: yaml.Node | None = None
    _lines: list[str] | None = None

    def line(self, number: int) -> str:
        """The source line with this number (from 1), without its end."""
        if self._lines is None:
            self._lines = _LINE_END.split(self.text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def name_position(self, path: Path_) -> Position:
        """Where the key of a second-level entry (`("videos", "teaser")`) stands; kept from the first reading."""
        line, column = self.names.get(path, (0, 0))
        return Position(self.name, line, column) if line else self.locate(path, key=True)

    def locate(self, path: Path_, *, key: bool = False) -> Position:
        """Where the value at `path` starts, or its key; the nearest enclosing place when it is not written."""
        node = self._find(path, key)
        return Position(self.name, node.start_mark.line + 1, node.start_mark.column + 1) if node else self._start()

    def locate_text(self, path: Path_, needle: str) -> tuple[Position, int]:
        """Where `needle` stands inside the scalar at `path`, folded or not, and its width; else the scalar's place.

        A place inside a template tag is preferred: the same word may stand in the text before it.
        """
        node = self._find(path, False)
        if isinstance(node, yaml.ScalarNode) and needle.strip():
            start, text = node.start_mark.index, self.text[node.start_mark.index : node.end_mark.index]
            # Folding turns a line break and its indentation into one space, so any white space matches any.
            words = re.compile(_edged(r"\s+".join(re.escape(part) for part in needle.split())))
            tags = [found for tag in _TAG.finditer(text) if (found := words.search(text, tag.start(), tag.end()))]
            if match := (tags[0] if tags else words.search(text)):
                return self._at(start + match.start()), len(match[0].split("\n")[0])
        return self.locate(path), self._width(path, False)

    def problem(self, id: str, path: Path_, message: str, *, key: bool = False, **facts: Any) -> Problem:
        """A problem at the value (or key) at `path`, with its source line."""
        position = facts.pop("position", None) or self.locate(path, key=key)
        width = facts.pop("width", 0) or self._width(path, key)
        level = facts.pop("level", "error")
        line = shown(self.line(position.line), position.column)
        return Problem(id, level, message, position, excerpt=line, width=width, **facts)

    def _start(self) -> Position:
        return Position(self.name, 1, 1)

    def _at(self, index: int) -> Position:
        line, start = 1, 0
        for end in _LINE_END.finditer(self.text, 0, index):
            line, start = line + 1, end.end()
        return Position(self.name, line, index - start + 1)

    def _width(self, path: Path_, key: bool) -> int:
        node = self._find(path, key)
        if node is None or not isinstance(node, yaml.ScalarNode) or node.start_mark.line != node.end_mark.line:
            return 1
        return max(1, node.end_mark.column - node.start_mark.column)

    def _find(self, path: Path_, key: bool) -> yaml.Node | None:
        if self._root is None:
            try:
                self._root = compose(self.text)
            except (yaml.YAMLError, RecursionError):
                return None
        node = self._root
        for depth, part in enumerate(path):
            pair = _child(node, part) if node is not None else None
            if pair is None:
                return node
            node = pair[0] if key and depth == len(path) - 1 else pair[1]
        return node


def _edged(pattern: str) -> str:
    """The pattern where it is a word of its own, if it begins and ends as a word does."""
    before = r"(?<!\w)" if re.match(r"\w", pattern) else ""
    return f"{before}{pattern}" + (r"(?!\w)" if re.search(r"\w\Z", pattern) else "")


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return (node.value[part], node.value[part]) if 0 <= part < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    merges = []
    for key_node, value_node in node.value:
        if is_merge(key_node):
            merges.append(value_node)
        elif key_node.value == str(part):
            return key_node, value_node
    for merged in merges:
        for source in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
            if (found := _child(source, part)) is not None:
                return found
    return None


def nothing_open(_path: Path) -> str | None:
    """Every file is read from disk."""
    return None


def read_document(path: Path, name: str, opened: Opened = nothing_open) -> Document:
    """Read and parse one YAML file. What is wrong with it comes back in `problems`, never as an exception."""
    if (open_text := opened(path)) is not None:
        return parse(open_text, name)
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= _MOST_BYTES else b""
    except OSError as error:
        near, hint = way_on(path, name)
        return _unreadable(name, f"cannot read `{name}`: {error.strerror or error}", hint, near=near)
    if size > _MOST_BYTES:
        return _unreadable(name, f"`{name}` has {size:,} bytes of {_MOST_BYTES:,} allowed", "Split it with `include:`.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return _unreadable(name, f"`{name}` is UTF-16", "Save the file as UTF-8.")
        line = raw.count(b"\n", 0, error.start) + 1
        return _unreadable(name, f"byte {error.start} (line {line}) is not UTF-8", "Save the file as UTF-8.", line)
    return parse(text, name)


def _unreadable(name: str, message: str, hint: str, line: int = 1, near: str = "") -> Document:
    document = Document(name, "")
    document.problems.append(Problem("KP009", "error", message, Position(name, line, 1), hint=hint, near=near))
    return document


def parse(text: str, name: str) -> Document:
    """Parse one YAML text; problems are collected in the document."""
    document = Document(name, text)
    if marker := re.search(r"^(<{7} |={7}$|>{7} )", text, re.MULTILINE):
        document.problems.append(
            _refused(
                document,
                "KP003",
                "a merge-conflict marker stands here",
                marker.start(),
                "Resolve the conflict and remove the marker lines.",
            )
        )
        return document
    construction = Construction()
    try:
        root = compose(text)
        document.data = construction.data(root, aliased="*" in text)
        document.names = _names(root)
    except RecursionError:
        document.problems.append(
            _refused(document, "KP001", "nested too deeply", 0, "A manifest is a few levels deep.")
        )
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax(document, error))
    except yaml.YAMLError as error:
        index = getattr(error, "position", 0) or 0
        document.problems.append(
            _refused(
                document, "KP001", f"not YAML: {_reason(error)}", min(index, len(text)), "Remove the control character."
            )
        )
    document.problems += [_placed(document, refused) for refused in construction.problems]
    return document


def _names(root: yaml.Node | None) -> dict[Path_, tuple[int, int]]:
    """Marks of the keys two levels down: what every job wants to know, and cheap to keep."""
    found: dict[Path_, tuple[int, int]] = {}
    for outer, section in root.value if isinstance(root, yaml.MappingNode) else ():
        for inner, _ in section.value if isinstance(section, yaml.MappingNode) else ():
            if isinstance(outer, yaml.ScalarNode) and isinstance(inner, yaml.ScalarNode):
                found[outer.value, inner.value] = (inner.start_mark.line + 1, inner.start_mark.column + 1)
    return found


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "reason", "") or str(error).splitlines()[0])


def _refused(document: Document, id: str, message: str, index: int, hint: str) -> Problem:
    position = document._at(index)
    return Problem(id, "error", message, position, excerpt=document.line(position.line), hint=hint)


def _placed(document: Document, refused: Refused) -> Problem:
    position = Position(document.name, refused.line, refused.column)
    return Problem(
        refused.id, "error", refused.message, position, excerpt=document.line(refused.line), hint=refused.hint
    )


def _syntax(document: Document, error: yaml.MarkedYAMLError) -> Problem:
    """A YAML syntax error in words that a writer of campaigns can act on."""
    mark = error.problem_mark or error.context_mark
    if error.context_mark and error.context and error.context.endswith(_NEVER_CLOSED):
        mark = error.context_mark  # where it is opened: the parser only notices at the end of the file
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    excerpt = document.line(line)
    id, message, hint = _diagnosis(error, excerpt)
    if id == "KP002":
        column = excerpt.find("\t") + 1
    elif id == "KP007":
        column = _without_quoted(excerpt).find("{{") + 1
    return Problem(id, "error", message, Position(document.name, line, column), excerpt=excerpt, hint=hint)


def _diagnosis(error: yaml.MarkedYAMLError, excerpt: str) -> tuple[str, str, str]:
    said = (error.problem or "not YAML").strip()
    if "\t" in excerpt[: len(excerpt) - len(excerpt.lstrip())] or ("\\t" in said and "\t" in excerpt):
        return "KP002", "a tab stands where YAML wants spaces", "Replace the tab by spaces."
    if "expected a single document" in str(error) or (excerpt.startswith("---") and "document" in str(error)):
        return "KP010", "a second document starts here", "One file holds one manifest: remove the `---`."
    if _unquoted_template(excerpt):
        return "KP007", "an unquoted `{{ ... }}` is not a template to YAML", 'Quote it: "{{ ... }}".'
    if "undefined alias" in said:
        return "KP001", f"{said}: no anchor of that name stands above", "Define it before with `&name`."
    if said.startswith("mapping values are not allowed"):
        return (
            "KP001",
            "a colon stands where no key can be (an unquoted text with `: ` in it?)",
            "Quote the text, or write it as a block with `>-`.",
        )
    return _in_plain_words(said, error.context or "")


def _in_plain_words(said: str, context: str) -> tuple[str, str, str]:
    if context.endswith(_NEVER_CLOSED):
        what = "quote" if context.endswith("scalar") else "bracket"
        return "KP001", f"this {what} is never closed", f"Close the {what}; the lines below it were read as its inside."
    if said == "did not find expected key" and context.endswith("block mapping"):
        return (
            "KP001",
            "this line fits in with nothing above it: it starts at another column, or a `:` is missing",
            "Line it up with the keys that it belongs to.",
        )
    context = f" {context}" if context else ""
    return "KP001", f"not YAML: {said}{context}", "Look at the indentation, quotes and brackets at and above this line."


_QUOTED = re.compile(r"""\"(?:[^"\\]|\\.)*\"|(?<=[\s:,\[{])'[^']*'""")
_TEMPLATE_TO_YAML = re.compile(r"[:-]\s+(?:\{\{|[{\[].*\{\{)")
"""Where YAML reads braces as its own: at the start of a value, and anywhere within brackets."""


def _without_quoted(line: str) -> str:
    return _QUOTED.sub(lambda found: "." * len(found[0]), line)


def _unquoted_template(line: str) -> bool:
    return bool(_TEMPLATE_TO_YAML.search(_without_quoted(line)))
