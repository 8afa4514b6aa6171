"""Our answers in the protocol's words, and the protocol's places in ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path

from kling_pipe.core.text import nearest
from kling_pipe.editor.lsp.documents import Documents, place
from kling_pipe.editor.lsp.positions import Lines
from kling_pipe.editor.lsp.results import Choice, Edit, Heading, HoverText, Location
from kling_pipe.model import Problem
from kling_pipe.report.problem_details import facts

SOURCE = "kling-pipe"
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warn": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
_ITEMS = {
    "field": types.CompletionItemKind.Field,
    "value": types.CompletionItemKind.EnumMember,
    "reference": types.CompletionItemKind.Reference,
    "module": types.CompletionItemKind.Module,
    "variable": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
}
_SYMBOLS = {
    "namespace": types.SymbolKind.Namespace,
    "field": types.SymbolKind.Field,
    "class": types.SymbolKind.Class,
    "object": types.SymbolKind.Object,
    "event": types.SymbolKind.Event,
    "variable": types.SymbolKind.Variable,
    "module": types.SymbolKind.Module,
}


def path_of(uri: str) -> Path | None:
    """The file behind a URI; None for what is no file."""
    found = to_fs_path(uri) if uri.startswith("file:") else None
    return place(Path(found)) if found else None


class Uris:
    """Files as the client spells them: it may have come to them through a link, and knows no other way."""

    def __init__(self) -> None:
        self._known: dict[Path, str] = {}

    def learn(self, uri: str) -> Path | None:
        """The file behind a URI; None for what is no file."""
        path = path_of(uri)
        if path is not None:
            self._known[path] = uri.rstrip("/")
        return path

    def of(self, path: Path) -> str:
        """A file's URI: as it was learnt, or below a folder that was."""
        for above in (path, *path.parents):
            if above in self._known:
                below = "".join(f"/{quote(part)}" for part in path.relative_to(above).parts)
                return self._known[above] + below
        return from_fs_path(str(path)) or path.as_uri()


def index_of(lines: Lines, position: types.Position) -> int:
    """The character at a place of the protocol."""
    return lines.index(position.line, position.character)


def range_of(lines: Lines, start: int, end: int) -> types.Range:
    """A stretch of characters as the protocol counts them."""
    (line, column), (last, behind) = lines.at(start), lines.at(end)
    return types.Range(types.Position(line, column), types.Position(last, behind))


def diagnostic(lines: Lines, problem: Problem) -> types.Diagnostic:
    """A problem, in the words that `validate` has for it. `data` holds what was probably meant."""
    start, end = lines.stretch(problem)
    head = f"{problem.address}: {problem.message}" if problem.address else problem.message
    return types.Diagnostic(
        range=range_of(lines, start, end),
        severity=_SEVERITIES[problem.level],
        code=problem.id,
        source=SOURCE,
        message="\n".join([head, *(f"{word}: {text}" for word, text in facts(problem))]),
        data={"near": problem.near} if problem.near else None,
    )


def items(lines: Lines, offset: int, choices: Iterable[Choice]) -> list[types.CompletionItem]:
    """Choices as completion items, in their order."""
    return [_item(lines, offset, number, choice) for number, choice in enumerate(choices)]


def _item(lines: Lines, offset: int, number: int, choice: Choice) -> types.CompletionItem:
    return types.CompletionItem(
        label=choice.label,
        kind=_ITEMS[choice.kind],
        detail=choice.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, choice.about) if choice.about else None,
        sort_text=f"{number:04}",
        text_edit=types.TextEdit(range_of(lines, choice.start, offset), choice.text),
    )


def hover(lines: Lines, told: HoverText) -> types.Hover:
    """Markdown over a stretch of the text."""
    content = types.MarkupContent(types.MarkupKind.Markdown, told.text)
    return types.Hover(content, range_of(lines, told.start, told.end))


def location(desk: Documents, uris: Uris, spot: Location) -> types.Location:
    """A stretch of a file."""
    return types.Location(uris.of(spot.file), range_of(desk.lines(spot.file), spot.start, spot.end))


def workspace_edit(desk: Documents, uris: Uris, edits: Iterable[Edit]) -> types.WorkspaceEdit:
    """Edits by file."""
    changes: dict[str, Sequence[types.TextEdit]] = {}
    for edit in edits:
        uri = uris.of(edit.spot.file)
        spot = range_of(desk.lines(edit.spot.file), edit.spot.start, edit.spot.end)
        changes[uri] = [*changes.get(uri, ()), types.TextEdit(spot, edit.text)]
    return types.WorkspaceEdit(changes=changes)


def symbol(lines: Lines, heading: Heading) -> types.DocumentSymbol:
    """A heading and what is below it."""
    return types.DocumentSymbol(
        name=heading.name or "?",
        kind=_SYMBOLS[heading.kind],
        range=range_of(lines, heading.start, max(heading.end, heading.name_end)),
        selection_range=range_of(lines, heading.start, heading.name_end),
        detail=heading.detail or None,
        children=[symbol(lines, one) for one in heading.below] or None,
    )


def corrections(lines: Lines, uri: str, found: Iterable[types.Diagnostic]) -> list[types.CodeAction]:
    """What was probably meant, as a click, where the marked text is indeed a misspelling of it."""
    actions = []
    for one in found:
        near = one.data.get("near", "") if isinstance(one.data, dict) else ""
        start, end = index_of(lines, one.range.start), index_of(lines, one.range.end)
        quote = lines.text[start : start + 1] if lines.text[start : start + 1] in ("'", '"') else ""
        marked = lines.text[start:end].strip(quote or None)
        if near and nearest(marked, [near]):
            edit = types.TextEdit(one.range, f"{quote}{near}{quote}")
            actions.append(
                types.CodeAction(
                    title=f"Write `{near}`",
                    kind=types.CodeActionKind.QuickFix,
                    diagnostics=[one],
                    edit=types.WorkspaceEdit(changes={uri: [edit]}),
                    is_preferred=True,
                )
            )
    return actions
