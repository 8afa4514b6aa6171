"""How deep each line of a YAML text stands: the open mappings, sequences and brackets at a token."""

from __future__ import annotations

from dataclasses import dataclass

from kling_pipe.manifest.yaml.tokens import Token

STEP = 2


@dataclass(frozen=True, slots=True)
class Level:
    """An open block. `old` is its column in the text, `new` its column in canonical form.

    `loose`: a sequence that stands at the column of its key; YAML gives it no token of its own.
    """

    old: int
    new: int
    loose: bool = False
    sequence: bool = False


class Levels:
    """The open blocks and brackets, kept up to date token by token."""

    def __init__(self) -> None:
        self.blocks: list[Level] = []
        self.brackets = 0

    def take(self, atom: Token) -> None:
        """Account for a token, before it is written."""
        if atom.kind in ("FlowMappingStart", "FlowSequenceStart"):
            self.brackets += 1
        elif atom.kind in ("FlowMappingEnd", "FlowSequenceEnd"):
            self.brackets -= 1
        elif self.brackets == 0:
            self._block(atom)

    def _block(self, atom: Token) -> None:
        top = self.blocks[-1] if self.blocks else None
        if atom.kind in ("BlockMappingStart", "BlockSequenceStart"):
            self.blocks.append(Level(atom.column, self.inside, sequence=atom.kind == "BlockSequenceStart"))
        elif atom.kind == "BlockEntry" and top and not top.sequence:
            self.blocks.append(Level(atom.column, self.inside, loose=True, sequence=True))
        elif atom.kind in ("Key", "BlockEnd"):
            if top and top.loose:
                self.blocks.pop()
            if atom.kind == "BlockEnd":
                self.blocks.pop()

    @property
    def here(self) -> int:
        """The canonical column of a key or a dash of the innermost block."""
        return self.blocks[-1].new if self.blocks else 0

    @property
    def inside(self) -> int:
        """The canonical column of what stands below a key or a dash."""
        return self.blocks[-1].new + STEP if self.blocks else 0
