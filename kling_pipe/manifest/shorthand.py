"""The tool's own words in a recipe: frames, views, continues, edits, references, shots, raw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.core.invalid import Invalid
from kling_pipe.core.json_pointer import parts
from kling_pipe.core.text import nearest
from kling_pipe.manifest.field_values import ANY, Values
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.keywords import SHOT
from kling_pipe.manifest.numbering import Numbering, Origins, filled, get, put, slot
from kling_pipe.manifest.operation_layout import Opener, OperationLayout, Shots
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.reference_lookup import NotFound
from kling_pipe.manifest.template_refs import reference_in

_BOTH_WAYS = "Use one way for all: the words of the tool, or the API's own field."


class Shorthand:
    """Fills the request from the tool's words. `values` reads what they hold."""

    __slots__ = ("_body", "_case", "_form", "_lists", "_origins", "_values")

    def __init__(
        self,
        case: JobContext,
        form: OperationLayout,
        body: dict[str, Any],
        lists: Numbering,
        values: Values,
        origins: Origins | None,
    ) -> None:
        self._case, self._form, self._body = case, form, body
        self._lists, self._values, self._origins = lists, values, origins

    def _written(self, pointer: tuple[str | int, ...], path: Path_) -> None:
        if self._origins is not None:
            self._origins[pointer] = path

    # -- words that stand for one field or for items of a list ---------------------------------------------------

    def media(self) -> None:
        """Frames, views, `continues`, `edits`: in the order of the operation's data."""
        fields = self._case.recipe.fields
        for word, spec in self._form.sugar.items():
            if word not in fields:
                continue
            path = self._case.recipe.origins[word]
            place = parts(spec.get("list", spec.get("field")))
            if place[0] in fields and get(self._body, place) is not None:
                self._case.refuse(
                    "KP310",
                    path,
                    f"`{word}` and a hand-written `{'.'.join(place)}` cannot stand together",
                    key=True,
                    hint=_BOTH_WAYS,
                )
                continue
            for item, where in self._items(fields[word], path, many=bool(spec.get("many"))):
                self._media(spec, place, item, where)

    def _items(self, value: Any, path: Path_, *, many: bool) -> list[tuple[Any, Path_]]:
        """The items of a word that takes many, each with its place; a template may give the whole list."""
        if isinstance(value, str) and many:
            value = self._values.texts.native(value, path)
            return [(item, path) for item in (value if isinstance(value, list) else [value])]
        if isinstance(value, list) and many:
            return [(item, (*path, index)) for index, item in enumerate(value)]
        return [(value, path)]

    def _media(self, spec: Mapping[str, Any], place: tuple[str, ...], value: Any, path: Path_) -> None:
        kind, extra = spec["kind"], {}
        if isinstance(value, Mapping):
            extra = self._extra(spec, place, value, path)
            if kind not in value:
                self._case.refuse(
                    "KP103", path, f"`{kind}` is missing here", allowed=kind, hint=f"Write {{{kind}: ...}}."
                )
                return
            value, path = value[kind], (*path, kind)
        pattern = (*place, "*", slot(spec["item"])) if "list" in spec else place
        if isinstance(value, str | Invalid):
            value = self._values.read(value, path, final=False)
        found = self._values.media(value, kind, path, self._form.medias.get(pattern, ANY))
        if found is None:
            return
        if "field" in spec:
            put(self._body, place, found)
            self._written(place, path)
            return
        items = get(self._body, place) or []
        items.append({**filled(spec["item"], found), **extra})
        put(self._body, place, items)
        self._written((*place, len(items) - 1), path)

    def _extra(
        self, spec: Mapping[str, Any], place: tuple[str, ...], value: Mapping[str, Any], path: Path_
    ) -> dict[str, Any]:
        """What is written beside the thing itself (`{video: ..., keep_original_sound: yes}`)."""
        schema = (
            self._form.operation.fields.get(place[0], ANY).get("items", ANY).get("properties", ANY)
            if "list" in spec
            else ANY
        )
        known = [name for name in schema if spec["item"].get(name) != "$"]
        extra = {}
        for name, item in value.items():
            if name == spec["kind"]:
                continue
            if name not in known:
                self._case.refuse(
                    "KP101",
                    (*path, name),
                    f"there is no `{name}` here",
                    key=True,
                    near=nearest(str(name), [*known, spec["kind"]]),
                    allowed=", ".join([spec["kind"], *known]),
                )
                continue
            read = self._values.read(item, (*path, name), final=False)
            extra[str(name)] = self._values.plain(read, schema[name], (*path, name))
        return extra

    def references(self) -> None:
        """`references:` in order: names of any kind; paths and URLs are images."""
        written = self._case.recipe.fields.get("references")
        if written is None:
            return
        for item, path in self._items(written, self._case.recipe.origins["references"], many=True):
            self._reference(item, path)

    def _reference(self, item: Any, path: Path_) -> None:
        if isinstance(item, str | Invalid):
            item = self._values.read(item, path, final=False)
        try:
            reference = self._values.reference(item)
            kind = reference.kind if reference else "image"
            value = self._values.media(item, kind, path, ANY)
            if value is not None:
                self._lists.number(kind, value, path)
        except NotFound as problem:
            self._case.report(problem, path)

    # -- shots -----------------------------------------------------------------------------------------------------

    def shots(self, form: Shots) -> None:
        """Write what `shots:` stands for: the numbered list, the fields that go with it, and the sum."""
        recipe, body = self._case.recipe, self._body
        if recipe.fields.get("shots") is None:
            return
        path = recipe.origins["shots"]
        for name in form.fields:
            if name in recipe.fields and name not in recipe.inherited:
                self._case.refuse(
                    "KP310", recipe.origins[name], f"`shots` writes `{name}` by itself", key=True, hint=_BOTH_WAYS
                )
                return
        shots, final = self._shot_list(recipe.fields["shots"], path)
        if shots is None:
            return
        body |= form.sets
        body[form.list] = [
            self._shot(form, shot, index, path if final else (*path, index), final=final)
            for index, shot in enumerate(shots)
        ]
        self._written((form.list,), path)
        total = _total([str(shot.get(form.sum, "")) for shot in body[form.list]])
        if total and (form.sum not in body or form.sum in recipe.inherited):
            body[form.sum] = total
            self._written((form.sum,), path)

    def _shot_list(self, shots: Any, path: Path_) -> tuple[list[Any] | None, bool]:
        final = isinstance(shots, str)
        if final:
            shots = self._values.texts.native(shots, path)
        if not isinstance(shots, list) or not all(isinstance(shot, Mapping) for shot in shots):
            if not (final and shots is None) and not isinstance(shots, Invalid):
                self._case.refuse(
                    "KP102",
                    path,
                    "`shots` wants a list of {duration, prompt}",
                    hint="Begin each shot with a dash: `- { duration: 3, prompt: ... }`.",
                )
            self._case.failed = True
            return None, final
        return shots, final

    def _shot(self, form: Shots, shot: Mapping[str, Any], index: int, path: Path_, *, final: bool) -> dict[str, Any]:
        for word in shot:
            if word not in SHOT:
                self._case.refuse(
                    "KP101",
                    path if final else (*path, word),
                    f"a shot has no `{word}`",
                    key=not final,
                    near=nearest(str(word), SHOT),
                    allowed=", ".join(SHOT),
                )
        schemas = self._form.operation.fields[form.list]["items"]["properties"]
        self._written((form.list, index), path)
        made: dict[str, Any] = {form.number: index + 1}
        for word in SHOT:
            if word in shot:
                where = path if final else (*path, word)
                made[word] = self._values.value(shot[word], schemas[word], (form.list, index, word), where, final=final)
        return made

    # -- what goes away, and what is added untouched -------------------------------------------------------------

    def drop(self) -> None:
        """Defaults that the recipe makes pointless, whether it used the tool's word or the API's own form."""
        for opener in self._form.openers:
            names = [name for name in opener.drops if name in self._body and name in self._case.recipe.inherited]
            if names and self._is_open(opener):
                for name in names:
                    del self._body[name]

    def _is_open(self, opener: Opener) -> bool:
        found = get(self._body, opener.place)
        if not opener.in_list:
            return found is not None
        return any(
            isinstance(item, Mapping)
            and all(item.get(name, opener.defaults.get(name)) == value for name, value in opener.marks.items())
            for item in (found if isinstance(found, list) else ())
        )

    def raw(self) -> None:
        """Fields that the tool does not know: as written, templates filled in, a lone reference resolved."""
        recipe = self._case.recipe
        raw = recipe.fields.get("raw")
        if raw is None or isinstance(raw, Invalid):
            return
        path = recipe.origins["raw"]
        if not isinstance(raw, Mapping):
            self._case.refuse("KP102", path, "`raw` wants a mapping of fields")
            return
        for name, value in raw.items():
            if name in self._form.owned:
                self._case.refuse(
                    "KP107", (*path, name), f"`{name}` belongs to kling-pipe", key=True, hint="Remove it."
                )
                continue
            self._body[str(name)] = self._raw(value, (str(name),), (*path, name))

    def _raw(self, value: Any, pointer: tuple[str | int, ...], path: Path_) -> Any:
        self._written(pointer, path)
        if isinstance(value, Mapping):
            return {str(name): self._raw(item, (*pointer, str(name)), (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._raw(item, (*pointer, index), (*path, index)) for index, item in enumerate(value)]
        read = self._values.read(value, path, final=False)
        reference = reference_in(read)
        if reference is not None:
            return self._values.media(read, reference.kind, path, ANY)
        return self._values.value(read, ANY, pointer, path, final=True) if not isinstance(read, str) else read


def _total(seconds: list[str]) -> str:
    """Return the sum of the shots' durations as the API writes it, or `""` when one is not a whole number."""
    whole = seconds and all(part.isascii() and part.isdecimal() and len(part) < 6 for part in seconds)
    return str(sum(map(int, seconds))) if whole else ""
