"""HTML as text that cannot forget to escape: strings are text until they are `Markup`."""

from __future__ import annotations

from html import escape
from typing import Any

_VOID = frozenset(("img", "input", "br", "meta", "link"))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = Markup | str | int | float | None


def text(child: Child) -> str:
    """A child as HTML: markup as it is, everything else escaped, None as nothing."""
    if isinstance(child, Markup):
        return child
    return "" if child is None else escape(str(child))


def many(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(map(text, children)))


def el(name: str, /, *children: Child, **attributes: Any) -> Markup:
    """One element. `class_` is `class`, `data_state` is `data-state`; None and False leave an attribute out."""
    opened = "".join(_attribute(key.strip("_").replace("_", "-"), value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{opened}>")
    return Markup(f"<{name}{opened}>{''.join(map(text, children))}</{name}>")


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
