"""What the features answer with, before it is put into the protocol's words. Places count characters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Location:
    """A stretch of a file."""

    file: Path
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a file and the text that takes its place."""

    spot: Location
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One proposal of a completion: `text` takes the place of what stands from `start` to the cursor.

    `kind` is a word of the protocol (`field`, `value`, `reference`, ...); `about` is Markdown.
    """

    label: str
    text: str
    start: int
    kind: str
    detail: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class HoverText:
    """Markdown about a stretch of a file."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """One line of a document's outline: from `start` to `end`, its name from `start` to `name_end`."""

    name: str
    kind: str
    start: int
    name_end: int
    end: int
    detail: str = ""
    below: tuple[Heading, ...] = ()
