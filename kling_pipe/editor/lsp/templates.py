"""What may come next in a template: kinds, names, variables, axes, cells, filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kling_pipe.editor.lsp.results import Choice
from kling_pipe.manifest.keywords import KINDS
from kling_pipe.manifest.scope import Existing, Recipe, Scope

_FILTER = re.compile(r"\|\s*(\w*)\Z")
_CHAIN = re.compile(r"(?<![\w.])([a-zA-Z_]\w*)((?:\.\w+|\[[^\[\]]*\])*)(?:\.|\[\s*['\"]?)(?P<last>[^\s'\"\[\].{}|]*)\Z")
_IN_BRACKETS = re.compile(r"\[\s*(['\"]?)[^\]'\"]*\Z")
_STEP = re.compile(r"\.(\w+)|\[\s*['\"]?([^\]'\"]*)['\"]?\s*\]")
_WORD = re.compile(r"(?<![\w.'\"])[a-zA-Z_]?\w*\Z")
_MEMBERS = ("output(1)", "take(1)")
_JOB = ("address", "kind", "name", "project")


def in_template(scope: Scope, recipe: Recipe | None, expression: str, offset: int) -> list[Choice]:
    """The choices at the end of an expression, which ends at `offset`."""
    if match := _FILTER.search(expression):
        return _filters(offset - len(match[1]))
    if match := _CHAIN.search(expression):
        steps = [one[0] or one[1] for one in _STEP.findall(match[2])]
        brackets = _IN_BRACKETS.search(expression)
        quote = "'" if brackets and not brackets[1] else ""
        start = offset - len(match["last"])
        found = _after(scope, recipe, match[1], steps, bracketed=brackets is not None)
        return [Choice(label, f"{quote}{label}{quote}", start, kind, detail) for label, kind, detail in found]
    if match := _WORD.search(expression):
        return _tops(scope, recipe, offset - len(match[0]))
    return []


def _filters(start: int) -> list[Choice]:
    from kling_pipe.manifest.templates.language import FILTERS

    return [Choice(name, name, start, "function", "filter") for name in sorted(FILTERS)]


def _tops(scope: Scope, recipe: Recipe | None, start: int) -> list[Choice]:
    tops = [(kind, "module", f"{kind}s by name") for kind in KINDS.values() if _names(scope, kind)]
    tops.append(("vars", "module", "values of this manifest"))
    if recipe is not None and recipe.cells[0].data:
        tops.append(("matrix", "module", "axes and columns of this job"))
    tops += [("job", "module", "this job"), ("take", "variable", "number of the take, from 1")]
    return [Choice(name, name, start, kind, detail) for name, kind, detail in tops]


_Found = tuple[str, str, str]


def _after(scope: Scope, recipe: Recipe | None, root: str, steps: list[str], *, bracketed: bool) -> list[_Found]:
    """Names, kinds and details of what may follow `root` and `steps`."""
    if root == "vars":
        return _keys(scope.vars, steps)
    if root == "matrix":
        return _keys(recipe.cells[0].data, steps) if recipe is not None else []
    if root == "job":
        return [(name, "field", "") for name in _JOB] if not steps else []
    return list(_named(scope, root, steps, bracketed=bracketed)) if root in KINDS.values() else []


def _keys(value: Any, steps: Iterable[str]) -> list[_Found]:
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    found = value.items() if isinstance(value, Mapping) else ()
    return [(str(name), "variable", "" if isinstance(one, Mapping) else _short(one)) for name, one in found]


def _named(scope: Scope, kind: str, steps: list[str], *, bracketed: bool) -> Iterator[_Found]:
    for step in steps:
        entry = scope.entries.get(kind, {}).get(step)
        if entry is not None:
            values = _axis_values(entry) if bracketed and isinstance(entry, Recipe) else []
            yield from ((value, "value", f"cell of {kind}.{step}") for value in values)
            yield from ((name, "function", "") for name in _MEMBERS if not bracketed)
            return
        if step not in scope.includes:
            return
        scope = scope.includes[step]
    yield from _names(scope, kind)


def _names(scope: Scope, kind: str) -> list[_Found]:
    own = [(name, "reference", entry_detail(entry)) for name, entry in scope.entries.get(kind, {}).items()]
    inner = [(alias, "module", "include") for alias, below in scope.includes.items() if _names(below, kind)]
    return own + inner


def entry_detail(entry: Any) -> str:
    """An entry in a few words."""
    if isinstance(entry, Recipe):
        cells = f", {len(entry.cells)} cells" if len(entry.cells) > 1 else ""
        return f"{entry.operation.name}{cells}"
    return "exists" if isinstance(entry, Existing) else ""


def references(scope: Scope, kinds: Iterable[str], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every name of some kinds as a value writes it (`image.brand.logo`), and a few words about it."""
    for kind in kinds:
        for name, entry in scope.entries.get(kind, {}).items():
            yield f"{kind}.{prefix}{name}", entry_detail(entry)
        for alias, inner in scope.includes.items():
            yield from references(inner, [kind], f"{prefix}{alias}.")


def _axis_values(recipe: Recipe) -> list[str]:
    return list(dict.fromkeys(value for cell in recipe.cells for value in cell.axes.values()))


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
