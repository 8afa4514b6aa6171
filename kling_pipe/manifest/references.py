"""References by name: `image.keyframe['9:16']#2:3` -> a `Reference`. Pure text work, nothing is looked up."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
ACCOUNT = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")
KINDS = ("element", "image", "video", "voice", "audio")
_START = re.compile(rf"({'|'.join(KINDS)})((?:\.[a-zA-Z_][a-zA-Z0-9_-]*)+)")
_PICK = re.compile(r"\[\s*((?:'[^']*'|\"[^\"]*\"|[0-9.]+)(?:\s*,\s*(?:'[^']*'|\"[^\"]*\"|[0-9.]+))*)\s*\]")
_CELL = re.compile(r"@([^#:\s]+)")
_TAKE = re.compile(r"#([0-9]+)")
_OUTPUT = re.compile(r":([0-9]+)")
_VALUE = re.compile(r"'([^']*)'|\"([^\"]*)\"|([0-9.]+)")


class Reference(NamedTuple):
    """A name as written. `path` is `(name,)` or `(alias, name)`; picks, cell, take and output as far as given."""

    kind: str
    path: tuple[str, ...]
    picks: tuple[str, ...] = ()
    cell: str = ""
    take: int = 0
    output: int = 0

    def __str__(self) -> str:
        picks = "".join(f"['{pick}']" for pick in self.picks)
        cell = f"@{self.cell}" if self.cell else ""
        take = f"#{self.take}" if self.take else ""
        output = f":{self.output}" if self.output else ""
        return f"{self.title}{picks}{cell}{take}{output}"

    @property
    def title(self) -> str:
        """The name without picks, cell, take and output: `image.brand.logo`."""
        return f"{self.kind}.{'.'.join(self.path)}"

    def with_pick(self, value: object) -> Reference:
        """The same reference narrowed to the cell that has this axis value."""
        values = value if isinstance(value, tuple | list) else (value,)
        return self._replace(picks=(*self.picks, *map(str, values)))


def beside(file: str, target: str) -> str:
    """What messages call a file that is written relative to another one."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file.replace("\\", "/")), target))


def looks_like_reference(text: str) -> bool:
    """Whether a value means a name (`image.logo`) rather than a path, a URL or an id.

    A file such as `image.png` in the current folder is written `./image.png`.
    """
    return bool(_START.match(text))


def parse_reference(text: str) -> Reference | None:
    """The reference that `text` writes, or None when something in it cannot be read."""
    start = _START.match(text)
    if start is None:
        return None
    reference = Reference(start.group(1), tuple(start.group(2)[1:].split(".")))
    rest = start.end()
    while match := _PICK.match(text, rest):
        picks = tuple(
            next(part for part in groups if part) if any(groups) else "" for groups in _VALUE.findall(match[1])
        )
        reference, rest = reference._replace(picks=reference.picks + picks), match.end()
    if match := _CELL.match(text, rest):
        reference, rest = reference._replace(cell=match[1]), match.end()
    if match := _TAKE.match(text, rest):
        reference, rest = reference._replace(take=int(match[1])), match.end()
    if match := _OUTPUT.match(text, rest):
        reference, rest = reference._replace(output=int(match[1])), match.end()
    return reference if rest == len(text) else None
