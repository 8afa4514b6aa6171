"""What a hover shows: a problem's reason, a name's job, a prompt as Kling will read it, a field's meaning. Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kling_pipe.editor.lsp.documents import Analysis, Documents
from kling_pipe.editor.lsp.job_markdown import prompt_text, summary, what
from kling_pipe.editor.lsp.navigate import symbol_word
from kling_pipe.editor.lsp.results import HoverText
from kling_pipe.editor.lsp.schema_lookup import about, fields_at
from kling_pipe.editor.lsp.symbols import Symbol, SymbolName, leaves
from kling_pipe.manifest.keywords import KINDS
from kling_pipe.manifest.scope import Existing, Recipe
from kling_pipe.manifest.yaml.scalar_index import Scalar
from kling_pipe.model import Problem
from kling_pipe.report.explanations import explain_text

_LINE = "\n\n---\n\n"


def hover(desk: Documents, file: Path, index: int) -> HoverText | None:
    """What is known of the place at a character; None when there is nothing to say."""
    text = desk.text(file)
    analysis = desk.analysis(file) if leaves(text) is not None else desk.good(file)
    leaf = next((one for one in leaves(text) or () if one.start <= index <= one.end), None)
    word = symbol_word(desk, file, index)
    parts = [*_problems(desk, file, index)]
    if word is not None:
        parts.append(_symbol(analysis, word))
    if leaf is not None:
        parts += _leaf(analysis, file, leaf, named=word is not None and word.is_definition)
    shown = _LINE.join(dict.fromkeys(filter(None, parts)))
    if not shown:
        return None
    at = word or leaf
    return HoverText(shown, at.start if at else index, at.end if at else index)


# -- problems ------------------------------------------------------------------------------------------------------


def _problems(desk: Documents, file: Path, index: int) -> Iterator[str]:
    """Why the problems here are problems: the rule's words and its source."""
    lines = desk.lines(file)
    for problem in desk.problems().get(file, ()):
        start, end = lines.stretch(problem)
        if start <= index <= end:
            yield explained(problem)


def explained(problem: Problem) -> str:
    """The long form of a problem's id, and where its rule is from."""
    try:
        head, _, text = explain_text(problem.rule or problem.id).partition("\n\n")
    except KeyError:
        head, text = problem.id, ""
    about = text.partition("\n\n")[0].replace("\n", " ")
    source = f"Source: {problem.source}" if problem.source else ""
    more = f"`kling-pipe explain {problem.rule or problem.id}` says more."
    return "\n\n".join(filter(None, [f"**{head}**", about, source, more]))


# -- names and fields ----------------------------------------------------------------------------------------------


def _symbol(analysis: Analysis, word: SymbolName) -> str:
    symbol = word.symbol
    scope = analysis.scopes.get(symbol.file)
    if scope is None:
        return ""
    if symbol.kind == "var":
        return _variable(scope.vars, symbol)
    if symbol.kind == "include":
        inner = scope.includes.get(symbol.name)
        return f"**{symbol.name}** is `{scope.data['include'].get(symbol.name)}`" if inner is not None else ""
    if symbol.kind == "axis":
        recipe = scope.entries.get(KINDS[str(symbol.path[0])], {}).get(str(symbol.path[1]))
        return _axis(recipe, symbol) if isinstance(recipe, Recipe) else ""
    entry = scope.entries.get(symbol.kind, {}).get(symbol.name)
    if isinstance(entry, Existing):
        return f"**{symbol.kind}.{symbol.name}** exists: {what(entry.value)}"
    return summary(analysis.reading, entry) if isinstance(entry, Recipe) else ""


def _variable(value: object, symbol: Symbol) -> str:
    for part in symbol.path[1:]:
        value = value.get(part) if isinstance(value, dict) else None
    return f"**vars.{'.'.join(map(str, symbol.path[1:]))}**\n\n{_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"- `{name}`: {one}" for name, one in value.items())
    return str(value)


def _axis(recipe: Recipe, symbol: Symbol) -> str:
    values = dict.fromkeys(cell.axes.get(symbol.name, "") for cell in recipe.cells)
    listed = ", ".join(f"`{value}`" for value in list(values)[:12] if value)
    return f"**matrix.{symbol.name}** of {recipe.title}: {listed}" if listed else ""


def _leaf(analysis: Analysis, file: Path, leaf: Scalar, *, named: bool) -> Iterable[str]:
    """A prompt's compiled text; at a key, what the field means and what the job costs."""
    scope = analysis.scopes.get(file)
    if scope is None:
        return
    if compiled := prompt_text(analysis.reading, scope, leaf.path):
        yield compiled
    if leaf.is_key and not named:
        schema = fields_at(scope.data, leaf.path[:-1]).get(str(leaf.path[-1]))
        if schema is not None:
            yield f"**{leaf.path[-1]}**\n\n{about(schema)}"
