"""What a run came to, as a line, as a list of failures, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.report.plans import amount, units_text

_DIFFERENCE = 0.005
"""Units are told to two places."""

if TYPE_CHECKING:
    from kling_pipe.engine import Outcome, Result


def summary_text(result: Result, *, emulated: bool = False) -> str:
    """The last line of a run: `N made, N reused, N failed, N waiting; V video units, I image units ($X)`."""
    others = f" ({result.by_others} made by another run)" if result.by_others else ""
    counts = f"{result.made} made, {result.reused} reused{others}, {result.failed} failed, {result.waiting} waiting"
    paid = f"{units_text(result.units)} (${result.usd:.2f})"
    return f"{counts}; {paid}{' on the emulator, nothing was paid' if emulated else ''}"


def charges_text(result: Result) -> str:
    """Where Kling charged something else than was estimated, a line each; "" where it did not."""
    made = [one for one in result.outcomes if one.ending == "made" and one.record and one.record.units]
    return "\n".join(line for one in made if (line := _surprise(one)))


def _surprise(outcome: Outcome) -> str:
    charged, cost = (outcome.record.charged if outcome.record else 0.0), outcome.step.cost
    if cost.units is None or cost.pack is None or abs(charged - cost.units) < _DIFFERENCE:
        return ""
    return (
        f"{click.style('charged', fg='yellow')} {charged:g} {cost.pack} units for {outcome.address}, "
        f"estimated were {cost.units:g}"
    )


def _plain_command(verb: str, *words: str) -> str:
    return " ".join(("kling-pipe", verb, *words))


def failures_text(result: Result, command: Callable[..., str] = _plain_command) -> str:
    """Each failed job: where it stands, what Kling said, what it cost, what to do.

    `command(verb, *words)` writes a command line for this campaign.
    """
    return "\n".join(_failure(outcome, command) for outcome in result.outcomes if outcome.ending == "failed")


def _failure(outcome: Outcome, command: Callable[..., str]) -> str:
    job, record = outcome.step.job, outcome.record
    place = f"{job.position}: " if job.position else ""
    lines = [
        f"{place}{click.style('failed', fg='red', bold=True)} {job.address}: {outcome.message or 'no reason given'}"
    ]
    if record is not None and record.task_id:
        cost = f"{record.units} units" if record.units else "no units"
        lines.append(f"    task: {record.task_id} ({record.external_task_id}), {cost} charged")
    lines.append(f"    next: {_next(outcome, command)}")
    return "\n".join(lines)


def _next(outcome: Outcome, command: Callable[..., str]) -> str:
    address, record = outcome.address, outcome.record
    if outcome.step.action in ("lost", "blocked"):
        return _next_unsent(outcome, command)
    if outcome.message.startswith("it needs"):
        return "see the job that it needs"
    if record is None and "the budget allows" in outcome.message:
        return "run again once the runs beside it have ended, or allow more with --budget"
    if record is not None and record.failure == "moderation":
        return "change the prompt or the pictures; Kling's content rules refused them"
    return f"change it in the manifest, or try again with `{command('retry', address)}`"


def _next_unsent(outcome: Outcome, command: Callable[..., str]) -> str:
    """The same of a job that the plan would not send."""
    address, record = outcome.address, outcome.record
    if outcome.step.action == "lost":
        return f"pay for it once more with `{command('run', '--replace', address)}`, or bring the file back"
    if outcome.step.cause == "other_account":
        adopt, run = command("adopt", address), command("run", "--new-account")
        return f"take that result over with `{adopt}`, or make it anew, and pay again, with `{run}`"
    if "the account `" in outcome.message:
        return "see to that account, or say with `account:` and --account which one is meant"
    if outcome.message.startswith("it needs"):
        return "see the job that it needs"
    if record is not None and record.failure == "moderation":
        return "change the prompt or the pictures; Kling's content rules refused them"
    return f"change it in the manifest, or try again with `{command('retry', address)}`"


def result_form(result: Result) -> dict[str, Any]:
    """The summary as JSON, the last line of `run --json`."""
    failed = [
        {"address": one.address, "message": one.message, "task_id": one.record.task_id if one.record else ""}
        for one in result.outcomes
        if one.ending == "failed"
    ]
    return {
        "type": "summary",
        "made": result.made,
        "reused": result.reused,
        "by_others": result.by_others,
        "failed": result.failed,
        "waiting": result.waiting,
        "units": {"video": result.units.get("video", 0.0), "image": result.units.get("image", 0.0)},
        "usd": result.usd,
        "stopped": result.stopped,
        "failures": failed,
        "counters": dict(result.counters),
        **({"accounts": dict(result.accounts)} if result.accounts else {}),
    }


def accounts_text(result: Result) -> str:
    """A line an account, where there are several: what it made and charged, what is left, and why it stopped."""
    return "\n".join(_account(name, form) for name, form in result.accounts.items())


def _account(name: str, form: Mapping[str, Any]) -> str:
    left = ", ".join(f"{amount(number)} {pack}" for pack, number in form["left"].items())
    before = f" ({left} units were left before)" if left else ""
    line = f"account {name}: {form['made']} made, {units_text(form['units'])}{before}"
    return f"{line}; {click.style('stopped', fg='red')}: {form['stopped']}" if form["stopped"] else line
