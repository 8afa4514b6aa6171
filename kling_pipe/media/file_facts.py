"""Local files, each looked at once: by the hash of its bytes, in this run and, where a cache is given, ever."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from pathlib import Path

from kling_pipe.media.av_facts import can_open_streams, stream_facts
from kling_pipe.media.facts import WORDS, Facts
from kling_pipe.media.image_facts import picture_facts
from kling_pipe.media.limits import plain
from kling_pipe.media.mp4_header import film_facts


def look_at_file(path: Path, kind: str, *, streams: bool | None = None) -> Facts:
    """What a local file is: `kind` is what it should be. Raises OSError.

    `streams` says whether films and sounds may be opened; unless given, they are where PyAV is installed. Without it a
    file is what its name and size say.
    """
    size = path.stat().st_size
    suffix = plain(path.suffix.removeprefix("."))
    if not size:
        return Facts(kind, suffix, 0, fault="the file is empty")
    if kind == "image":
        return probe(path) or Facts(kind, path.suffix or "no suffix", size, fault=f"the file is not a {WORDS[kind]}")
    facts = Facts(kind, suffix or "no suffix", size, is_seen=False)
    if can_open_streams() if streams is None else streams:
        with path.open("rb") as file:
            facts = stream_facts(file, kind, size, path.suffix or "no suffix")
    return _as_shown(path, facts) if kind == "video" else facts


def probe(path: Path) -> Facts | None:
    """What a picture is, from its header alone; None if it is no picture that Pillow knows. Raises OSError."""
    with path.open("rb") as file:
        return picture_facts(file, path.stat().st_size)


def _as_shown(path: Path, facts: Facts) -> Facts:
    """A film with what its own index says: it is read without any library, and knows how the picture is turned."""
    film = None if facts.fault else film_facts(path)
    if film is None:
        return facts
    return replace(
        facts,
        width=film.width or facts.width,
        height=film.height or facts.height,
        seconds=facts.seconds or round(film.seconds, 3) or None,
        fps=facts.fps or round(film.fps, 3) or None,
    )


class FileFacts:
    """Facts by the hash of a file's bytes and the kind that it should be. `opened` counts the files looked into."""

    def __init__(
        self, kept: MutableMapping[str, Facts] | None = None, look: Callable[[Path, str], Facts] = look_at_file
    ) -> None:
        self._kept: MutableMapping[str, Facts] = {} if kept is None else kept
        self._here: dict[str, Facts] = {}
        self._look = look
        self.opened = 0

    def of(self, path: Path, sha256: str, kind: str) -> Facts:
        """What a file is. Raises OSError."""
        mark = f"{sha256} {kind}"
        found = self._here.get(mark) or (self._kept.get(mark) if kind != "image" else None)
        if found is None:
            self.opened += 1
            found = self._look(path, kind)
            # What could not be looked into for want of a library is looked at again when there is one; a picture's
            # header is read in less time than a cache.
            (self._kept if found.is_seen and kind != "image" else self._here)[mark] = found
        return found
