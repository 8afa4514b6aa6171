"""One recipe in one cell -> the request, with references resolved, numbered and filled in.

Order decides the numbers: API fields as written, then frames and other sugar, then `references:`, then first
mention in the prompt, then in the shots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.check import scalar
from kling_pipe.keys import pruned
from kling_pipe.manifest.lists import Lists, filled, get, pointer_parts, put
from kling_pipe.manifest.lookup import NotFound, Value, value_of
from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.media import MediaReader
from kling_pipe.manifest.mention import Names, reference_in
from kling_pipe.manifest.names import KINDS, Reference, looks_like_reference, parse_reference
from kling_pipe.manifest.scope import Recipe
from kling_pipe.manifest.trouble import Path_, Trouble
from kling_pipe.manifest.words import SHOT
from kling_pipe.nearest import nearest
from kling_pipe.prompts import TemplateProblem, compile_text

Pointer = tuple[str | int, ...]


@dataclass(slots=True)
class Built:
    """A request in normal form, where each part was written, and the references it makes, as written."""

    request: dict[str, Any]
    origins: dict[Pointer, Path_]
    references: list[tuple[Reference, Path_]] = field(default_factory=list)
    uses_take: bool = False


class Builder:
    """Builds the request of one recipe in one cell and take. Problems go to `trouble`."""

    def __init__(self, recipe: Recipe, cell: Cell, take: int, media: MediaReader, trouble: Trouble) -> None:
        self.recipe, self.cell, self.trouble = recipe, cell, trouble
        self.kling = recipe.operation.kling
        self.body: dict[str, Any] = {}
        self.built = Built({}, {})
        self.lists = Lists(recipe.operation, self.body)
        self._media = media
        self._take = take
        self._prompts = {pointer_parts(pointer) for pointer in self.kling.get("prompts", ())}
        self._medias = {pointer_parts(entry["at"]): entry for entry in self.kling.get("media", ())}
        self._names = {pointer_parts(pointer): entry for pointer, entry in self.kling.get("names", {}).items()}
        self._writing: tuple[Pointer, Path_] | None = None
        self.scope_names = self._template_names()

    @classmethod
    def like(cls, other: Builder, take: int) -> Builder:
        """A fresh builder of the same recipe and cell for another take."""
        return cls(other.recipe, other.cell, take, other._media, other.trouble)

    # -- the outline -------------------------------------------------------------------------------------------

    def build(self) -> Built:
        """The whole request."""
        prompts = {parts[0] for parts in self._prompts}
        fields, sugar = self.recipe.fields, self.kling.get("sugar", {})
        api = [name for name in fields if name in self.recipe.operation.fields]
        for name in api:
            if name not in prompts:
                self._field(name)
        dropped = self._sugar(sugar)
        self._references()
        for name in self.recipe.operation.fields:  # `prompt` before `multi_prompt`, as the operation lists them
            if name in prompts and name in api:
                self._field(name)
        self._shots()
        self._drop(dropped | self._dropped_by_form(sugar))
        self._raw()
        self.built.request = pruned(self.body)
        return self.built

    def _template_names(self) -> dict[str, Any]:
        recipe = self.recipe
        job = {"name": recipe.name, "kind": recipe.kind, "address": recipe.address(self.cell, self._take),
               "project": recipe.scope.project}  # fmt: skip
        kinds = {kind: Names(kind, recipe.scope, self._write) for kind in KINDS}
        return {"vars": recipe.scope.vars, "matrix": self.cell.data, "job": job, "take": self._take, **kinds}

    # -- templates ---------------------------------------------------------------------------------------------

    def render(self, text: str, path: Path_, *, native: bool = False) -> Any:
        """A string with its templates filled in; None when a problem was reported."""
        try:
            template = compile_text(text)
            if template is None:
                return text
            self.built.uses_take |= "take" in template.names
            return template.value(self.scope_names) if native else template.text(self.scope_names)
        except TemplateProblem as problem:
            self._report(problem, path, problem.needle)
            return None

    def _write(self, reference: Reference) -> str:
        """A mention written into a text: only prompts have numbers for it."""
        if self._writing is None:
            raise TemplateProblem("KP206", f"`{reference}` cannot be written into this field", needle=str(reference),
                                  hint="References stand in prompts, or alone as the value of a field that takes one.")  # fmt: skip
        try:
            value = self.resolve(reference, self._writing[1])
            number, pointer = self.lists.number(reference.kind, value)
        except NotFound as problem:
            raise TemplateProblem(problem.id, problem.message, needle=f"{reference.kind}.{'.'.join(reference.path)}",
                                  near=problem.near, allowed=problem.allowed, hint=problem.hint) from None  # fmt: skip
        self.built.origins.setdefault(pointer, self._writing[1])
        return self.lists.token(reference.kind, number)

    def resolve(self, reference: Reference, path: Path_) -> Value:
        """What a reference stands for here. Raises `NotFound`."""
        value = value_of(self.recipe.scope, reference, self.cell)
        self.built.references.append((reference, path))
        return value

    def _report(self, problem: NotFound | TemplateProblem, path: Path_, needle: str = "") -> None:
        self.trouble.add(self.recipe.scope.document, problem.id, path, problem.message, needle=needle,
                         address=self.recipe.address(self.cell, self._take), near=problem.near,
                         allowed=problem.allowed, hint=problem.hint)  # fmt: skip

    def refuse(self, id: str, path: Path_, message: str, **facts: Any) -> None:
        """A problem of this job at a path of its manifest."""
        self.trouble.add(self.recipe.scope.document, id, path, message,
                         address=self.recipe.address(self.cell, self._take), **facts)  # fmt: skip

    # -- values ------------------------------------------------------------------------------------------------

    def _field(self, name: str) -> None:
        value = self.value(self.recipe.fields[name], self.recipe.operation.fields[name], (name,), self.recipe.origins[name])
        if value is not None:
            self.body[name] = value

    def value(self, value: Any, schema: Mapping[str, Any], pointer: Pointer, path: Path_) -> Any:
        """A value of the manifest as the API wants it. Lists keep their length: null stands for what failed."""
        self.built.origins[pointer] = path
        pattern = tuple("*" if isinstance(part, int) else part for part in pointer)
        if pattern in self._names and isinstance(value, str):
            return self._named(value, self._names[pattern], path)
        if isinstance(value, Mapping):
            inner = schema.get("properties", {})
            return {str(name): self.value(item, inner.get(name, {}), (*pointer, str(name)), (*path, name))
                    for name, item in value.items()}  # fmt: skip
        if isinstance(value, list):
            items = schema.get("items", {})
            return [self.value(item, items, (*pointer, index), (*path, index)) for index, item in enumerate(value)]
        if pattern in self._medias:
            return self.media(value, self._medias[pattern]["kind"], path, self._medias[pattern])
        if pattern in self._prompts:
            return self.prompt(value, pointer, path)
        return self._scalar(value, schema, path)

    def _scalar(self, value: Any, schema: Mapping[str, Any], path: Path_) -> Any:
        if isinstance(value, str):
            value = self.render(value, path, native=True)
        if reference_in(value) is not None:
            self.refuse("KP206", path, f"`{reference_in(value)}` cannot stand here", hint="This field takes a plain value.")
            return None
        value = scalar(schema, value)
        return value.strip() if isinstance(value, str) else value

    def prompt(self, value: Any, pointer: Pointer, path: Path_) -> Any:
        """A prompt's text with its references numbered."""
        if not isinstance(value, str):
            return value
        self._writing = (pointer, path)
        text = self.render(value, path)
        self._writing = None
        return text.strip() if text is not None else None

    def media(self, value: Any, kind: str, path: Path_, entry: Mapping[str, Any]) -> Value | None:
        """A value where the API wants a picture, a video or an id: a reference, a URL, a file or an id."""
        if isinstance(value, str):
            value = self.render(value, path, native=True)
        try:
            reference = reference_in(value) or self._reference_text(value)
            if reference is None:
                return self._media.literal(value, kind, self.recipe, path, self.trouble, entry)
            if reference.kind != kind:
                raise NotFound("KP308", f"this wants {_article(kind)}, and `{reference}` is {_article(reference.kind)}")
            return self.resolve(reference, path)
        except NotFound as problem:
            self._report(problem, path)
            return None

    def _reference_text(self, value: Any) -> Reference | None:
        if not isinstance(value, str) or not looks_like_reference(value):
            return None
        reference = parse_reference(value)
        if reference is None:
            raise NotFound("KP302", f"`{value}` is no reference", allowed="kind.name['value'], @cell, #take, :output",
                           hint="A file of that name is written ./" + value)  # fmt: skip
        return reference

    def _named(self, value: str, names: Mapping[str, Any], path: Path_) -> dict[str, Any] | None:
        """A name beside ids (`tag_list: [character]`)."""
        text = self.render(value, path)
        if text is None:
            return None
        known: Mapping[str, str] = names["names"]
        wanted = known.get(text.strip().lower(), text.strip() if text.strip() in known.values() else None)
        if wanted is None:
            self.refuse("KP105", path, f"there is no `{text}`", near=nearest(text, known), allowed=", ".join(known))
            return None
        return filled(names["as"], wanted)

    # -- sugar -------------------------------------------------------------------------------------------------

    def _sugar(self, sugar: Mapping[str, Any]) -> set[str]:
        """Frames and other words that stand for list items or nested fields; which defaults they drop."""
        dropped: set[str] = set()
        for word, spec in sugar.items():
            if word not in self.recipe.fields or not isinstance(spec, Mapping):
                continue
            written = self.recipe.fields[word]
            path = self.recipe.origins[word]
            if "list" in spec and word not in ("views",) and get(self.body, pointer_parts(spec["list"])) and not self._filled_by_sugar(sugar, word):
                self.refuse("KP310", path, f"`{word}` and a hand-written `{spec['list'].strip('/')}` cannot stand together", key=True,
                            hint="Use one way for all: the words of the tool, or the API's own list.")  # fmt: skip
                continue
            if spec.get("many"):
                for index, item in enumerate(written if isinstance(written, list) else [written]):
                    self._place(spec, item, (*path, index) if isinstance(written, list) else path)
            else:
                self._place(spec, written, path)
            dropped |= set(spec.get("drops_defaults", ()))
        return dropped

    def _filled_by_sugar(self, sugar: Mapping[str, Any], word: str) -> bool:
        top = pointer_parts(sugar[word]["list"])[0]
        return top not in self.recipe.fields

    def _place(self, spec: Mapping[str, Any], written: Any, path: Path_) -> None:
        extra: dict[str, Any] = {}
        if isinstance(written, Mapping):
            extra = {name: self._scalar(item, {}, (*path, name)) for name, item in written.items() if name != spec["kind"]}
            if spec["kind"] not in written:
                self.refuse("KP103", path, f"`{spec['kind']}` is missing here", hint=f"Write {{{spec['kind']}: ...}}.")
                return
            written, path = written[spec["kind"]], (*path, spec["kind"])
        parts = pointer_parts(spec.get("list", spec.get("field")))
        pattern = (*parts, "*", next((n for n, p in spec.get("item", {}).items() if p == "$"), ""))
        entry = self._medias.get(pattern if "list" in spec else parts, {})
        value = self.media(written, spec["kind"], path, entry)
        if value is None:
            return
        if "field" in spec:
            put(self.body, parts, value)
            self.built.origins[parts] = path
            return
        items = get(self.body, parts) or []
        items.append({**filled(spec["item"], value), **extra})
        put(self.body, parts, items)
        self.built.origins[(*parts, len(items) - 1)] = path

    def _references(self) -> None:
        """`references:` in order: names of any kind; paths and URLs are images."""
        written = self.recipe.fields.get("references")
        if written is None:
            return
        path = self.recipe.origins["references"]
        for index, item in enumerate(written if isinstance(written, list) else [written]):
            kind = item.split(".")[0] if isinstance(item, str) and looks_like_reference(item) else "image"
            value = self.media(item, self._kind_of(item, kind, (*path, index)), (*path, index), {})
            if value is None:
                continue
            try:
                _, pointer = self.lists.number(self._last_kind, value)
                self.built.origins.setdefault(pointer, (*path, index))
            except NotFound as problem:
                self._report(problem, (*path, index))

    def _kind_of(self, item: Any, kind: str, path: Path_) -> str:
        if isinstance(item, str) and "{{" in item:
            value = self.render(item, path, native=True)
            reference = reference_in(value)
            kind = reference.kind if reference else kind
        self._last_kind = kind
        return kind

    def _shots(self) -> None:
        """`shots:` -> `multi_shot`, `shot_type: customize`, `multi_prompt`, and `duration` as their sum."""
        shots = self.recipe.fields.get("shots")
        if shots is None:
            return
        path = self.recipe.origins["shots"]
        if not isinstance(shots, list) or not all(isinstance(shot, Mapping) for shot in shots):
            self.refuse("KP102", path, "`shots` wants a list of {duration, prompt}")
            return
        self.body |= {"multi_shot": True, "shot_type": "customize"}
        self.body["multi_prompt"] = [self._shot(shot, index, (*path, index)) for index, shot in enumerate(shots)]
        self.built.origins[("multi_prompt",)] = path
        total = _total(self.body["multi_prompt"])
        if total and ("duration" not in self.body or "duration" in self.recipe.inherited):
            self.body["duration"] = total
            self.built.origins[("duration",)] = path

    def _shot(self, shot: Mapping[str, Any], index: int, path: Path_) -> dict[str, Any]:
        for word in shot:
            if word not in SHOT:
                self.refuse("KP101", (*path, word), f"a shot has no `{word}`", key=True, near=nearest(str(word), SHOT),
                            allowed=", ".join(SHOT))  # fmt: skip
        item = self.recipe.operation.fields["multi_prompt"]["items"]["properties"]
        pointer: Pointer = ("multi_prompt", index)
        self.built.origins[pointer] = path
        made: dict[str, Any] = {"index": index + 1}
        for word in SHOT:
            if word in shot:
                made[word] = self.value(shot[word], item[word], (*pointer, word), (*path, word))
        return made

    # -- what goes away, and what is added untouched -------------------------------------------------------------

    def _dropped_by_form(self, sugar: Mapping[str, Any]) -> set[str]:
        """What the same sugar drops when it is written in the API's own form."""
        dropped: set[str] = set()
        for spec in sugar.values():
            if not isinstance(spec, Mapping) or "drops_defaults" not in spec:
                continue
            if "field" in spec and get(self.body, pointer_parts(spec["field"])) is not None:
                dropped |= set(spec["drops_defaults"])
            for item in (get(self.body, pointer_parts(spec["list"])) or []) if "list" in spec else []:
                marks = {k: v for k, v in spec["item"].items() if v != "$" and k in ("type", "refer_type")}
                if isinstance(item, Mapping) and all(item.get(k) == v for k, v in marks.items()):
                    dropped |= set(spec["drops_defaults"])
        return dropped

    def _drop(self, fields: set[str]) -> None:
        for name in fields & self.recipe.inherited:
            self.body.pop(name, None)

    def _raw(self) -> None:
        raw = self.recipe.fields.get("raw")
        if not isinstance(raw, Mapping):
            return
        path = self.recipe.origins["raw"]
        for name, value in raw.items():
            self.body[str(name)] = self._raw_value(value, (*path, name))
            self.built.origins[(str(name),)] = (*path, name)

    def _raw_value(self, value: Any, path: Path_) -> Any:
        if isinstance(value, Mapping):
            return {str(name): self._raw_value(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._raw_value(item, (*path, index)) for index, item in enumerate(value)]
        return self.render(value, path, native=True) if isinstance(value, str) else value


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _total(shots: list[dict[str, Any]]) -> str:
    """The sum of the shots' durations as the API writes it, or `""` when one is not a whole number."""
    seconds = [str(shot.get("duration", "")) for shot in shots]
    return str(sum(map(int, seconds))) if seconds and all(part.isdigit() for part in seconds) else ""
