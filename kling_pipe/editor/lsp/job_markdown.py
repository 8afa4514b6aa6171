"""Jobs as an editor shows them: the compiled prompts, what each token stands for, what it costs. Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kling_pipe.catalog.pricing import estimate, price_date
from kling_pipe.core.json_pointer import parts
from kling_pipe.editor.lsp.symbols import recipe_of
from kling_pipe.manifest import Reading
from kling_pipe.manifest.job_builder import Draft
from kling_pipe.manifest.numbering import Origins, get, slot
from kling_pipe.manifest.operation_layout import layout_of
from kling_pipe.manifest.scope import Recipe, Scope
from kling_pipe.manifest.templates import has_template
from kling_pipe.model import Cost, FileRef, OutputRef

Path_ = tuple[str | int, ...]
_MOST_CELLS = 8


def drafts_of(reading: Reading, recipe: Recipe) -> list[Draft]:
    """The first take of every cell of a recipe."""
    return [draft for draft in reading.drafts.values() if draft.recipe is recipe and draft.take == 1]


# -- prompts -------------------------------------------------------------------------------------------------------


def prompt_text(reading: Reading, scope: Scope, path: Path_) -> str:
    """The text at a path as Kling will get it, cell by cell, and what it costs; empty when nothing is filled in."""
    recipe = recipe_of(scope, path)
    if recipe is None or not _is_template(scope.data, path):
        return ""
    drafts = drafts_of(reading, recipe)
    shown = [_compiled(draft, reading.drafter.origins(draft), path) for draft in drafts[:_MOST_CELLS]]
    found = [(draft, *one) for draft, one in zip(drafts, shown, strict=False) if one is not None]
    if not found:
        return ""
    more = [f"... and {len(drafts) - _MOST_CELLS} cells more"] if len(drafts) > _MOST_CELLS else []
    texts = [(draft, text) for draft, text, _ in found]
    if not any(is_prompt for _, _, is_prompt in found):
        return "\n\n".join(["**Kling gets**", *_listed(texts), *more])
    tokens = list(dict.fromkeys(line for draft, text in texts for line in _tokens(draft, text)))
    return "\n\n".join(["**Kling gets**", *_grouped(texts), *more, "\n".join(tokens), _price(drafts, recipe.takes)])


def _is_template(data: Any, path: Path_) -> bool:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(data, str) and has_template(data)


def _compiled(draft: Draft, origins: Origins, path: Path_) -> tuple[str, bool] | None:
    """The part of a request that was written at a path, when it is a text, and whether it is a prompt."""
    prompts = layout_of(draft.recipe.operation).prompts
    for pointer, origin in origins.items():
        if origin == path:
            value: Any = draft.built.request
            for part in pointer:
                try:
                    value = value[part]
                except (KeyError, IndexError, TypeError):
                    value = None
            if isinstance(value, str):
                return value, tuple("*" if isinstance(part, int) else part for part in pointer) in prompts
    return None


def _listed(found: Iterable[tuple[Draft, str]]) -> Iterator[str]:
    """Short values, one a line."""
    yield "\n".join(
        dict.fromkeys(f"- {f'`@{draft.cell.slug}` ' if draft.cell.slug else ''}`{text}`" for draft, text in found)
    )


def _grouped(found: Iterable[tuple[Draft, str]]) -> Iterator[str]:
    """Each text once, under the cells that have it."""
    cells: dict[str, list[str]] = {}
    for draft, text in found:
        cells.setdefault(text, []).append(f"`@{draft.cell.slug}`" if draft.cell.slug else "")
    for text, names in cells.items():
        head = f"{', '.join(names)} ({len(text)} characters)\n" if any(names) else f"{len(text)} characters\n"
        yield f"{head}```text\n{text}\n```"


def _tokens(draft: Draft, text: str) -> Iterator[str]:
    """What the tokens of a prompt stand for, one line each."""
    request = draft.built.request
    for kind, place in draft.recipe.operation.kling.get("inputs", {}).items():
        if "list" not in place:
            continue
        items = get(request, parts(place["list"])) or []
        for number, item in enumerate(items, start=1):
            token = f"<<<{place.get('token', kind)}_{number}>>>"
            if token in text and isinstance(item, Mapping):
                yield f"- `{token}` is {what(item.get(slot(place['item'])))}"


def what(value: Any) -> str:
    """A value that exists, or another job's output, in short."""
    if isinstance(value, OutputRef):
        return f"`{value.address}`" + (f", output {value.output}" if value.output > 1 else "")
    if isinstance(value, FileRef):
        return f"`{value.path.replace(chr(92), '/').rpartition('/')[2]}`"
    return f"`{str(value)[:80]}`"


# -- cost ----------------------------------------------------------------------------------------------------------


def summary(reading: Reading, recipe: Recipe) -> str:
    """A recipe in a few lines: what makes it, how often, what for."""
    drafts = drafts_of(reading, recipe)
    model = next(
        (str(draft.built.request["model_name"]) for draft in drafts if "model_name" in draft.built.request), ""
    )
    head = f"**{recipe.title}**: {recipe.operation.name}" + (f", {model}" if model else "")
    counts = []
    if len(recipe.cells) > 1:
        named = ", ".join(f"`@{cell.slug}`" for cell in recipe.cells[:_MOST_CELLS])
        counts.append(f"{len(recipe.cells)} cells: {named}" + (" ..." if len(recipe.cells) > _MOST_CELLS else ""))
    if recipe.takes > 1:
        counts.append(f"{recipe.takes} takes, the {recipe.pick}. is used")
    return "\n\n".join(filter(None, [head, "; ".join(counts), _price(drafts, recipe.takes)]))


def _price(drafts: list[Draft], takes: int) -> str:
    costs = [estimate(draft.recipe.operation, draft.built.request) for draft in drafts if draft.sound]
    if not costs:
        return ""
    jobs = len(costs) * takes
    each = " or ".join(dict.fromkeys(map(_cost_text, costs)))
    if jobs == 1 or each == "free":
        return f"Costs {each} (prices of {price_date()})."
    if any(cost.units is None for cost in costs):
        return f"Costs {each} each; unknown for all {jobs} (prices of {price_date()})."
    units, usd = sum(cost.units or 0 for cost in costs) * takes, sum(cost.usd or 0 for cost in costs) * takes
    total = _cost_text(Cost(units, costs[0].pack, usd))
    return f"Costs {each} each; {total} for all {jobs} (prices of {price_date()})."


def _cost_text(cost: Cost) -> str:
    from kling_pipe.report.plans import cost_text

    return cost_text(cost)
