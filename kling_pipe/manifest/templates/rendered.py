"""What a template's value looks like once it is written into a text, and what may go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.core.invalid import Invalid

LONGEST = 100_000


class TemplateProblem(Exception):
    """What is wrong with a template. `needle` is the text in the source that is at fault.

    Without an `id` it is an echo: what is really wrong has been reported where it stands.
    """

    def __init__(
        self, id: str, message: str, *, needle: str = "", near: str = "", allowed: str = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.id, self.message, self.needle = id, message, needle
        self.near, self.allowed, self.hint = near, allowed, hint


class Axes(dict[str, Any]):
    """The axis values of a job's cell: a name that is missing here is told as a missing axis."""


class Lookup:
    """An object of the manifest inside a template: its attributes and items are names, `str()` is its text."""

    __slots__ = ()


def written(value: Any) -> Any:
    """What `{{ }}` writes into a text: no Python spelling of lists, mappings, booleans or null ever reaches Kling.

    Raises `TemplateProblem` for what has no text, and for a text that still holds a template.
    """
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            raise TemplateProblem(
                "KP207",
                "this value holds a template itself, and templates are filled in once",
                hint="Write the template in the recipe; values of `vars` and tables are taken as they are.",
            )
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, int | float | Lookup):
        return value
    raise _no_text(value)


def _no_text(value: Any) -> TemplateProblem:
    if isinstance(value, Invalid):
        return TemplateProblem("", "")
    what = "mapping" if isinstance(value, Mapping) else "list" if isinstance(value, list | tuple | range) else "thing"
    return TemplateProblem("KP205", f"a {what} cannot be written into a text", hint="Pick one of its values.")


def too_long() -> TemplateProblem:
    """The problem of a template that grows without need."""
    return TemplateProblem(
        "KP204",
        f"the template builds more than {LONGEST:,} characters",
        allowed=f"{LONGEST:,}",
        hint="A prompt has at most a few thousand characters.",
    )
