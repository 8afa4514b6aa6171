"""The part of Jinja that a manifest may use: expressions, `if`, `for`, and a closed list of filters.

The list is closed because a template's result is part of a job's key: what it means may never change, and what
could run for ever, read the clock or roll dice has no place in it.
"""

from __future__ import annotations

import math

from jinja2 import nodes

from kling_pipe.core.text import nearest
from kling_pipe.manifest.templates.rendered import TemplateProblem

ALLOWED_NODES: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.CondExpr,
    nodes.If,
    nodes.For,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Pos,
    nodes.Concat,
    nodes.Call,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
)
FILTERS = frozenset(
    {
        "abs", "capitalize", "d", "default", "first", "float", "int", "join", "last", "length", "list", "lower",
        "replace", "reverse", "round", "slug", "sort", "string", "title", "trim", "unique", "upper",
    }
)  # fmt: skip
TESTS = frozenset(
    {
        "defined", "undefined", "none", "string", "number", "mapping", "sequence", "in", "eq", "ne", "lt", "le", "gt",
        "ge", "odd", "even",
    }
)  # fmt: skip
METHODS = frozenset(
    {
        "output", "take", "upper", "lower", "title", "capitalize", "strip", "split", "startswith", "endswith", "items",
        "keys", "values", "get",
    }
)  # fmt: skip
_STATEMENTS = {
    "Assign": "set",
    "AssignBlock": "set",
    "Macro": "macro",
    "CallBlock": "call",
    "Include": "include",
    "Import": "import",
    "FromImport": "import",
    "Extends": "extends",
    "Block": "block",
    "With": "with",
    "FilterBlock": "filter",
    "Pow": "**",
    "ScopedEvalContextModifier": "autoescape",
}


def restrict(tree: nodes.Template) -> nodes.Template:
    """The same tree, refused if it leaves the language, with every loop counted against the work limit."""
    for node in _walk(tree):
        _refuse_foreign(node)
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None, lineno=loop.lineno)
    for joined in tree.find_all(nodes.Concat):
        joined.nodes = [
            nodes.Filter(part, "_written", [], [], None, None, lineno=joined.lineno) for part in joined.nodes
        ]
    return tree


def _walk(tree: nodes.Node) -> list[nodes.Node]:
    found, queue = [], [tree]
    while queue:
        node = queue.pop()
        found.append(node)
        queue.extend(node.iter_child_nodes())
    return found


def _refuse_foreign(node: nodes.Node) -> None:
    if not isinstance(node, ALLOWED_NODES):
        word = _STATEMENTS.get(type(node).__name__, type(node).__name__.lower())
        raise TemplateProblem(
            "KP203",
            f"`{word}` is not part of a manifest's template language",
            needle=word,
            allowed="expressions, `if`, `for`, filters",
            hint="Put the value under `vars:`.",
        )
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        raise TemplateProblem("KP202", "a number is too large", hint="Write a smaller one.")
    if isinstance(node, nodes.Getattr):
        _refuse_private(node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        _refuse_private(node.arg.value)
    if isinstance(node, nodes.Filter):
        _refuse_unknown("filter", str(node.name), FILTERS)
    if isinstance(node, nodes.Test):
        _refuse_unknown("test", node.name, TESTS)
    if isinstance(node, nodes.Call):
        _refuse_call(node)


def _refuse_private(name: str) -> None:
    if name.startswith("_"):
        raise TemplateProblem(
            "KP203",
            f"`{name}` is private to the program, not part of a manifest",
            needle=name,
            hint="Use `vars`, `matrix`, `job`, `take` and the names of elements, images and videos.",
        )


def _refuse_unknown(what: str, name: str, known: frozenset[str]) -> None:
    if name not in known:
        raise TemplateProblem(
            "KP203",
            f"there is no {what} `{name}`",
            needle=name,
            near=nearest(name, known),
            allowed=", ".join(sorted(known)),
        )


def _refuse_call(node: nodes.Call) -> None:
    target = node.node
    if isinstance(target, nodes.Name) and target.name == "range":
        return
    if isinstance(target, nodes.Getattr) and target.attr in METHODS:
        return
    name = getattr(target, "attr", getattr(target, "name", "this"))
    raise TemplateProblem(
        "KP203",
        f"`{name}(...)` cannot be called here",
        needle=str(name),
        near=nearest(str(name), METHODS),
        allowed=", ".join(sorted({*METHODS, "range"})),
    )
