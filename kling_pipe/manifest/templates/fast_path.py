"""Templates that only look values up (`{{ vars.look }}`, `{{ image.frame['9:16'] }}`), filled in without Jinja.

Most templates are of this kind. What comes out is what Jinja would write (a property test says so); whenever
something is not plain sailing the answer is `NOT_DIRECT`, and Jinja does it again and words the problem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from kling_pipe.manifest.templates.rendered import LONGEST, Lookup, written

NOT_DIRECT: Any = object()
_NAME = r"[a-zA-Z][a-zA-Z0-9_]*"
_STEP = rf"\.{_NAME}|\[\s*(?:'[^'\\{{}}]*'|\"[^\"\\{{}}]*\")\s*\]"
_LOOKUP = re.compile(rf"\{{\{{\s*({_NAME})((?:{_STEP})*)\s*\}}\}}")
_STEPS = re.compile(rf"\.({_NAME})|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")
_TAG = re.compile(r"\{[{%#]")
# Words of Jinja's expressions, and names that it defines by itself, are not lookups.
_RESERVED = frozenset(
    {"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else", "self",
     "loop", "range"}
)  # fmt: skip

Step = tuple[str, bool]
"""A name, and whether it stands in brackets."""
Part = str | tuple[str, tuple[Step, ...]]


@cache
def lookups(source: str) -> tuple[Part, ...] | None:
    """The template as texts and lookups in turn, or None when it is more than that."""
    if "\r" in source:  # Jinja has its own idea of line ends
        return None
    parts: list[Part] = []
    at = 0
    for found in _LOOKUP.finditer(source):
        text = source[at : found.start()]
        # `{{{ x }}` opens with the first two braces, and is no lookup.
        if _TAG.search(text) or text.endswith("{") or found[1] in _RESERVED:
            return None
        steps = tuple((one[0] or one[1] or one[2], not one[0]) for one in _STEPS.findall(found[2]))
        parts += [text, (found[1], steps)] if text else [(found[1], steps)]
        at = found.end()
    rest = source[at:]
    if _TAG.search(rest):
        return None
    return (*parts, rest) if rest else tuple(parts)


def looked_up(names: Mapping[str, Any], root: str, steps: tuple[Step, ...]) -> Any:
    """The value that a lookup leads to, or `NOT_DIRECT`."""
    value = names.get(root, NOT_DIRECT)
    for name, bracketed in steps:
        if isinstance(value, (dict, Mapping)) and name in value:  # a dict is known at once
            value = value[name]
        elif isinstance(value, Lookup):
            value = value[name] if bracketed else getattr(value, name)  # type: ignore[index]  # see Lookup
            if callable(value):
                return NOT_DIRECT
        else:
            return NOT_DIRECT
    return value


def filled(parts: tuple[Part, ...], names: Mapping[str, Any]) -> Any:
    """The text, or `NOT_DIRECT`. Raises `TemplateProblem` for a value that has no text."""
    texts = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        value = looked_up(names, *part)
        if value is NOT_DIRECT:
            return NOT_DIRECT
        texts.append(str(written(value)))
    text = "".join(texts)
    return NOT_DIRECT if len(text) > LONGEST else text
