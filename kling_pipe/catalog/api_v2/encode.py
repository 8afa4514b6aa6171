"""A request of the first standard in the form of the second, after its data; and what has no place there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.catalog.api_v2.prompt_syntax import END, PromptNames, names, reads_as_shot, shot
from kling_pipe.catalog.api_v2.table import Endpoint, endpoint, form, speaks, table_of
from kling_pipe.catalog.conditions import compiled
from kling_pipe.catalog.defaults import written
from kling_pipe.catalog.operations import Operation, with_defaults
from kling_pipe.catalog.validation.finding import Finding, choices, quoted
from kling_pipe.core.json_pointer import Pointer, fixed, parts, walk

_BACK = "`--standard v1` sends it"
_NO_PLACE, _MISREAD = "KP340", "KP341"


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a request goes and what is sent."""

    path: str
    body: Mapping[str, Any]


def encoded(operation: Operation, request: Mapping[str, Any]) -> Sent | Finding:
    """The request in the second standard, or the first thing in it that has no place there.

    Leaves that are no JSON yet (a file's bytes) are handed on as they are.
    """
    encoder = _encoder(operation, request)
    if isinstance(encoder, Finding):
        return encoder
    body = encoder.body()
    fault = next((one for one in encoder.found if one.level == "error"), None)
    return fault or Sent(encoder.end.path, body)


