"""One manifest file as a scope: what its names mean. Includes are scopes of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.keys import ExistingId
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.yaml import Document
from kling_pipe.model import FileRef, OutputRef, Position, PresetRef


@dataclass(slots=True)
class Existing:
    """A name for something that exists: an id, a URL or a local file."""

    value: ExistingId | FileRef | OutputRef | PresetRef | str
    path: Path_


@dataclass(slots=True)
class Broken:
    """A name whose entry was refused: references to it keep quiet, since the mistake is reported where it stands."""

    path: Path_


@dataclass
class Recipe:
    """A name for something to be made, before its cells are compiled.

    `fields` are API fields and sugar with their source paths, the nearest of recipe, profile and defaults winning;
    `inherited` names those that come from defaults or profile; `misspelt` are fields that were probably meant by
    words that no field has; `constants` are values that all cells share, kept once they are known.
    """

    scope: Scope
    kind: str
    name: str
    path: Path_
    operation: Operation
    fields: dict[str, Any]
    origins: dict[str, Path_]
    inherited: frozenset[str]
    tool: dict[str, Any]
    cells: list[Cell]
    takes: int = 1
    pick: int = 1
    picks: Mapping[str, int] = field(default_factory=dict)
    retries: int = 0
    frozen: bool = False
    account: str = ""
    misspelt: frozenset[str] = frozenset()
    constants: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def title(self) -> str:
        """The address without cell and take: `image.brand.logo` inside an include."""
        return f"{self.kind}.{self.scope.prefix}{self.name}"

    @cached_property
    def position(self) -> Position:
        """Where the recipe's name stands."""
        return self.scope.document.name_position(self.path)

    @cached_property
    def by_slug(self) -> Mapping[str, Cell]:
        """The cells by their slugs."""
        return {cell.slug: cell for cell in self.cells}

    @cached_property
    def _joins(self) -> dict[tuple[str, ...], dict[tuple[str, ...], list[Cell]]]:
        return {}

    def cells_with(self, wanted: Mapping[str, str]) -> list[Cell]:
        """The cells that have these values on these axes; indexed, since every cell of another recipe may ask."""
        axes = tuple(wanted)
        if axes not in self._joins:
            index: dict[tuple[str, ...], list[Cell]] = {}
            for cell in self.cells:
                index.setdefault(tuple(cell.axes.get(axis, "") for axis in axes), []).append(cell)
            self._joins[axes] = index
        found = self._joins[axes].get(tuple(wanted.values()), [])
        if not found and any("\r\n" in value for value in wanted.values()):
            # Tables are read with LF; a request as it was built before asks with CRLF.
            return self.cells_with({axis: value.replace("\r\n", "\n") for axis, value in wanted.items()})
        return found

    def has_value(self, axis: str, value: str) -> bool:
        """Whether some cell has this value on this axis."""
        return bool(self.cells_with({axis: value}))

    def picked(self, cell: Cell) -> int:
        """The take of a cell that other jobs use."""
        return self.picks.get(cell.slug, self.pick)

    def base(self, cell: Cell) -> str:
        """The address of one cell, without the take."""
        return f"{self.title}@{cell.slug}" if cell.slug else self.title

    def address(self, cell: Cell, take: int) -> str:
        """The full address of one take of one cell."""
        return self.base(cell) + (f"#{take}" if take > 1 else "")


@dataclass(slots=True)
class Scope:
    """A manifest file, read but not yet compiled. `prefix` is `brand.` for what is included as `brand`."""

    document: Document
    folder: Path
    data: Mapping[str, Any]
    prefix: str = ""
    project: str = ""
    vars: Mapping[str, Any] = field(default_factory=dict)
    entries: dict[str, dict[str, Existing | Recipe | Broken]] = field(default_factory=dict)
    includes: dict[str, Scope] = field(default_factory=dict)

    def recipes(self) -> list[Recipe]:
        """The recipes of this file, in the order they are written."""
        return [entry for kind in self.entries.values() for entry in kind.values() if isinstance(entry, Recipe)]
