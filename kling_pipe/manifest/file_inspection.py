"""What a compile sees files with: a cache of what they are, and links read over the network when that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import table
from kling_pipe.manifest.input_files import InspectionHooks, LookAtLinks
from kling_pipe.media.facts import WORDS, Facts
from kling_pipe.media.facts_cache import FactsCache
from kling_pipe.media.file_facts import FileFacts, look_at_file
from kling_pipe.media.limits import broken_file, plain
from kling_pipe.media.link_facts import LinkReader
from kling_pipe.model import FileRef, Job, Level

CACHE = Path(".kling-pipe", "cache")
"""Below the root manifest's folder."""
_PROVEN = ("png", "jpg", "gif", "webp", "wav", "mp3", "aac", "ogg", "flac", "mp4", "mov", "m4a")


class Found(NamedTuple):
    """A local file that breaks a limit, as the manifest compiler reports it."""

    rule: str
    level: Level
    message: str
    found: str
    allowed: str
    hint: str
    source: str


class FileInspector:
    """Looks at local files, each once; `probe` is what a manifest's names and fields are checked with."""

    def __init__(self, looks: FileFacts) -> None:
        self._looks = looks

    def probe(self, file: FileRef, limits: str) -> Sequence[Found]:
        """Which limits of `schemas/media.json` a local file breaks, but for its length. Raises OSError."""
        rules: Any = table("media")["limits"][limits]
        facts = self._looks.of(Path(file.path), file.sha256, rules["kind"])
        source, hint = str(rules.get("source", "")), f"Use a {WORDS[rules['kind']]} within the limits."
        found = broken_file(facts, rules)
        if not found and (other := misnamed(file.path, facts)):
            return [Found("KP330", "warn", other, facts.format, "", f"Call it .{facts.format}.", source)]
        return [Found("KP330", "error", one.message, one.found, one.allowed, hint, source) for one in found]

    def facts(self, file: FileRef, kind: str) -> Facts | None:
        """What a local file is; None for one that has gone in the meantime."""
        try:
            return self._looks.of(Path(file.path), file.sha256, kind)
        except OSError:
            return None

    def eyes(self, links: LookAtLinks | None = None, wanted: Callable[[Job], bool] = lambda _: True) -> InspectionHooks:
        """For the compiler: `links` looks at links, those of `wanted` jobs."""
        return InspectionHooks(self.facts, links, wanted)


def misnamed(path: str, facts: Facts) -> str:
    """What to say of a file whose name promises another format; `""` of all others."""
    suffix = plain(Path(path).suffix.removeprefix("."))
    format = plain(facts.format)
    family = {"mp4", "m4a", "mov"}
    if suffix == format or suffix not in _PROVEN or not facts.is_seen or {suffix, format} <= family:
        return ""
    return f"the file is a {format} in truth"


@contextmanager
def inspector(root: Path, look: Callable[[Path, str], Facts] = look_at_file) -> Iterator[FileInspector]:
    """Eyes with a cache in a manifest's folder, written at the end when something new was seen."""
    kept = FactsCache(root / CACHE)
    try:
        yield FileInspector(FileFacts(kept, look))
    finally:
        kept.save()


def read_links(wanted: Sequence[tuple[str, str]]) -> Sequence[LinkReader]:
    """Look at links over the network, a few at a time."""
    from kling_pipe.client.range_reader import probe

    return probe(wanted)
