"""Built requests against the operations' rules, findings placed in the manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.catalog.api_v2 import FIRST, findings, speaks
from kling_pipe.catalog.defaults import written
from kling_pipe.catalog.operations import Operation, type_key
from kling_pipe.catalog.validation import Finding, check
from kling_pipe.catalog.validation.fields import field_findings
from kling_pipe.catalog.validation.verbs import renamed
from kling_pipe.core.json_pointer import Pointer, walk
from kling_pipe.manifest.check_cache import RequestShape, request_shape
from kling_pipe.manifest.job_builder import Draft, Drafter
from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.numbering import Origins
from kling_pipe.manifest.operation_layout import layout_of
from kling_pipe.manifest.problems import Path_, ProblemKey
from kling_pipe.model import FileRef, Json, OutputRef, PresetRef

_TOKEN = re.compile(r"<<<[a-z]+_[0-9]+>>>")
_LONGEST_QUOTE = 160
_CLEAN: set[tuple[Operation, RequestShape]] = set()
"""What was found clean in this process, in whichever manifest: an editor has the same one checked at every key."""
_MOST_CLEAN = 10_000


def at(value: Any, pointer: Pointer) -> Any:
    """The value at a place inside another one, or None."""
    for step in pointer:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def stand_ins(value: Json) -> Json:
    """A request with what is not known yet replaced by something of its type, distinct per thing."""
    if isinstance(value, OutputRef):
        return 1 if value.kind == "element" else f"kling-pipe:{value.address}:{value.output}"
    if isinstance(value, FileRef):
        return f"kling-pipe:{value.sha256}"
    if isinstance(value, PresetRef):
        return 1 if value.kind == "element" else f"kling-pipe:{value.name}"
    if isinstance(value, dict):
        return {name: stand_ins(item) for name, item in value.items()}
    if isinstance(value, list):
        return [stand_ins(item) for item in value]
    return value


@dataclass(slots=True)
class Verifier:
    """Checks drafts. Requests that differ in nothing a rule can see are checked once (see `request_shape`)."""

    found: Mapping[str, Draft]
    drafter: Drafter
    standard: str = FIRST
    _known: dict[tuple[Any, RequestShape], list[ProblemKey]] = field(default_factory=dict)

    def verify(self, draft: Draft) -> None:
        """Report all that the API would refuse, or that is probably a mistake, at the place where it is written."""
        operation, request = draft.recipe.operation, draft.built.request
        kinds = self._element_kinds(operation, request)
        if self._lacks_model(draft):
            return
        if speaks(self.standard, operation.name, str(request.get(operation.kling["pool"]["model"] or "", ""))):
            self._verify_form(draft, kinds)
        alike = request_shape(layout_of(operation), request, kinds)
        known = self._marks(draft, alike)
        if known is not None:
            for mark in known:
                self.drafter.trouble.repeat(mark, draft.address)
            return
        checked = check(operation, stand_ins(request), element_kinds=kinds)
        found = self._without_echoes(draft, checked)
        marks = self._report(draft, found) if found else []
        if alike is not None:
            # What is clean is so in every recipe of the operation; a problem has its place in one.
            self._known[id(draft.recipe) if found else operation, alike] = marks
            if not checked and len(_CLEAN) < _MOST_CLEAN:
                _CLEAN.add((operation, alike))

    def _verify_form(self, draft: Draft, kinds: Mapping[int, str]) -> None:
        """Report what has no place in the second standard: not what no standard takes.

        Of words that mean something else there, requests that are alike to the rules know nothing: each is looked at.
        """
        operation, body = draft.recipe.operation, stand_ins(draft.built.request)
        if found := self._without_echoes(draft, findings(operation, body)):
            wrong = {one.pointer for one in check(operation, body, element_kinds=kinds) if one.level == "error"}
            self._report(draft, [one for one in found if one.pointer not in wrong])

    def verify_fields(self, draft: Draft) -> None:
        """Report single values that can only be wrong by themselves, in a request that has holes."""
        body = stand_ins(draft.built.request)
        found = field_findings(draft.recipe.operation, written(body))
        plain = [one for one in found if isinstance(at(body, one.pointer), str | int | float)]
        if plain:
            self._report(draft, plain)

    def _lacks_model(self, draft: Draft) -> bool:
        """Report a recipe that leaves the model to Kling, whose silent default is an old one."""
        operation = draft.recipe.operation
        name = operation.kling["pool"]["model"]
        if not name or name in draft.built.request or name in draft.recipe.misspelt:
            return False
        schema = operation.fields[name]
        silent = f"; without it Kling takes {schema['default']}" if "default" in schema else ""
        self.drafter.case(draft).refuse(
            "KP103",
            draft.recipe.path,
            f"`{name}` is missing",
            key=True,
            allowed=", ".join(schema.get("enum", ())),
            hint=f"Write it here or under `defaults:`{silent}.",
        )
        return True

    def _marks(self, draft: Draft, alike: RequestShape | None) -> list[ProblemKey] | None:
        """What is known of a request from one like it: the marks of its problems, or None."""
        if alike is None or draft.recipe.misspelt:
            return None
        if (draft.recipe.operation, alike) in _CLEAN:
            return []
        found = self._known.get((draft.recipe.operation, alike))
        return found if found is not None else self._known.get((id(draft.recipe), alike))

    def _report(self, draft: Draft, findings: list[Finding]) -> list[ProblemKey]:
        case, origins = self.drafter.case(draft), self.drafter.origins(draft)
        return [_place(case, draft.built.request, origins, finding) for finding in findings]

    def _element_kinds(self, operation: Operation, request: Mapping[str, Any]) -> dict[int, str]:
        """The kind of each element in the request, where this manifest makes it."""
        kinds = {}
        places = (entry["at"] for entry in operation.kling["media"] if entry["kind"] == "element")
        for pointer, ref in (one for at_ in places for one in walk(request, at_)):
            index = next((step for step in pointer if isinstance(step, int)), None)
            target = self.found.get(ref.address) if isinstance(ref, OutputRef) else None
            kind = target.built.request.get(type_key("element")) if target else None
            if isinstance(kind, str) and index is not None:
                kinds[index] = kind
        return kinds

    def _without_echoes(self, draft: Draft, findings: list[Finding]) -> list[Finding]:
        """Without what follows from a misspelt word, and without doubts about fields that `raw` is there for."""
        recipe = draft.recipe
        raw = recipe.fields.get("raw")
        known = {str(name) for name in raw} if isinstance(raw, Mapping) else set()
        # An old name is known, too: Kling ignores it, and nobody means that.
        known -= renamed(recipe.operation).keys()
        unknown_key = {rule["id"] for rule in recipe.operation.rules if rule.get("known") == {}}
        return [
            one
            for one in findings
            if one.pointer[:1] not in {(name,) for name in recipe.misspelt}
            and not (one.rule in unknown_key and one.pointer[0] in known)
        ]


def _place(case: JobContext, request: Mapping[str, Any], origins: Origins, finding: Finding) -> ProblemKey:
    path, exact = origin(case, origins, finding.pointer)
    needle = finding.found if finding.found and finding.found in str(_written(case, path)) else ""
    is_sum = exact and _is_sum(case, finding, path)
    finding = _added_up(finding, path) if is_sum else _worded(case, finding, path, exact)
    return case.refuse(
        finding.rule,
        path,
        finding.message,
        level=finding.level,  # type: ignore[arg-type]  # a word of the data
        found=_found(case, request, finding, path),
        allowed=finding.allowed,
        near=finding.near,
        hint=finding.hint,
        rule=finding.rule,
        source=finding.source,
        key=is_sum or (not exact and len(path) == 2),
        needle=needle,
    )


def _worded(case: JobContext, finding: Finding, path: Path_, exact: bool) -> Finding:
    """The finding in the words of the manifest: `views` and `shots`, where those were written or would be."""
    field = finding.pointer[-1] if finding.pointer else ""
    if not isinstance(field, str):
        return finding
    if not exact:  # it is missing: all words for what is missing are those of the manifest
        return _sweetened(case, finding)
    words = [str(step) for step in reversed(path) if isinstance(step, str)]
    return _renamed(finding, field, words[0]) if words else finding


def _is_sum(case: JobContext, finding: Finding, path: Path_) -> bool:
    """Whether one value of the request comes from a whole list of the manifest: a duration from `shots`."""
    field = finding.pointer[-1]
    items = at(case.recipe.operation.fields, (field, "items"))
    return field not in path and isinstance(_written(case, path), list) and not isinstance(items, Mapping)


def _added_up(finding: Finding, path: Path_) -> Finding:
    word = next(str(step) for step in reversed(path) if isinstance(step, str))
    hint = finding.hint or f"Make some of `{word}` longer, shorter, more or fewer."
    return finding._replace(message=f"{finding.message}; this is the sum of `{word}`", hint=hint)


def _sweetened(case: JobContext, finding: Finding) -> Finding:
    specs = case.recipe.operation.kling.get("sugar", {})
    places = {word: spec.get("field") or spec.get("list") for word, spec in specs.items() if isinstance(spec, Mapping)}
    for word, place in places.items():
        if place and list(places.values()).count(place) == 1:  # a list that several words fill keeps its own name
            finding = _renamed(finding, place.rpartition("/")[2], word)
    return finding


def _renamed(finding: Finding, field: str, word: str) -> Finding:
    old, new = f"`{field}`", f"`{word}`"
    return finding._replace(message=finding.message.replace(old, new), hint=finding.hint.replace(old, new))


def origin(case: JobContext, origins: Origins, pointer: Pointer) -> tuple[Path_, bool]:
    """Where in the manifest a part of the request was written; its nearest part, or the recipe's name."""
    for length in range(len(pointer), 0, -1):
        if (path := origins.get(tuple(pointer[:length]))) is not None:
            return path, length == len(pointer)
    return case.recipe.path, False


