"""What the server can be asked, one function for each question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from kling_pipe.catalog.api_v2 import FIRST
from kling_pipe.editor.lsp import protocol
from kling_pipe.editor.lsp.complete import complete
from kling_pipe.editor.lsp.documents import Documents, LevelsFor
from kling_pipe.editor.lsp.hover import hover
from kling_pipe.editor.lsp.language_server import Server
from kling_pipe.editor.lsp.navigate import CannotRename, definition, may_rename, rename_edits, symbol_word, uses
from kling_pipe.editor.lsp.outline import outline

T = TypeVar("T")
_REQUEST_FAILED = -32803
_OPENERS = [".", "'", '"', "{", "|", " "]
_log = logging.getLogger(__name__)


def serve(
    levels: LevelsFor,
    version: str,
    delay: float = 0.15,
    *,
    publishes: Callable[[Path], bool] = lambda _: False,
    standard: Callable[[Path], str] = lambda _: FIRST,
    accounts: Callable[[Path], Collection[str] | None] = lambda _: None,
) -> None:
    """Serve on stdin and stdout until the client leaves.

    `levels` says which problems count for a manifest, `publishes` whether its films may be local files, `standard` in
    which form its requests will go out, `accounts` which names its jobs may ask for.
    """
    server = build(levels, version, delay)
    server.desk.publishes, server.desk.standard, server.desk.accounts = publishes, standard, accounts
    server.start()


def build(levels: LevelsFor, version: str, delay: float) -> Server:
    """The server with all its features."""
    server = Server(levels, version, delay)
    _documents(server)
    _questions(server)
    _names(server)
    return server


async def _asked(server: Server, uri: str, answer: Callable[[Documents, Path], T]) -> T | None:
    """The answer about a manifest; None about any other file, and when the answer is a bug of ours."""
    path = protocol.path_of(uri)

    def guarded() -> T | None:
        if path is None or path not in server.desk.roots():
            return None
        try:
            return answer(server.desk, path)
        except CannotRename as error:
            raise JsonRpcException(str(error), _REQUEST_FAILED) from None
        except Exception:
            _log.exception("no answer about %s", path.name)
            return None

    return await server.work(guarded)


def _documents(server: Server) -> None:
    @server.feature(types.INITIALIZED)
    async def initialized(ls: Server, _: types.InitializedParams) -> None:
        await ls.begin()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        await ls.typed(document.uri, document.text, document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
        # All of the text comes with each change; the last of several counts.
        await ls.typed(params.text_document.uri, params.content_changes[-1].text, params.text_document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
        await ls.closed(params.text_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def on_disk(ls: Server, _: types.DidChangeWatchedFilesParams) -> None:
        await ls.changed()


def _questions(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=_OPENERS))
    async def completion(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem] | None:
        def answer(desk: Documents, file: Path) -> list[types.CompletionItem]:
            lines = desk.lines(file)
            offset = protocol.index_of(lines, params.position)
            return protocol.items(lines, offset, complete(desk, file, offset))

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(ls: Server, params: types.HoverParams) -> types.Hover | None:
        def answer(desk: Documents, file: Path) -> types.Hover | None:
            lines = desk.lines(file)
            told = hover(desk, file, protocol.index_of(lines, params.position))
            return protocol.hover(lines, told) if told else None

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol] | None:
        def answer(desk: Documents, file: Path) -> list[types.DocumentSymbol]:
            scope = desk.good(file).reading.scopes[0]
            return [protocol.symbol(desk.lines(file), one) for one in outline(desk.text(file), scope)]

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])
    )
    async def actions(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
        def answer(desk: Documents, file: Path) -> list[types.CodeAction]:
            return protocol.corrections(desk.lines(file), params.text_document.uri, params.context.diagnostics)

        return await _asked(ls, params.text_document.uri, answer)


def _names(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def defined(ls: Server, params: types.DefinitionParams) -> types.Location | None:
        def answer(desk: Documents, file: Path) -> types.Location | None:
            spot = definition(desk, file, protocol.index_of(desk.lines(file), params.position))
            return protocol.location(desk, ls.uris, spot) if spot else None

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def used(ls: Server, params: types.ReferenceParams) -> list[types.Location] | None:
        def answer(desk: Documents, file: Path) -> list[types.Location]:
            word = symbol_word(desk, file, protocol.index_of(desk.lines(file), params.position))
            return [protocol.location(desk, ls.uris, spot) for spot in uses(desk, word.symbol)] if word else []

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def renamable(ls: Server, params: types.PrepareRenameParams) -> types.Range | None:
        def answer(desk: Documents, file: Path) -> types.Range:
            lines = desk.lines(file)
            word = may_rename(desk, file, protocol.index_of(lines, params.position))
            return protocol.range_of(lines, word.start, word.end)

        return await _asked(ls, params.text_document.uri, answer)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def renamed(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
        def answer(desk: Documents, file: Path) -> types.WorkspaceEdit:
            index = protocol.index_of(desk.lines(file), params.position)
            return protocol.workspace_edit(desk, ls.uris, rename_edits(desk, file, index, params.new_name))

        return await _asked(ls, params.text_document.uri, answer)
