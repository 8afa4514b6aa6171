"""What the second standard answers, in the words of the first: ids, states, results, units, callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.api_v2.table import table_of
from kling_pipe.core.json_pointer import parts

_STATUS = "status"


def row(data: Mapping[str, Any]) -> dict[str, Any]:
    """A task. An unknown status stays as it is, for the caller to name."""
    form = table_of()["answer"]
    found: dict[str, Any] = {}
    for name, place in form["fields"].items():
        if data.get(name) is not None:
            value = data[name]
            if name == _STATUS and isinstance(value, str):
                value = form["states"].get(value, value)
            _put(found, place, value)
    result = _result(data.get("outputs"), form["outputs"])
    if result:
        found["task_result"] = result
    units = _units(data.get("billing"), form["billing"])
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


def _result(outputs: Any, forms: Mapping[str, Any]) -> Any:
    """`task_result`: outputs by the key of their type, in order; no object where they are no list of objects."""
    if outputs is None:
        return {}
    if not (isinstance(outputs, list) and all(isinstance(one, Mapping) for one in outputs)):
        return [outputs]
    found: dict[str, list[dict[str, Any]]] = {}
    for output in outputs:
        kind = output.get("type")
        form = forms.get(kind) if isinstance(kind, str) else None
        if form is not None:
            fields = form["fields"].items()
            item = {own: output[name] for name, own in fields if output.get(name) is not None}
            found.setdefault(form["key"], []).append(item)
    return {**found}


def _units(billing: Any, form: Mapping[str, Any]) -> Any:
    """Units are added up; what was paid in money is no number of units. What cannot be added is given as it is."""
    if billing is None:
        return ""
    if not (isinstance(billing, list) and all(isinstance(one, Mapping) for one in billing)):
        return [billing]
    amounts = [one.get("amount") or "0" for one in billing if one.get("charge_type") == form["charge_type"]]
    if len(amounts) < 2:
        return amounts[0] if amounts else ""
    try:
        return f"{sum(map(float, amounts)):g}"
    except (TypeError, ValueError, OverflowError):
        return amounts
