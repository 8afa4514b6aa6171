"""Facts about files that outlive a run: one JSON file by content hash. A cache: losing it costs a second look."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from kling_pipe.media.facts import Facts, as_json, from_json
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.temp_files import part_of

_VERSION = 1
_MOST = 20_000


class FactsCache(MutableMapping[str, Facts]):
    """The facts in a folder's `media.json`, read when the first is asked for; `save` writes what is new."""

    def __init__(self, folder: Path, effects: Effects | None = None) -> None:
        self._path = folder / "media.json"
        self._effects = effects or Effects()
        self._facts: dict[str, Facts] | None = None
        self._is_new = False

    def save(self) -> None:
        """Write, if anything is new. A folder that cannot be written is no problem: the next run looks again."""
        if not self._is_new or self._facts is None:
            return
        newest = list(self._facts.items())[-_MOST:]
        text = json.dumps({"version": _VERSION, "files": {mark: as_json(one) for mark, one in newest}})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._path.with_name(".gitignore"), "*\n")
            self._write(self._path, text)
        except OSError:
            return
        self._is_new = False

    def _write(self, path: Path, text: str) -> None:
        part = part_of(path)
        part.write_text(text, encoding="utf-8")
        self._effects.replace(part, path)

    @property
    def _all(self) -> dict[str, Facts]:
        if self._facts is None:
            self._facts = self._read()
        return self._facts

    def _read(self) -> dict[str, Facts]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            if data["version"] != _VERSION:
                return {}
            return {mark: from_json(one) for mark, one in data["files"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def __getitem__(self, mark: str) -> Facts:
        return self._all[mark]

    def __setitem__(self, mark: str, facts: Facts) -> None:
        self._all[mark] = facts
        self._is_new = True

    def __delitem__(self, mark: str) -> None:
        del self._all[mark]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)
