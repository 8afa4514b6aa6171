"""The server: documents in, diagnostics out.

All work on manifests is done by one thread, in the order in which it arrives: a question sees the text before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from kling_pipe.editor.lsp.documents import Documents, LevelsFor
from kling_pipe.editor.lsp.protocol import Uris, diagnostic, path_of

P = ParamSpec("P")
T = TypeVar("T")
_WATCHED = "**/*.{yaml,yml,csv,json,png,jpg,jpeg,lock,toml}"
_WATCHES = "kling-pipe-files"
_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """A language server with one desk. `delay` is how many seconds of quiet come before a file is checked."""

    def __init__(self, levels: LevelsFor, version: str, delay: float) -> None:
        super().__init__("kling-pipe", version, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.desk = Documents(levels)
        self.uris = Uris()
        self._delay = delay
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="desk")
        self._waiting: asyncio.Task[None] | None = None
        self._told: set[Path] = set()
        self._versions: dict[Path, int] = {}

    def start(self) -> None:
        """Serve on stdin and stdout until the client leaves."""
        try:
            self.start_io()
        finally:
            self._worker.shutdown(cancel_futures=True)

    async def work(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something with the desk, after all that was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: call(*args, **kwargs))

    # -- documents -----------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """The client is there: where its files are, how it counts columns, and which files it should watch."""
        encoding = self.workspace.position_encoding
        self.desk.encoding = str(getattr(encoding, "value", encoding) or "utf-16")
        found = (self.uris.learn(folder.uri) for folder in self.workspace.folders.values())
        self.desk.folders = tuple(folder for folder in found if folder is not None)
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching is not None and watching.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            wanted = types.RegistrationParams([types.Registration(_WATCHES, method, options)])
            await self.client_register_capability_async(wanted)

    async def typed(self, uri: str, text: str, version: int) -> None:
        """A document has a new text."""
        path = self.uris.learn(uri)
        if path is not None:
            await self.work(self._put, path, text, version)
            self.check_soon()

    async def closed(self, uri: str) -> None:
        """A document is closed: its file counts again."""
        path = path_of(uri)
        if path is not None:
            await self.work(self._drop, path)
            self.check_soon()

    def _put(self, path: Path, text: str, version: int) -> None:
        self._versions[path] = version
        self.desk.put(path, text)

    def _drop(self, path: Path) -> None:
        self._versions.pop(path, None)
        self.desk.drop(path)

    async def changed(self) -> None:
        """Something on the disk is not what it was."""
        await self.work(self.desk.outdate)
        self.check_soon()

    def check_soon(self) -> None:
        """Check everything that is open once it has been quiet for a moment."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = asyncio.create_task(self._checked())

    async def _checked(self) -> None:
        await asyncio.sleep(self._delay)
        try:
            found = await self.work(self._diagnostics)
        except Exception:
            _log.exception("the check failed")  # a bug of ours: the editor goes on without
            return
        gone = [types.PublishDiagnosticsParams(self.uris.of(file), []) for file in self._told - found.keys()]
        for told in [*gone, *found.values()]:
            self.text_document_publish_diagnostics(told)
        self._told = {file for file, told in found.items() if told.diagnostics}

    def _diagnostics(self) -> dict[Path, types.PublishDiagnosticsParams]:
        found = {}
        for file, problems in self.desk.problems().items():
            lines = self.desk.lines(file)
            told = [diagnostic(lines, problem) for problem in problems]
            found[file] = types.PublishDiagnosticsParams(self.uris.of(file), told, self._versions.get(file))
        return found
