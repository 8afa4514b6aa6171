"""What the second standard answers, in the words of the first: ids, states, results, units, callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.pointers import parts
from kling_pipe.standards.table import table_of

_STATUS = "status"


def row(data: Mapping[str, Any]) -> dict[str, Any]:
    """A task. An unknown status stays as it is, for the caller to name."""
    form = table_of()["answer"]
    found: dict[str, Any] = {}
    for name, place in form["fields"].items():
        if data.get(name) is not None:
            value = form["states"].get(data[name], data[name]) if name == _STATUS else data[name]
            _put(found, place, value)
    result = _result(data.get("outputs") or (), form["outputs"])
    if result:
        found["task_result"] = result
    units = _units(data.get("billing") or (), form["billing"])
    if units:
        _put(found, form["billing"]["amount"], units)
    return found


def heard(form: Mapping[str, Any]) -> tuple[str, str] | None:
    """The task and the status that a callback tells of, in either standard; None when it is none of Kling's."""
    told = form if "task_id" in form else row(form)
    id_ = told.get("task_id")
    return (id_, str(told.get("task_status") or "")) if isinstance(id_, str) and id_ else None


def _put(found: dict[str, Any], place: str, value: Any) -> None:
    *way, last = parts(place)
    for step in way:
        found = found.setdefault(step, {})
    found[last] = value


def _result(outputs: Any, forms: Mapping[str, Any]) -> dict[str, Any]:
    """`task_result`: outputs by the key of their type, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for output in outputs:
        form = forms.get(output.get("type"))
        if form is not None:
            fields = form["fields"].items()
            item = {own: output[name] for name, own in fields if output.get(name) is not None}
            found.setdefault(form["key"], []).append(item)
    return {**found}


def _units(billing: Any, form: Mapping[str, Any]) -> str:
    """Units are added up; what was paid in money is no number of units."""
    amounts = [str(one.get("amount") or "0") for one in billing if one.get("charge_type") == form["charge_type"]]
    if len(amounts) < 2:
        return "".join(amounts)
    return f"{sum(map(float, amounts)):g}"
