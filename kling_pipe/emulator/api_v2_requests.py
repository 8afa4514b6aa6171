"""Requests of the second standard, read: held against their schema and turned into what the world knows.

Written apart from what the client does the other way round, so that one's mistake is not the other's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from typing import Any

from kling_pipe.catalog.api_v2.schema import body_schema
from kling_pipe.catalog.api_v2.table import Endpoint, endpoints, table_of
from kling_pipe.catalog.validation.schema_errors import SchemaError, SchemaShape
from kling_pipe.core.json_pointer import parts
from kling_pipe.emulator.answers import Refusal

_SHOT = re.compile(r"shot\s+(\d+)\s*,\s*(\d+)\s*,\s*(\S.*)", re.IGNORECASE | re.DOTALL)
Body = dict[str, Any]


def read(end: Endpoint, body: Mapping[str, Any], *, strict: bool) -> Body:
    """A create's body as the first standard would have it. Raises Refusal 1201."""
    asked = {name: value for name, value in body.items() if value not in ("", None)}
    asked["options"] = {name: value for name, value in (body.get("options") or {}).items() if value not in ("", None)}
    if fault := _shape(end.path).fault(asked):
        raise _refused(fault)
    return _Reader(end, asked, strict).read()


@cache
def _shape(path: str) -> SchemaShape:
    return SchemaShape(body_schema(endpoints()[path]))


def _refused(fault: SchemaError) -> Refusal:
    place = ".".join(map(str, fault.pointer)) or "the request body"
    if fault.keyword == "required":
        return Refusal(1201, f"{place}: {fault.message}")
    if fault.keyword == "additionalProperties":
        return Refusal(1201, f"{place} has a field that does not exist here: {fault.message[:120]}")
    return Refusal(1201, f"{place} value '{str(fault.found)[:80]}' is invalid")


@dataclass(slots=True)
class _Reader:
    """One body. `inputs` are ids with what they stand for: `("image", 2)`."""

    end: Endpoint
    body: Mapping[str, Any]
    strict: bool
    found: Body = field(default_factory=dict)
    inputs: dict[str, tuple[str, int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def read(self) -> Body:
        self.found[parts(table_of()["model"])[0]] = self.end.model
        text = str(self.body.get("prompt", ""))
        for content in self.body.get("contents", ()):
            if content["type"] == "prompt":
                if text:
                    raise Refusal(1201, "contents can have one prompt")
                text = content["text"]
            else:
                self._take(content)
        self._must_be_clear()
        cuts = self._settings()
        self._say(self._named(text), cuts=cuts)
        self.found.update(self.body["options"])
        return self.found

    def _take(self, content: Mapping[str, Any]) -> None:
        sort = content["type"]
        how = next(one for one in self.end.form["contents"] if sort in _sorts(one))
        self.counts[sort] = self.counts.get(sort, 0) + 1
        if self.counts[sort] > self.end.takes[sort]:
            raise Refusal(1201, f"contents can have at most {self.end.takes[sort]} of type {sort}")
        value = content[how["at"]]
        if how.get("text") and value.isdecimal():
            value = int(value)
        place = parts(how["from"])[0]
        if "item" not in how:
            self.found[place] = value
            return
        item, items = {how["item"]: value}, self.found.setdefault(place, [])
        kinds = how.get("types", {"is": {}})
        for word, name in kinds["is"].items():
            if name == sort:
                item[kinds["by"]] = word
        items.append(item)
        if "id" in content:
            if content["id"] in self.inputs:
                raise Refusal(1201, f"contents id '{content['id']}' is duplicated")
            self.inputs[content["id"]] = (how["token"], len(items))

    def _must_be_clear(self) -> None:
        """The vendor advises against ids that are parts of others; strictly, they are refused."""
        for one, other in permutations(self.inputs, 2) if self.strict else ():
            if one in other:
                raise Refusal(1201, f"contents id '{one}' is a part of '{other}'")

    def _settings(self) -> bool:
        """Take over all settings; whether the film may be cut into shots."""
        given = self.body.get("settings", {})
        cuts = bool(self.end.row.get("shots"))
        for name, how in self.end.form["settings"].items():
            if name not in self.end.settings:
                continue
            value = given.get(name, self._default(how))
            if how.get("from") == self.end.shots["on"]:
                cuts = value
            elif value is not None:
                self._set(how, value)
        return cuts

    def _default(self, how: Mapping[str, Any]) -> Any:
        return None if how.get("default_unless") in self.counts else how.get("default")

    def _set(self, how: Mapping[str, Any], value: Any) -> None:
        if "cases" in how:
            for place, own in next(one["when"] for one in how["cases"] if one["value"] == value).items():
                self._put(parts(place), own)
            return
        inverse = {there: here for here, there in how.get("values", {}).items()}
        self._put(parts(how["from"]), str(value) if how.get("whole") else inverse.get(value, value))

    def _put(self, place: tuple[str, ...], value: Any) -> None:
        if len(place) == 1:
            self.found[place[0]] = value
        for item in self.found.get(place[0], ()) if len(place) == 3 else ():
            item[place[2]] = value

    def _named(self, text: str) -> str:
        """The text with numbered tokens for the ids in it."""
        if not self.inputs:
            return text
        longest_first = sorted(self.inputs, key=len, reverse=True)
        pattern = "|".join(re.escape(id_) for id_ in longest_first)
        return re.sub(f"@({pattern})", lambda match: "<<<{}_{}>>>".format(*self.inputs[match[1]]), text)

    def _say(self, text: str, *, cuts: bool) -> None:
        words = table_of()["shots"]
        on, sort, place = (parts(words[word])[0] for word in ("on", "sort", "from"))
        shots = self._shots(text) if cuts else []
        if shots:
            self.found.update({on: True, sort: words["written"], place: shots})
            return
        if text:
            self.found[parts(table_of()["prompt"]["from"])[0]] = text
        if cuts and on.strip("/") in self.end.settings:
            self.found.update({on: True, sort: words["left_to_kling"]})

    def _shots(self, text: str) -> list[Body]:
        """The shots of a text, or none when it is not written in shots. Raises Refusal for shots that are not whole."""
        words, pieces = table_of()["shots"], [piece.strip() for piece in text.split(";")]
        found = [_SHOT.fullmatch(piece) for piece in pieces if piece]
        if not found or found[0] is None:
            return []
        shots = []
        for number, match in enumerate(found, start=1):
            if match is None or int(match[1]) != number or number > words["most"]:
                raise Refusal(1201, f"shot {number} is invalid: write `shot n, m, words;`, at most {words['most']}")
            if len(match[3]) > words["most_words"]:
                raise Refusal(1201, f"shot {number} has more than {words['most_words']} characters")
            shots.append({words["index"]: number, words["duration"]: match[2], words["words"]: match[3].strip()})
        return shots


def _sorts(how: Mapping[str, Any]) -> tuple[str, ...]:
    return (how["type"],) if "type" in how else (*how["types"]["is"].values(), how["types"]["else"])
