"""Values of a recipe as the API wants them: coerced, references resolved, files read, prompts numbered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kling_pipe.catalog.validation import scalar
from kling_pipe.core.invalid import Invalid
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.media_values import fitting
from kling_pipe.manifest.numbering import Numbering, Origins, filled
from kling_pipe.manifest.operation_layout import OperationLayout
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.reference_lookup import NotFound, Value, value_of
from kling_pipe.manifest.references import Reference, looks_like_reference, parse_reference
from kling_pipe.manifest.template_refs import reference_in
from kling_pipe.manifest.template_text import Texts
from kling_pipe.manifest.templates import has_template
from kling_pipe.model import FileRef

ANY: Mapping[str, Any] = {}


class Values:
    """Reads the values of one case. `counted` are the references that name an output other than the first."""

    __slots__ = ("_case", "_form", "_origins", "counted", "texts")

    def __init__(self, case: JobContext, form: OperationLayout, lists: Numbering, origins: Origins | None) -> None:
        self._case, self._form, self._origins = case, form, origins
        self.texts = Texts(case, lists, self.resolve)
        self.counted: list[tuple[Reference, Path_]] = []

    @property
    def failed(self) -> bool:
        """Whether something in this case was refused."""
        return self._case.failed

    def value(
        self, value: Any, schema: Mapping[str, Any], pointer: Pointer, path: Path_, *, final: bool = False
    ) -> Any:
        """A value as the API wants it. Lists keep their length: null stands for what failed.

        `final` values came out of a template: they stand where it stands, and nothing in them is filled in again.
        """
        if self._origins is not None:
            self._origins[pointer] = path
        if isinstance(value, Mapping):
            return {
                str(name): self.value(
                    item,
                    schema.get("properties", ANY).get(name, ANY),
                    (*pointer, str(name)),
                    path if final else (*path, name),
                    final=final,
                )
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [
                self.value(
                    item, schema.get("items", ANY), (*pointer, index), path if final else (*path, index), final=final
                )
                for index, item in enumerate(value)
            ]
        pattern = tuple("*" if isinstance(part, int) else part for part in pointer)
        if pattern in self._form.prompts:
            return self._prompt(value, path, final=final)
        return self._leaf(self.read(value, path, final=final), schema, pointer, pattern, path)

    def read(self, value: Any, path: Path_, *, final: bool) -> Any:
        """A leaf with its template filled in."""
        if isinstance(value, Invalid):
            self._case.failed = True
            return None
        if not isinstance(value, str):
            return value
        if final:
            return self._once(value, path)
        return self.texts.native(value, path)

    def _once(self, text: str, path: Path_) -> str | None:
        if not has_template(text):
            return text
        self._case.refuse(
            "KP207",
            path,
            "a value in here holds a template itself, and templates are filled in once",
            hint="Write the template in the recipe; values of `vars` and tables are taken as they are.",
        )
        return None

    def _leaf(
        self, value: Any, schema: Mapping[str, Any], pointer: Pointer, pattern: tuple[str, ...], path: Path_
    ) -> Any:
        if isinstance(value, list | Mapping):
            return self.value(value, schema, pointer, path, final=True)
        if pattern in self._form.names and isinstance(value, str):
            return self._named(value, self._form.names[pattern], path)
        if pattern in self._form.medias:
            return self.media(value, self._form.medias[pattern]["kind"], path, self._form.medias[pattern])
        return self.plain(value, schema, path)

    def plain(self, value: Any, schema: Mapping[str, Any], path: Path_) -> Any:
        """A plain value, coerced without loss to what its field wants; strings lose white space at both ends."""
        if isinstance(value, str):
            return scalar(schema, value.strip())
        if isinstance(value, float) and not math.isfinite(value):
            self._case.refuse("KP102", path, f"`{value}` is no number that can be sent")
            return None
        if value is None or isinstance(value, bool | int | float):
            return scalar(schema, value)
        named = reference_in(value)
        what = f"`{named}`" if named else "this"
        self._case.refuse("KP206", path, f"{what} cannot stand here", hint="This field takes a plain value.")
        return None

    def _prompt(self, value: Any, path: Path_, *, final: bool) -> Any:
        """A prompt's text with its references numbered; a number stays one, so that the check can say so."""
        if not isinstance(value, str):
            return self.read(value, path, final=final)
        text = self._once(value, path) if final else self.texts.prompt(value, path)
        return text.strip() if text is not None else None

    # -- references and media ----------------------------------------------------------------------------------

    def resolve(self, reference: Reference, path: Path_) -> Value:
        """What a reference stands for here. Raises `NotFound`."""
        value = value_of(self._case.recipe.scope, reference, self._case.cell)
        if reference.output > 1:
            self.counted.append((reference, path))
        return value

    def media(self, value: Any, kind: str, path: Path_, entry: Mapping[str, Any]) -> Value | None:
        """A picture, a video or an id: by name, URL, path or digits; None when there is none or it was refused."""
        if value is None or value == "":
            return None
        try:
            reference = self.reference(value)
            if reference is None:
                return self._fitting(self._literal(value, kind, path, entry), kind, entry)
            if reference.kind != kind:
                wanted, given = article(kind), article(reference.kind)
                self._case.refuse(
                    "KP308",
                    path,
                    f"this wants {wanted}, and `{reference}` is {given}",
                    hint=f"Name {wanted} here, such as `{kind}.name`.",
                )
                return None
            found = self._fitting(self.resolve(reference, path), kind, entry)
            if isinstance(found, FileRef) and kind == "video":  # where it is named, nobody knows what it is for
                self._complain(self._case.media.checked(found, str(entry.get("limits", ""))), path)
        except NotFound as problem:
            self._case.report(problem, path)
            return None
        return found

    def _fitting(self, value: Value, kind: str, entry: Mapping[str, Any]) -> Value:
        return fitting(value, kind, entry, publishes=self._case.media.publishes)

    def _literal(self, value: Any, kind: str, path: Path_, entry: Mapping[str, Any]) -> Value:
        case = self._case
        try:
            literal = case.media.literal(value, kind, case.recipe.scope.folder, str(entry.get("limits", "")))
        except NotFound as problem:
            if isinstance(value, str) and value in case.recipe.scope.entries.get(kind, {}):
                problem.near = f"{kind}.{value}"  # a name without its kind reads as a path
            raise
        self._complain(literal.findings, path)
        return literal.value

    def _complain(self, findings: Sequence[Any], path: Path_) -> None:
        for finding in findings:
            self._case.refuse(
                finding.rule,
                path,
                finding.message,
                level=finding.level,
                found=finding.found,
                allowed=finding.allowed,
                hint=finding.hint,
                source=finding.source,
            )

    def reference(self, value: Any) -> Reference | None:
        """The reference that a value writes, or None. Raises `NotFound` for one that cannot be read."""
        named = reference_in(value)
        if named is not None or not isinstance(value, str) or not looks_like_reference(value):
            return named
        reference = parse_reference(value)
        if reference is None:
            raise NotFound(
                "KP302",
                f"`{value}` is no reference",
                allowed="kind.name['value'], @cell, #take, :output",
                hint=f"A file of that name is written `./{value}`.",
            )
        return reference

    def _named(self, value: str, names: Mapping[str, Any], path: Path_) -> dict[str, Any] | None:
        """A name beside ids (`tag_list: [character]`)."""
        text, known = value.strip(), names["names"]
        wanted = known.get(text.lower(), text if text in known.values() else None)
        if wanted is None:
            from kling_pipe.core.text import nearest

            self._case.refuse(
                "KP105", path, f"there is no `{text}`", near=nearest(text, known), allowed=", ".join(known)
            )
            return None
        return filled(names["as"], wanted)


def article(kind: str) -> str:
    """`an element`, `a video`."""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