def sent_in(standard: str, operation: Operation, request: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Path and body of a request in a standard, as far as it has a form there."""
    model = str(request.get(parts(table_of()["model"])[0], ""))
    sent = encoded(operation, request) if speaks(standard, operation.name, model) else None
    return (sent.path, sent.body) if isinstance(sent, Sent) else (operation.path, request)


def findings(operation: Operation, request: Mapping[str, Any]) -> list[Finding]:
    """What of a request has no place in the second standard, or would be read as something else."""
    encoder = _encoder(operation, request)
    if isinstance(encoder, Finding):
        return [encoder]
    encoder.body()
    return encoder.found


def _encoder(operation: Operation, request: Mapping[str, Any]) -> _Encoder | Finding:
    own = written(request)
    read = with_defaults(operation, own)
    place = parts(table_of()["model"])
    model = str(read.get(place[0], ""))
    end = endpoint(operation.name, model)
    if end is not None:
        return _Encoder(end, own, read)
    known = form(operation.name)
    models = list(known["models"]) if known else []
    message = f"`{model}` has no place in the second standard"
    return Finding(_NO_PLACE, "error", place, message, quoted(model), choices(models), hint=f"{_BACK}.")


@dataclass(slots=True)
class _Encoder:
    """One request on its way. `own` is as written, `read` with the vendor's defaults; `found` is what goes wrong."""

    end: Endpoint
    own: dict[str, Any]
    read: dict[str, Any]
    found: list[Finding] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """The body; what has no place is left out of it and stands in `found`."""
        self._refuse_leftovers()
        counts: dict[str, int] = {}
        inputs = list(self._contents(counts))
        ids = names(counts, self._texts())
        text = self._text(ids)
        said: dict[str, Any] = {}
        contents = [{**one, **({"id": ids.ids[name]} if name else {})} for name, one in inputs]
        if "prompt_at" in self.end.form:
            said[parts(self.end.form["prompt_at"])[0]] = text
        elif text:
            contents.insert(0, {"type": "prompt", "text": text})
        listed = {"contents": contents} if contents else {}
        options = {name: self.own[name] for name in table_of()["options"] if name in self.own}
        parts_ = {**said, **listed, "settings": self._settings(), "options": options}
        return {name: value for name, value in parts_.items() if value or name in said}

    @property
    def back(self) -> str:
        """The other way on; a model that the first standard does not have has none."""
        return "name another model to have it" if self.end.row.get("only") else _BACK

    # -- what goes nowhere

    def _refuse_leftovers(self) -> None:
        shots, hints = table_of()["shots"], {**table_of()["nowhere"], **self.end.row.get("nowhere", {})}
        places = [table_of()["model"], table_of()["prompt"]["from"], *(shots[word] for word in ("on", "sort", "from"))]
        used = {parts(place)[0] for place in (*places, *self._setting_places(), *self._content_places())}
        spoken = (used | set(table_of()["options"])) - set(self.end.row.get("nowhere", ()))
        for name in self.own:
            if name not in spoken:
                hint = f"{hints.get(name, 'Leave it out')}; {self.back}"
                self._refuse((name,), f"`{name}` has no place in the second standard", hint)
        for clash in self.end.form.get("clashes", ()):
            if compiled(clash["when"])(self.read):
                place = tuple(int(step) if step.isdecimal() else step for step in parts(clash["at"]))
                self._refuse(place, clash["say"], f"{clash['hint'].capitalize()}; {self.back}")

    def _setting_places(self) -> Iterator[str]:
        for how in self.end.form["settings"].values():
            yield from [how["from"]] if "from" in how else [place for case in how["cases"] for place in case["when"]]

    def _content_places(self) -> Iterator[str]:
        return (one["from"] for one in self.end.form["contents"])

    # -- inputs

    def _contents(self, counts: dict[str, int]) -> Iterator[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Every input with the name that a prompt has for it, in the order of the data; counts them by kind."""
        numbers: dict[str, int] = {}
        for how in self.end.form["contents"]:
            for place, item in walk(self.own, how["from"]):
                sort = _sort(how, item)
                numbers[sort] = numbers.get(sort, 0) + 1
                self._must_take(place, sort, numbers[sort])
                self._refuse_unknown(how, place, item)
                value = item.get(how["item"]) if "item" in how else item
                name = None
                if "token" in how:
                    counts[how["token"]] = counts.get(how["token"], 0) + 1
                    name = (how["token"], counts[how["token"]])
                as_text = how.get("text") and isinstance(value, int)
                yield name, {"type": sort, how["at"]: str(value) if as_text else value}

    def _must_take(self, place: Pointer, sort: str, number: int) -> None:
        most = self.end.takes.get(sort, 0)
        if number == most + 1:
            many = f"takes no `{sort}`" if most == 0 else f"takes at most {most} of `{sort}`"
            self._refuse(place, f"{self.end.model} {many} here in the second standard", f"Leave it out; {self.back}")

    def _refuse_unknown(self, how: Mapping[str, Any], place: Pointer, item: Any) -> None:
        if "item" not in how:
            return
        settings = {parts(one)[-1] for one in self._setting_places() if one.startswith(f"{how['from']}/")}
        known = {how["item"], how.get("types", {}).get("by"), *settings}
        for name in item:
            if name not in known:
                message = f"`{name}` has no place in the second standard"
                self._refuse((*place, name), message, f"Leave it out; {self.back}")

    # -- words

    def _is_written_out(self) -> bool:
        shots = table_of()["shots"]
        sort = self.read.get(parts(shots["sort"])[0])
        return self._is_cut() and sort == shots["written"]

    def _is_cut(self) -> bool:
        return self.read.get(parts(table_of()["shots"]["on"])[0]) is True

    def _spoken(self) -> list[tuple[Pointer, str]]:
        shots = table_of()["shots"]
        pattern = f"{shots['from']}/*/{shots['words']}" if self._is_written_out() else table_of()["prompt"]["from"]
        return [(place, text) for place, text in walk(self.own, pattern) if isinstance(text, str)]

    def _texts(self) -> list[str]:
        return [text for _, text in self._spoken()]

    def _text(self, ids: PromptNames) -> str:
        spoken = self._spoken()
        for place, text in spoken:
            for token in dict.fromkeys(ids.strangers(text)):
                self._refuse(place, f"`{token}` names nothing there in the second standard", self.back, found=token)
            head = reads_as_shot(text) if self._is_cut() or self.end.row.get("shots") else ""
            if head:
                message = f"`{head}` begins a shot in the second standard"
                self._refuse(place, message, "Write shots as `shots:`, or word it otherwise", _MISREAD, found=head)
        text = self._shots(ids) if self._is_written_out() else "".join(ids.rewritten(text) for _, text in spoken)
        most = int(self.end.row["prompt"])
        if len(text) > most:
            place = spoken[0][0] if len(spoken) == 1 else fixed(table_of()["shots"]["from"])
            message = f"the prompt has {len(text)} of {most} characters as the second standard writes it"
            self._refuse(place, message, f"Shorten it; {self.back}")
        return text

    def _shots(self, ids: PromptNames) -> str:
        shots, lines = table_of()["shots"], []
        for number, (place, item) in enumerate(walk(self.own, f"{shots['from']}/*"), start=1):
            text = ids.rewritten(str(item.get(shots["words"], "")))
            if END in text:
                message = f"a `{END}` ends a shot in the second standard; it is sent as a comma"
                hint = "A comma reads the same in both"
                self._refuse((*place, shots["words"]), message, hint, _MISREAD, level="warn", found=END)
            lines.append(shot(number, str(item.get(shots["duration"], "")), text))
        return " ".join(lines)

    # -- settings

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, how in self.end.form["settings"].items():
            place, value = self._setting(how)
            allowed = self.end.settings.get(name)
            if value is None:
                continue
            if allowed is None:
                self._must_go_without(how, place, value)
            elif not any(type(one) is type(value) and one == value for one in allowed):
                written_ = quoted(self.read.get(parts(place)[0]))
                message = f"{self.end.model} has no `{name}: {quoted(value)}` in the second standard"
                self._refuse(fixed(place), message, self.back, found=written_, allowed=choices(allowed))
            else:
                settings[name] = value
        return settings

    def _setting(self, how: Mapping[str, Any]) -> tuple[str, Any]:
        """Where a setting's value stands in the request, and the value as the second standard writes it."""
        if "cases" in how:
            return self._case(how["cases"])
        source = self.read if how.get("always") else self.own
        value: Any = source.get(parts(how["from"])[0])
        if "values" in how:
            value = how["values"].get(value)
        return how["from"], int(value) if how.get("whole") and str(value).isdecimal() else value

    def _case(self, cases: list[Mapping[str, Any]]) -> tuple[str, Any]:
        case = next((one for one in cases if self._holds(one["when"])), cases[-1])
        return next(iter(case["when"])), case["value"]

    def _holds(self, when: Mapping[str, Any]) -> bool:
        return all(any(value == wanted for _, value in walk(self.read, place)) for place, wanted in when.items())

    def _must_go_without(self, how: Mapping[str, Any], place: str, value: Any) -> None:
        cut = parts(place) == parts(table_of()["shots"]["on"]) and self.end.cuts and self._is_written_out()
        if value not in how.get("missing", ()) and not cut:
            field_ = parts(place)[-1]
            message = f"{self.end.model} has no place for this `{field_}` in the second standard"
            self._refuse(fixed(place), message, f"Leave it out; {self.back}")

    def _refuse(
        self, place: Pointer, message: str, hint: str, rule: str = _NO_PLACE, *, level: str = "error", **facts: str
    ) -> None:
        source = str(self.end.form["source"])
        told = f"{hint[:1].upper()}{hint[1:]}."
        self.found.append(Finding(rule, level, place, message, hint=told, source=source, **facts))


def _sort(how: Mapping[str, Any], item: Any) -> str:
    if "types" not in how:
        return str(how["type"])
    types = how["types"]
    return str(types["is"].get(item.get(types["by"]), types["else"]))
