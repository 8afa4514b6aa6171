"""A template that Jinja fills in. Imported when the first one needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError

from kling_pipe.manifest.templates.environment import Sandbox, TemplateMessage, single_expression
from kling_pipe.manifest.templates.language import restrict
from kling_pipe.manifest.templates.rendered import LONGEST, TemplateProblem, too_long


class Compiled:
    """One template, parsed, restricted and compiled. Raises `TemplateProblem` when it is none."""

    def __init__(self, source: str) -> None:
        tree = _parsed(source)
        self.names = frozenset(meta.find_undeclared_variables(tree)) - _sandbox().globals.keys()
        self._expression = single_expression(tree)
        self._compiled = _load(tree)
        self._native: Any = None

    def text(self, names: Mapping[str, Any]) -> str:
        """The rendered text."""
        return "".join(_run(self._compiled, names))

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value itself when there is nothing but one expression, else the text."""
        if self._expression is None:
            return self.text(names)
        if self._native is None:
            self._native = _load(_handing_over(self._expression))
        caught: list[Any] = []

        def catch(value: Any) -> None:
            if isinstance(value, Undefined):
                str(value)  # raises, with the words of the undefined name
            caught.append(value)

        _run(self._native, {**names, "_catch": catch})
        return caught[0]


def _handing_over(expression: nodes.Expr) -> nodes.Template:
    """The expression compiled so that its value is handed over instead of printed."""
    call = nodes.Call(nodes.Name("_catch", "load"), [expression], [], None, None)
    return nodes.Template([nodes.Output([call], lineno=1)], lineno=1)


@cache
def _sandbox() -> Sandbox:
    return Sandbox()


def _parsed(source: str) -> nodes.Template:
    try:
        return restrict(_sandbox().parse(source))
    except TemplateSyntaxError as error:
        raise TemplateProblem(
            "KP202",
            f"not a template: {error.message}",
            needle=_blamed(source, error.lineno),
            hint="Look for a missing `}}`, `%}` or quote.",
        ) from None
    except (RecursionError, MemoryError):
        raise TemplateProblem("KP202", "the template is nested too deeply", needle=_blamed(source, 1)) from None
    except (ValueError, ArithmeticError) as error:  # a number literal of thousands of digits
        raise TemplateProblem("KP202", f"not a template: {error}", needle=_blamed(source, 1)) from None


def _load(tree: nodes.Template) -> Any:
    tree.set_environment(_sandbox())
    try:
        code = _sandbox().compile(tree)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:  # Python allows 20 nested blocks
        raise TemplateProblem("KP202", f"the template is nested too deeply ({type(error).__name__})") from None
    return _sandbox().template_class.from_code(_sandbox(), code, _sandbox().globals)


def _run(compiled: Any, names: Mapping[str, Any]) -> list[str]:
    """Render into pieces; everything that can go wrong comes out as a `TemplateProblem`."""
    _sandbox().turns = 0
    pieces, length = [], 0
    try:
        for piece in compiled.generate(names):
            length += len(piece)
            if length > LONGEST:
                raise too_long()
            pieces.append(piece)
    except UndefinedError as error:
        raise _unknown(error.message or "") from None
    except SecurityError as error:
        raise TemplateProblem("KP203", str(error.message or error)) from None
    except TemplateError as error:
        raise TemplateProblem("KP202", str(error.message or error)) from None
    except (
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        NameError,
        RecursionError,
        MemoryError,
    ) as error:
        raise TemplateProblem("KP202", f"the template fails: {error or type(error).__name__}") from None
    return pieces


def _unknown(message: str) -> TemplateProblem:
    told = message if isinstance(message, TemplateMessage) else TemplateMessage(message, "", "")
    near, allowed = told.near, told.allowed
    hint = "" if near else told.hint or "Correct the name, or add it where the others stand."
    return TemplateProblem("KP201", str(message), needle=_named(message), near=near, allowed=allowed, hint=hint)


def _named(message: str) -> str:
    found = re.match(r"`([^`]+)`", message)
    return found.group(1) if found else ""


def _blamed(source: str, line: int) -> str:
    """The tag that a parser's line number is about, as far as it can be told: the first one of that line."""
    lines = source.splitlines()
    at = lines[line - 1] if 0 < line <= len(lines) else source
    found = re.search(r"\{[{%#][^{}%]*", at) or re.search(r"\{[{%#]", source)
    return found.group(0).strip() if found else ""
