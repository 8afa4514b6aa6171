"""What `element.hana` is inside a template: a mention that turns into `<<<element_1>>>` where it is written."""

from __future__ import annotations

from collections.abc import Callable

from kling_pipe.manifest.references import Reference
from kling_pipe.manifest.scope import Scope
from kling_pipe.manifest.templates import Lookup, TemplateProblem

Write = Callable[[Reference], str]


class TemplateRef(Lookup):
    """One reference inside a template. Writing it into a text gives its numbered token."""

    __slots__ = ("_reference", "_scope", "_write")

    def __init__(self, reference: Reference, write: Write, scope: Scope) -> None:
        self._reference, self._write, self._scope = reference, write, scope

    def __str__(self) -> str:
        return self._write(self._reference)

    def __getitem__(self, value: object) -> TemplateRef:
        return TemplateRef(self._reference.with_pick(value), self._write, self._scope)

    def __getattr__(self, name: str) -> TemplateRef:
        if name.startswith("_"):
            raise AttributeError(name)
        kind, path = self._reference.kind, self._reference.path
        if path[-1] not in self._scope.entries.get(kind, {}):
            # Perhaps an include that is not there: whoever looks it up will say so.
            return TemplateRef(Reference(kind, (*path, name)), self._write, self._scope)
        raise TemplateProblem(
            "KP301",
            f"`{self._reference}` has no `{name}`",
            needle=name,
            hint="After a name come a cell ['value'], .take(n) or .output(n).",
        )

    def output(self, number: int) -> TemplateRef:
        """The same reference, its nth output, from 1."""
        return TemplateRef(self._reference._replace(output=_count(number, "output")), self._write, self._scope)

    def take(self, number: int) -> TemplateRef:
        """The same reference, its nth take, from 1."""
        return TemplateRef(self._reference._replace(take=_count(number, "take")), self._write, self._scope)


def _count(number: object, word: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise TemplateProblem("KP302", f"`.{word}({number})` wants a whole number from 1", needle=f".{word}(")
    return number


def reference_in(value: object) -> Reference | None:
    """The reference that a template's native value is, or None when it is a plain value."""
    return object.__getattribute__(value, "_reference") if isinstance(value, TemplateRef) else None


class Names(Lookup):
    """`element`, `image` or `video` inside a template: attributes are names, or includes that hold names."""

    __slots__ = ("_kind", "_path", "_scope", "_write")

    def __init__(self, kind: str, scope: Scope, write: Write, path: tuple[str, ...] = ()) -> None:
        self._kind, self._scope, self._write, self._path = kind, scope, write, path

    def __getattr__(self, name: str) -> TemplateRef | Names:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._scope.includes and name not in self._scope.entries.get(self._kind, {}):
            return Names(self._kind, self._scope.includes[name], self._write, (*self._path, name))
        return TemplateRef(Reference(self._kind, (*self._path, name)), self._write, self._scope)

    def __getitem__(self, name: str) -> TemplateRef | Names:
        return getattr(self, str(name))  # type: ignore[no-any-return]

    def __str__(self) -> str:
        raise TemplateProblem(
            "KP301",
            f"`{self._kind}` alone names nothing",
            needle=self._kind,
            hint=f"Write {{{{ {self._kind}.name }}}}.",
        )