def _found(case: JobContext, request: Mapping[str, Any], finding: Finding, path: Path_) -> str:
    """What was found; for a text that a template made, the text itself, since the file does not show it."""
    value = at(request, finding.pointer)
    if not isinstance(value, str) or value == str(_written(case, path)).strip():
        return finding.found
    shown = value if len(value) <= _LONGEST_QUOTE else f"{value[:80]} ... {value[-60:]}"
    return f"after rendering: {shown}" if len(value) > 12 else finding.found


def _written(case: JobContext, path: Path_) -> Any:
    return at(case.recipe.scope.data, path)


def note_tokens(case: JobContext) -> None:
    """Hand-written `<<<image_2>>>` is fine, and worth a note: names survive when a list changes."""
    recipe = case.recipe
    for word in (*layout_of(recipe.operation).prompt_fields, "shots"):
        if word in recipe.fields:
            for pattern in ("", "/*/prompt"):
                for pointer, text in walk(recipe.fields[word], pattern):
                    if isinstance(text, str) and (found := _TOKEN.search(text)):
                        case.refuse(
                            "KP320",
                            (*recipe.origins[word], *pointer),
                            f"`{found.group()}` is written by hand",
                            level="note",
                            needle=found.group(),
                            hint="A name (`{{ image.logo }}`) keeps its number right by itself.",
                        )
