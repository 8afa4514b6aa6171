"""What will come out of a request, as far as the request fixes it: `x-kling.makes` of the schemas, read. Pure.

Plans check it against the limits of whatever uses the result, prices count its seconds, the emulator draws after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from kling_pipe.catalog.conditions import compiled
from kling_pipe.catalog.defaults import Body
from kling_pipe.catalog.operations import Operation, as_read, table
from kling_pipe.core.json_pointer import walk


class MediaFacts(NamedTuple):
    """Facts about a film, sound or picture; None and `""` where nothing fixes them.

    `seconds` as they were asked for, `short_side` in pixels, `ratio` is width by height, `model` made it.
    """

    seconds: float | None = None
    short_side: float | None = None
    ratio: float | None = None
    fps: float | None = None
    sound: bool | None = None
    model: str = ""

    @property
    def sides(self) -> tuple[float, float] | None:
        """The shorter and the longer side in pixels."""
        if self.short_side is None or not self.ratio:
            return None
        return self.short_side, self.short_side * max(self.ratio, 1 / self.ratio)


NOTHING = MediaFacts()
Given = Callable[[Any], MediaFacts | None]
"""What is known of the file that a value of the request stands for."""


def made(operation: Operation, request: Mapping[str, Any], given: Given, *, guess: bool = False) -> MediaFacts:
    """What a request makes. With `guess`, also what Kling decides (how long a text takes to speak), roughly."""
    forms = _forms(operation)
    body = as_read(operation, request)
    reader = _Reader(body, given, guess)
    model = operation.kling["pool"]["model"]
    if "grown" in forms:
        return reader.grown(forms["grown"])
    return MediaFacts(
        seconds=_number(reader.fact(forms.get("seconds"), "seconds")),
        short_side=_number(reader.fact(forms.get("short_side"), "short_side")),
        ratio=next((found for form in forms.get("ratio", ()) if (found := _ratio(reader.fact(form, "ratio")))), None),
        fps=_number(reader.fact(forms.get("fps"), "fps")),
        sound=reader.fact(forms.get("sound"), "sound"),
        model=str((reader.fact(forms["model"], "model") if "model" in forms else body.get(model)) or ""),
    )


@cache
def _forms(operation: Operation) -> Mapping[str, Any]:
    """`x-kling.makes` with its conditions compiled: cases become pairs of a condition and a form."""
    makes = operation.kling.get("makes", {})
    ratio = [_cases(form) for form in makes.get("ratio", ())]
    return {**{name: _cases(form) for name, form in makes.items()}, "ratio": ratio}


def _cases(form: Any) -> Any:
    if not isinstance(form, list):
        return form
    return tuple((compiled(one.get("when", {})), one["value"]) for one in form if "value" in one)


class _Reader(NamedTuple):
    body: Body
    given: Given
    guess: bool

    def fact(self, form: Any, name: str) -> Any:
        if isinstance(form, tuple):
            form = next((value for holds, value in form if holds(self.body)), None)
        if not isinstance(form, Mapping):
            return form
        if "input" in form:
            return self._of_input(form, name)
        if "table" in form:
            return table("capabilities")["short_side"][form["table"]].get(str(self.body.get(form["table"])))
        if "characters" in form:
            text = self._at(form["characters"])
            return max(1.0, len(text) * form["each"]) if self.guess and isinstance(text, str) else None
        found = self._at(form["field"])
        return found == form["is"] if "is" in form else found

    def grown(self, form: Mapping[str, Any]) -> MediaFacts:
        """The picture that goes in with its sides made longer."""
        value = self._at(form["input"])
        old = self.given(value) if value is not None else None
        if old is None or old.sides is None or not old.ratio:
            return NOTHING
        short, long = old.sides
        width, height = (long, short) if old.ratio >= 1 else (short, long)
        width, height = width * self._growth(form["width"]), height * self._growth(form["height"])
        return MediaFacts(short_side=min(width, height), ratio=width / height)

    def _growth(self, fields: Sequence[str]) -> float:
        return 1 + sum(_number(self._at(field)) or 0.0 for field in fields)

    def _of_input(self, form: Mapping[str, Any], name: str) -> Any:
        value = self._at(form["input"])
        known = self.given(value) if value is not None else None
        fact = getattr(known, name) if known else None
        return fact if fact is None or "plus" not in form else fact + form["plus"]

    def _at(self, pattern: str) -> Any:
        return next((value for _, value in walk(self.body, pattern)), None)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _ratio(value: Any) -> float | None:
    """`16:9` as a number; a number as it is; None for `auto`."""
    if isinstance(value, str):
        width, _, height = value.partition(":")
        return int(width) / int(height) if width.isdecimal() and height.isdecimal() and int(height) else None
    return _number(value)


def narrowed(limits: Mapping[str, Any], body: Mapping[str, Any], model: str = "") -> Mapping[str, Any]:
    """The limits of a file for one request: those of its model and of the cases that hold for it in place."""
    found = {**limits, **limits.get("by_model", {}).get(model, {})}
    for one in limits.get("cases", ()):
        if compiled(one["when"])(body):
            found |= {name: value for name, value in one.items() if name != "when"}
    return found
