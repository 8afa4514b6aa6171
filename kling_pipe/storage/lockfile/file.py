"""The lock file on the disk: read once, merged with what others wrote meanwhile, replaced as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.lockfile.blocks import Block, Lock
from kling_pipe.storage.lockfile.lock_text import parse, render_lock
from kling_pipe.storage.lockfile.merge import merge_locks
from kling_pipe.storage.temp_files import part_of


class LockFile:
    """One lock file. `alone` keeps other processes of this machine away while it is merged and replaced.

    `ours` are the accounts that make the campaign together, see `Lock.with_blocks`.
    """

    def __init__(
        self,
        path: Path,
        effects: Effects,
        alone: Callable[[], AbstractContextManager[None]],
        ours: Collection[str] = (),
    ) -> None:
        self.path = path
        self._ours = ours
        self._effects = effects
        self._alone = alone
        self._last = ("", Lock())

    def read(self) -> Lock:
        """What stands there; a file that is not there is an empty lock. Raises LocalStateError."""
        return self._parsed(self._text())

    def update(self, changes: Iterable[tuple[str, str, Block]]) -> None:
        """Put blocks (address, profile, block) in, see `Lock.with_blocks`. Writes only when that changes something."""
        wanted = list(changes)
        if wanted:
            with self._alone():
                text = self._text()
                lock = self._parsed(text).with_blocks(wanted, self._ours)
                new = render_lock(lock)
                if new != text:
                    self._write(new)
                    self._last = (new, lock)

    def merge(self, locks: Iterable[Lock]) -> Lock:
        """Take in other locks, as `merge_locks` does. Returns what stands there now."""
        with self._alone():
            text = self._text()
            lock = merge_locks([self._parsed(text), *locks])
            if (new := render_lock(lock)) != text:
                self._write(new)
                self._last = (new, lock)
        return lock

    def _parsed(self, text: str) -> Lock:
        """The lock of a text; not read again as long as nobody else wrote."""
        if text != self._last[0]:
            self._last = (text, parse(text, str(self.path)))
        return self._last[1]

    def _text(self) -> str:
        return _text_of(self.path)

    def _write(self, text: str) -> None:
        part = part_of(self.path)
        try:
            with part.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                self._effects.fsync(file)
            self._effects.replace(part, self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            hint = "nothing is lost: the ledger knows it; run again when the file can be written"
            raise LocalStateError(f"`{self.path}` cannot be written: {error}", hint=hint) from error


def read_lock(path: Path) -> Lock:
    """The lock that stands in a file; one that is not there is an empty lock. Raises LocalStateError."""
    return parse(_text_of(path), str(path))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        hint = "restore the file from version control, or delete it and run `kling-pipe sync`"
        raise LocalStateError(f"`{path}` cannot be read: {error}", hint=hint) from error
