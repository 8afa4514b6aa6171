"""An editor: a real client of the protocol that starts `kling-pipe lsp` and talks to it over its streams."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path

ROOT = Path(__file__).resolve().parents[3]
HERE = "§"
"""Where the cursor stands in a text of a test."""


class Editor:
    """A client with a folder. Documents go by their names; every call waits for its answer."""

    def __init__(self, folder: Path, encodings: tuple[str, ...] = ("utf-16",), *, as_spelt: bool = False) -> None:
        self.folder = folder if as_spelt else folder.resolve()
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.texts: dict[str, str] = {}
        self._versions: dict[str, int] = {}
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.client = LanguageClient("tests", "1")

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: types.PublishDiagnosticsParams) -> None:
            self._published(params)

        self.capabilities = self._do(self._started(encodings)).capabilities

    async def _started(self, encodings: tuple[str, ...]) -> types.InitializeResult:
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environ = {**os.environ, "PYTHONPATH": paths}
        await self.client.start_io(sys.executable, "-m", "kling_pipe", "lsp", "--stdio", cwd=self.folder, env=environ)
        wanted = types.ClientCapabilities(general=types.GeneralClientCapabilities(position_encodings=list(encodings)))
        folders = [types.WorkspaceFolder(self.uri(""), "tests")]
        found = await self.client.initialize_async(
            types.InitializeParams(wanted, process_id=os.getpid(), root_uri=folders[0].uri, workspace_folders=folders)
        )
        self.client.initialized(types.InitializedParams())
        return found

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> int:
        """Leave as the protocol wants it; the server's exit code."""

        async def left() -> int:
            await self.client.shutdown_async(None)
            self.client.exit(None)
            code = await asyncio.wait_for(self.client._server.wait(), 10)
            await self.client.stop()
            return code

        code = self._do(left())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        return int(code)

    # -- documents -----------------------------------------------------------------------------------------------

    def uri(self, name: str) -> str:
        return str(from_fs_path(str(self.folder / name)))

    def type(self, name: str, text: str) -> None:
        """Open a document, or replace what it says; nothing is written to the disk."""
        uri, version = self.uri(name), self._versions.get(name, 0) + 1
        self._versions[name], self.texts[name] = version, text
        if version == 1:
            item = types.TextDocumentItem(uri, "yaml", version, text)
            self._tell(self.client.text_document_did_open, types.DidOpenTextDocumentParams(item))
        else:
            document = types.VersionedTextDocumentIdentifier(version, uri)
            change = types.TextDocumentContentChangeWholeDocument(text)
            self._tell(self.client.text_document_did_change, types.DidChangeTextDocumentParams(document, [change]))

    def leave(self, name: str) -> None:
        """Close a document without saving it."""
        document = types.TextDocumentIdentifier(self.uri(name))
        self._tell(self.client.text_document_did_close, types.DidCloseTextDocumentParams(document))
        del self._versions[name], self.texts[name]

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._tell(lambda one: self.client.protocol.notify(method, one), params)

    def _tell(self, notify: Callable[[Any], None], params: Any) -> None:
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(notify(params)))
        done.result(10)

    def _published(self, params: types.PublishDiagnosticsParams) -> None:
        with self._arrived:
            self.published[params.uri] = params
            self._arrived.notify_all()

    def problems(self, name: str) -> list[types.Diagnostic]:
        """What is wrong with the document as it was typed last."""
        uri, version = self.uri(name), self._versions.get(name)

        def is_there() -> bool:
            return uri in self.published and self.published[uri].version == version

        with self._arrived:
            assert self._arrived.wait_for(is_there, 15), "no diagnostics came"
        return list(self.published[uri].diagnostics)

    # -- questions -----------------------------------------------------------------------------------------------

    def ask(self, method: str, params: Any) -> Any:
        async def asked() -> Any:
            return await self.client.protocol.send_request_async(method, params)

        return self._do(asked())

    def ask_twice(self, method: str, params: Any) -> Any:
        """Ask, change one's mind, ask again: the second answer."""

        async def changed_mind() -> Any:
            first = self.client.protocol.send_request(method, params, msg_id="first")
            self.client.cancel_request(types.CancelParams("first"))
            second = await self.client.protocol.send_request_async(method, params)
            first.cancel()
            return second

        return self._do(changed_mind())

    def at(self, name: str, marked: str) -> dict[str, Any]:
        """Type a text that has a cursor in it; the parameters of a question about the cursor."""
        before, _, after = marked.partition(HERE)
        self.type(name, before + after)
        lines = before.split("\n")
        position = types.Position(len(lines) - 1, len(lines[-1].encode("utf-16-le")) // 2)
        return {"text_document": types.TextDocumentIdentifier(self.uri(name)), "position": position}

    def completed(self, name: str, marked: str) -> list[types.CompletionItem]:
        found = self.ask(types.TEXT_DOCUMENT_COMPLETION, types.CompletionParams(**self.at(name, marked)))
        return list(found)

    def labels(self, name: str, marked: str) -> list[str]:
        return [item.label for item in self.completed(name, marked)]

    def hover(self, name: str, marked: str) -> str:
        found = self.ask(types.TEXT_DOCUMENT_HOVER, types.HoverParams(**self.at(name, marked)))
        return found.contents.value if found else ""

    def definition(self, name: str, marked: str) -> tuple[str, int] | None:
        """The file's name and the line, from 1, that a cursor leads to."""
        found = self.ask(types.TEXT_DOCUMENT_DEFINITION, types.DefinitionParams(**self.at(name, marked)))
        return (found.uri.rpartition("/")[2], found.range.start.line + 1) if found else None

    def renamed(self, name: str, marked: str, new: str) -> dict[str, str]:
        """The texts after a rename, by the files' names; open documents and files on the disk alike."""
        found = self.ask(types.TEXT_DOCUMENT_RENAME, types.RenameParams(**self.at(name, marked), new_name=new))
        changed = {}
        for uri, edits in found.changes.items():
            file = uri.rpartition("/")[2]
            text = self.texts.get(file) or (self.folder / file).read_text(encoding="utf-8")
            changed[file] = edited(text, edits)
        return changed


def edited(text: str, edits: list[types.TextEdit]) -> str:
    """A text after edits, which count columns in UTF-16 and do not touch each other."""
    lines = [line.encode("utf-16-le") for line in text.split("\n")]
    for edit in sorted(edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True):
        start, end = edit.range.start, edit.range.end
        line = lines[start.line]
        lines[start.line] = line[: start.character * 2] + edit.new_text.encode("utf-16-le") + line[end.character * 2 :]
    return "\n".join(line.decode("utf-16-le") for line in lines)
