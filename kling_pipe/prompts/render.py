"""One compile per distinct text, none for text without braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from kling_pipe.prompts.language import TemplateProblem

_BRACES = ("{{", "{%", "{#")


class Template:
    """A compiled text. `names` are the top-level names it uses (`vars`, `matrix`, `take`, ...)."""

    __slots__ = ("_compiled", "_expression", "names", "source")

    def __init__(self, source: str) -> None:
        from jinja2 import TemplateSyntaxError, meta, nodes

        from kling_pipe.prompts.environment import single_expression
        from kling_pipe.prompts.language import restrict

        self.source = source
        try:
            tree = restrict(_sandbox().parse(source))
        except TemplateSyntaxError as error:
            raise TemplateProblem("KP202", f"not a template: {error.message}", needle=_first_tag(source),
                                  hint="Look for a missing `}}`, `%}` or quote.") from None  # fmt: skip
        except RecursionError:
            raise TemplateProblem("KP202", "the template is nested too deeply") from None
        self.names = frozenset(meta.find_undeclared_variables(tree)) | {
            name.name for name in tree.find_all(nodes.Name) if name.name == "range"
        }
        self._expression = single_expression(tree)
        self._compiled = _load(tree)

    def text(self, names: Mapping[str, Any]) -> str:
        """The rendered text, bounded in length and work."""
        from kling_pipe.prompts.environment import LONGEST, too_long

        parts, length = [], 0
        for part in self._guarded(names):
            length += len(part)
            if length > LONGEST:
                raise too_long()
            parts.append(part)
        return "".join(parts)

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value itself when the text is nothing but one `{{ ... }}`, else the rendered text."""
        if self._expression is None:
            return self.text(names)
        caught: list[Any] = []
        _run(self._native(), {**names, "_catch": caught.append})
        return caught[0]

    def _native(self) -> Any:
        """The expression compiled so that its value is handed over instead of printed."""
        from jinja2 import nodes

        call = nodes.Call(nodes.Name("_catch", "load"), [self._expression], [], None, None)
        node = nodes.Template([nodes.Output([call], lineno=1)], lineno=1)
        return _native_cache(self, node)

    def _guarded(self, names: Mapping[str, Any]) -> list[str]:
        return _run(self._compiled, names)


_natives: dict[int, tuple[Template, Any]] = {}


def _native_cache(template: Template, tree: Any) -> Any:
    known = _natives.get(id(template))
    if known is None:
        known = _natives[id(template)] = (template, _load(tree))
    return known[1]


@cache
def _sandbox() -> Any:
    from kling_pipe.prompts.environment import Sandbox

    return Sandbox()


def _load(tree: Any) -> Any:
    tree.set_environment(_sandbox())
    code = _sandbox().compile(tree)
    return _sandbox().template_class.from_code(_sandbox(), code, _sandbox().globals)


def _run(compiled: Any, names: Mapping[str, Any]) -> list[str]:
    """Render into pieces; everything that can go wrong comes out as a `TemplateProblem`."""
    from jinja2 import TemplateError, UndefinedError
    from jinja2.sandbox import SecurityError

    from kling_pipe.prompts.environment import LONGEST, too_long

    _sandbox().turns = 0
    pieces, length = [], 0
    try:
        for piece in compiled.generate(names):
            length += len(piece)
            if length > LONGEST:
                raise too_long()
            pieces.append(piece)
    except UndefinedError as error:
        raise TemplateProblem("KP201", str(error.message), needle=_named(str(error.message))) from None
    except SecurityError as error:
        raise TemplateProblem("KP203", str(error.message or error)) from None
    except TemplateError as error:
        raise TemplateProblem("KP202", str(error.message or error)) from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise TemplateProblem("KP202", f"the template fails: {error or type(error).__name__}") from None
    return pieces


def _named(message: str) -> str:
    found = re.match(r"`([^`]+)`", message)
    return found.group(1) if found else ""


def _first_tag(source: str) -> str:
    found = re.search(r"\{[{%#]", source)
    return found.group(0) if found else ""


@cache
def _compiled(source: str) -> Template:
    return Template(source)


def compile_text(source: str) -> Template | None:
    """A template, or None for text that needs none. Raises `TemplateProblem`."""
    return _compiled(source) if any(brace in source for brace in _BRACES) else None
