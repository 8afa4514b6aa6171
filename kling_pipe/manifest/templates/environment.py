"""The Jinja environment: sandboxed, strict, with our own filters, and every growth bounded before it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kling_pipe.core.text import nearest, slug
from kling_pipe.manifest.templates.language import FILTERS, TESTS
from kling_pipe.manifest.templates.rendered import LONGEST, Axes, TemplateProblem, too_long, written

MOST_TURNS = 100_000
_MOST_SHOWN = 8


class TemplateMessage(str):
    """A message that also carries near match, what there is and the next step: Jinja hands on nothing but the text."""

    near: str
    allowed: str
    hint: str

    def __new__(cls, text: str, near: str, allowed: str, hint: str = "") -> TemplateMessage:
        """The text with its facts."""
        told = super().__new__(cls, text)
        told.near, told.allowed, told.hint = near, allowed, hint
        return told


class Unknown(StrictUndefined):
    """An undefined name with a message that lists what there is."""

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if isinstance(owner, Mapping):
            known = [str(key) for key in owner]
            near = nearest(str(name), known)
            listed = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
            if isinstance(owner, Axes):
                if not owner:
                    return TemplateMessage(
                        f"`{name}` is no axis: this job has no `matrix:`", "", "", f"Add `matrix: {{ {name}: [...] }}`."
                    )
                return TemplateMessage(
                    f"`{name}` is no axis of this job's matrix", near, listed, "Add it to the matrix first."
                )
            return TemplateMessage(f"`{name}` is not defined there", near, listed)
        if isinstance(owner, str | int | float | list | tuple):
            return f"`{name}` is not defined there: `{str(owner)[:40]}` is one value, not a mapping"
        if self._undefined_hint:
            return str(self._undefined_hint)
        return f"`{name}` is not defined"


def text_of(value: Any) -> str:
    """A value as the text that a template writes for it. Raises for what is undefined or has no text."""
    return str(value if isinstance(value, Undefined) else written(value))


def _replaced(value: Any, old: str, new: str, count: int | None = None) -> str:
    text, old, new = text_of(value), text_of(old), text_of(new)
    if len(text) + (text.count(old) if old else len(text) + 1) * len(new) > LONGEST:
        raise too_long()
    return text.replace(old, new, -1 if count is None else count)


def _joined(value: Iterable[Any], separator: str = "") -> str:
    parts = [text_of(item) for item in value]
    if sum(map(len, parts)) + len(separator) * len(parts) > LONGEST:
        raise too_long()
    return separator.join(parts)


def _range(*args: int) -> range:
    turns = range(*args)
    if len(turns) > MOST_TURNS:
        raise TemplateProblem(
            "KP204",
            f"`range` of {len(turns):,} is over {MOST_TURNS:,}",
            needle="range",
            hint="A prompt is a few sentences: loop over less.",
        )
    return turns


def _on_text(call: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: call(text_of(value))


def _printed(value: Any) -> Any:
    return value if isinstance(value, Undefined) else written(value)


_TEXT_FILTERS = {
    "slug": _on_text(slug),
    "string": text_of,
    "lower": _on_text(str.lower),
    "upper": _on_text(str.upper),
    "capitalize": _on_text(str.capitalize),
    "replace": _replaced,
    "join": _joined,
    "_written": text_of,
}


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without anything that is not in `language`."""

    intercepted_binops = frozenset(["*", "+", "%"])

    def __init__(self) -> None:
        super().__init__(
            undefined=Unknown, autoescape=False, keep_trailing_newline=True, cache_size=0, finalize=_printed
        )
        self.turns = 0
        allowed = {name: call for name, call in self.filters.items() if name in FILTERS}
        self.filters = allowed | _TEXT_FILTERS | {"_counted": self._counted}
        self.tests = {name: call for name, call in self.tests.items() if name in TESTS}
        self.globals = {"range": _range}

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.turns += 1
            if self.turns > MOST_TURNS:
                raise TemplateProblem("KP204", f"the template loops more than {MOST_TURNS:,} times", needle="for")
            yield item

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A mapping's own keys before its methods, so that `vars.copy` and `vars.items` can be names."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic whose result would be huge is refused before it is computed."""
        if operator == "%" and isinstance(left, str):
            raise TemplateProblem("KP203", "`%` formats no text here", needle="%", hint="Use `~` to join texts.")
        if operator == "*" and (_is_many(left) or _is_many(right)):
            # A list of lists of lists grows with every factor, and nobody needs one.
            raise TemplateProblem("KP203", "`*` multiplies numbers and texts, not lists", needle="*")
        if operator == "*" and _grown(left, right) > LONGEST:
            raise too_long()
        if operator == "+" and _size(left) + _size(right) > LONGEST:
            raise too_long()
        return super().call_binop(context, operator, left, right)


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | tuple) else 0


def _grown(left: Any, right: Any) -> int:
    for text, times in ((left, right), (right, left)):
        if isinstance(text, str) and isinstance(times, int):
            return len(text) * max(0, times)
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    return 0


def single_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression, when the template is nothing but one `{{ ... }}`."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = [
        part for part in tree.body[0].nodes if not (isinstance(part, nodes.TemplateData) and not part.data.strip())
    ]
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None
