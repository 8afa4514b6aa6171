"""Texts with templates -> values. One compile per distinct text, none for text without braces or with lookups alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from kling_pipe.core.text import nearest
from kling_pipe.manifest.templates.fast_path import NOT_DIRECT, filled, looked_up, lookups
from kling_pipe.manifest.templates.rendered import TemplateProblem, written


class Template:
    """A text with templates. `names` are the top-level names it uses (`vars`, `matrix`, `take`, ...)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._direct = lookups(source)

    @cached_property
    def names(self) -> frozenset[str]:
        """What it needs to be given."""
        if self._direct is not None:
            return frozenset(part[0] for part in self._direct if not isinstance(part, str))
        names: frozenset[str] = self._jinja.names
        return names

    @cached_property
    def _jinja(self) -> Any:
        from kling_pipe.manifest.templates.compiled import Compiled

        return Compiled(self.source)

    def text(self, names: Mapping[str, Any]) -> str:
        """The rendered text, bounded in length and work. Raises `TemplateProblem`."""
        found = filled(self._direct, names) if self._direct is not None else NOT_DIRECT
        text: str = self._guarded(names).text(names) if found is NOT_DIRECT else found
        return text

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value itself when the text is nothing but one `{{ ... }}`, else the rendered text."""
        value = self._direct_value(names)
        if value is NOT_DIRECT:
            value = self._guarded(names).value(names)
        return _given(value)

    def _direct_value(self, names: Mapping[str, Any]) -> Any:
        if self._direct is None:
            return NOT_DIRECT
        parts = [part for part in self._direct if not (isinstance(part, str) and not part.strip())]
        if len(parts) == 1 and not isinstance(parts[0], str):
            return looked_up(names, *parts[0])
        return filled(self._direct, names)

    def _guarded(self, names: Mapping[str, Any]) -> Any:
        """Jinja's form of it, after a look at whether all names are known: ours lists them and finds the near one."""
        compiled = self._jinja
        for name in sorted(compiled.names - names.keys()):
            known = [one for one in names if not one.startswith("_")]
            near = nearest(name, known)
            raise TemplateProblem(
                "KP201",
                f"`{name}` is not defined",
                needle=name,
                near=near,
                allowed=", ".join(known),
                hint="" if near else _quoting_hint(name),
            )
        return compiled


def _given(value: Any) -> Any:
    """A value as it leaves a template: plain data or a name of the manifest, nothing of Python's own."""
    if isinstance(value, tuple | range):
        return list(value)
    if value is None or isinstance(value, bool | int | float | list | Mapping):
        return value
    return written(value)


def _quoting_hint(name: str) -> str:
    return f"Values of your own stand under `vars:` and are written `vars.{name}`."


@cache
def _template(source: str) -> Template:
    return Template(source)


def compile_text(source: str) -> Template | None:
    """A template, or None for text that needs none. What is wrong with it is said when it is filled in."""
    return _template(source) if has_template(source) else None


def has_template(text: str) -> bool:
    """Whether a text has anything to fill in."""
    return "{" in text and ("{{" in text or "{%" in text or "{#" in text)
