"""One case -> its request, with references resolved, numbered and filled in.

Order decides the numbers: API fields as written, then frames and other sugar, then `references:`, then first
mention in the prompt, then in the shots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kling_pipe.core.invalid import Invalid
from kling_pipe.core.keys import pruned
from kling_pipe.manifest.field_values import Values
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.numbering import Numbering, Origins
from kling_pipe.manifest.operation_layout import OperationLayout, layout_of
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.references import Reference
from kling_pipe.manifest.scope import Recipe
from kling_pipe.manifest.shorthand import Shorthand
from kling_pipe.manifest.template_text import Texts
from kling_pipe.manifest.templates import has_template


class BuiltRequest(NamedTuple):
    """A request in normal form. `counted` are references that name an output other than the first, as written."""

    request: dict[str, Any]
    counted: tuple[tuple[Reference, Path_], ...]
    uses_take: bool


def build(case: JobContext, origins: Origins | None = None) -> tuple[BuiltRequest, Texts]:
    """The request of one case, and the texts that rendered it. Problems go to the case.

    `origins` is filled with where each part was written; building again with it costs less than keeping it for all.
    """
    recipe, form = case.recipe, layout_of(case.recipe.operation)
    body: dict[str, Any] = {}
    lists = Numbering(recipe.operation, body, origins)
    values = Values(case, form, lists, origins)
    sugar = Shorthand(case, form, body, lists, values, origins)
    _plain_fields(recipe, form, body, values, known=None if origins is None else {})
    sugar.media()
    sugar.references()
    for name in form.prompt_fields:
        if name in recipe.fields:
            body[name] = values.value(recipe.fields[name], recipe.operation.fields[name], (name,), recipe.origins[name])
    if form.shots:
        sugar.shots(form.shots)
    sugar.drop()
    sugar.raw()
    return BuiltRequest(pruned(body), tuple(values.counted), values.texts.uses_take), values.texts


def _plain_fields(
    recipe: Recipe, form: OperationLayout, body: dict[str, Any], values: Values, known: dict[str, Any] | None
) -> None:
    """Every API field but the prompts. What is the same in all cells is read once per recipe."""
    known = recipe.constants if known is None else known
    fields = recipe.operation.fields
    for name, written in recipe.fields.items():
        if name in known:
            body[name] = known[name]
        elif name in fields and name not in form.prompt_fields:
            body[name] = values.value(written, fields[name], (name,), recipe.origins[name])
            if name not in form.special and not values.failed and _is_constant(written):
                known[name] = body[name]


def _is_constant(value: Any) -> bool:
    if isinstance(value, str):
        return not has_template(value)
    if isinstance(value, Mapping):
        return all(map(_is_constant, value.values()))
    if isinstance(value, list):
        return all(map(_is_constant, value))
    return not isinstance(value, Invalid)
