"""A reviewed plan as a file, and whether what would run now is still what was reviewed. Pure.

A saved plan is not a recipe for running: the manifest is compiled and planned again, and `changed_since` compares.
What has been made in the meantime, by an earlier run of the same plan, is no change; anything that would be sent and
was not reviewed is, and so is a higher price. What `retries` may add is reviewed by number: no run of a saved plan
makes an attempt beyond the last that it names, nor do all its runs together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Plan, Problem, Step
from kling_pipe.planning.budget import at_most

FORMAT = "kling-pipe plan"
FORMAT_VERSION = "1.0"
_AGAIN = "Make and review a new plan: `kling-pipe plan --out FILE`."
_PROGRESS = frozenset({"resume", "reuse", "download"})
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What was reviewed. `asked` is how the plan was made (manifest, vars, profile, selection), for doing it again.

    `account` is the hash that ledger and lock use; `steps` are rows by address.
    """

    project: str
    account: str
    emulated: bool
    asked: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def saved_text(plan: Plan, *, account: str, emulated: bool, asked: Mapping[str, Any], tool: str = "") -> str:
    """The file's text. `asked` must be JSON; it is handed back by `read_saved` as it is."""
    body = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "tool": tool,
        "project": plan.project,
        "account": account,
        "emulated": emulated,
        "asked": dict(asked),
        "at_most": at_most(plan.steps),
        "steps": [_row(step) for step in plan.steps],
    }
    return json.dumps({**body, "sha256": _digest(body)}, ensure_ascii=False, indent=2) + "\n"


def is_saved(text: str) -> bool:
    """Whether a file's text is meant to be a saved plan: a manifest never starts with a brace and this word."""
    return text.lstrip()[:200].replace(" ", "").replace("\n", "").startswith(f'{{"format":"{FORMAT.replace(" ", "")}"')


def read_saved(text: str, name: str) -> SavedPlan:
    """The saved plan of a file's text. Raises `LocalStateError` when it is damaged, edited or from a newer version."""
    try:
        body = json.loads(text)
        version, digest = body["format_version"], body.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LocalStateError(f"`{name}` is no saved plan", hint=_AGAIN) from None
    if str(version).partition(".")[0] != FORMAT_VERSION.partition(".")[0]:
        raise LocalStateError(f"`{name}` has format {version}, this kling-pipe reads {FORMAT_VERSION}", hint=_AGAIN)
    if digest != _digest(body):
        raise LocalStateError(f"`{name}` was changed after it was saved", hint=_AGAIN)
    steps = {row["address"]: row for row in body["steps"]}
    return SavedPlan(body["project"], body["account"], body["emulated"], body["asked"], steps)


def changed_since(saved: SavedPlan, plan: Plan, *, account: str, emulated: bool) -> list[Problem]:
    """What a run of `plan` would do that was not reviewed; empty when it may go on."""
    problems = [*_circumstances(saved, plan, account, emulated)]
    if problems:
        return problems
    now = {step.job.address: step for step in plan.steps}
    for address, step in now.items():
        problems += _step_changes(saved.steps.get(address), step)
    return problems + [_problem(address, "it was reviewed, and is not in the manifest any more")
                       for address in saved.steps if address not in now]  # fmt: skip


def within(saved: SavedPlan, plan: Plan) -> Plan:
    """The plan with no more attempts than were reviewed, whatever `retries` says by now."""
    return replace(plan, steps=tuple(_within(saved.steps.get(step.job.address), step) for step in plan.steps))


def _within(row: Mapping[str, Any] | None, step: Step) -> Step:
    asked = step.attempt if step.action == "create" else 1
    most = _last(row) - asked if row else 0
    return replace(step, job=replace(step.job, retries=max(0, min(step.job.retries, most))))


def _circumstances(saved: SavedPlan, plan: Plan, account: str, emulated: bool) -> Iterator[Problem]:
    if saved.emulated != emulated:
        yield _problem("", f"the plan was made {'on' if saved.emulated else 'without'} the emulator")
    elif saved.account and saved.account != account:
        yield _problem("", "the plan was made for another account")
    if saved.project != plan.project:
        yield _problem("", f"the plan was made for project `{saved.project}`, the manifest says `{plan.project}`")


def _step_changes(row: Mapping[str, Any] | None, step: Step) -> Iterator[Problem]:
    address = step.job.address
    if row is None:
        yield _problem(address, "it was not in the plan that was reviewed", step)
    elif row["key"] != step.job.key:
        yield _problem(
            address, f"its request changed: it was `{row['external_task_id']}`, now `{step.external_task_id}`", step
        )
    elif _is_next(row, step):
        yield from _price(row, step)
    elif row["action"] != step.action and not (_reviewed_to_pay(row) and step.action in _PROGRESS):
        if step.action in ("reuse", "download"):
            return
        yield _problem(
            address,
            f"the plan said `{row['action']}`, a run would `{step.action}` now: {'; '.join(step.reasons)}",
            step,
        )
    elif step.pays and row["external_task_id"] != step.external_task_id:
        yield _problem(address, f"it would be task `{step.external_task_id}`, not `{row['external_task_id']}`", step)
    elif step.pays:
        yield from _price(row, step)


def _price(row: Mapping[str, Any], step: Step) -> Iterator[Problem]:
    each = row.get("each") or row
    for name, now in (("units", step.cost.units), ("usd", step.cost.usd)):
        then = each[name]
        if (now is None) != (then is None) or (now is not None and now > then + _TOLERANCE):
            words = [f"{'unknown' if value is None else f'{value:g}'}" for value in (then, now)]
            yield _problem(step.job.address, f"its price in {name} was {words[0]}, now it is {words[1]}", step)
            return


def _is_next(row: Mapping[str, Any], step: Step) -> bool:
    """Whether it is a further attempt at what was reviewed, of those that were reviewed with it."""
    return step.pays and _reviewed_to_pay(row) and _first(row) < step.attempt <= _last(row) and step.action != "create"


def _first(row: Mapping[str, Any]) -> int:
    _, mark, number = str(row["external_task_id"]).rpartition("-a")
    return int(number) if mark and number.isdecimal() else 1


def _last(row: Mapping[str, Any]) -> int:
    """The last attempt that was reviewed. A plan of an earlier version shows one task and no retries."""
    return int(row.get("last_attempt", _first(row)))


def _reviewed_to_pay(row: Mapping[str, Any]) -> bool:
    return row["action"] in ("create", "retry", "resume")


def _row(step: Step) -> dict[str, Any]:
    each = step.again or step.cost
    return {
        "address": step.job.address,
        "action": step.action,
        "key": step.job.key,
        "external_task_id": step.external_task_id,
        "units": step.cost.units,
        "pack": step.cost.pack,
        "usd": step.cost.usd,
        "last_attempt": step.last_attempt if step.most_tasks else step.attempt,
        "each": {"units": each.units, "usd": each.usd},
        "shared_with": step.shared_with,
    }


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _problem(address: str, message: str, step: Step | None = None) -> Problem:
    return Problem("KP404", "error", message, step.job.position if step else None, address, hint=_AGAIN)
