"""Problems, plans and runs as Markdown: for a comment on a pull request and for the summary page of a CI job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kling_pipe.model import Plan, Problem, Record, Step
from kling_pipe.report.ended import Ended
from kling_pipe.report.plans import amount, paid_text, spending, total_text
from kling_pipe.report.problem_details import facts

MOST_ROWS = 100
"""Rows of one table: a comment may have 65,536 characters at GitHub, and nobody reads row 101."""

_MARKS = {"error": "❌", "warn": "⚠️", "note": "💡"}
_WORDS = {"error": "error", "warn": "warning", "note": "note"}
_QUIET = ("reuse", "frozen")
_TICKS = re.compile("`+")


def marker(kind: str, project: str) -> str:
    """An invisible line by which a comment is found again, to be updated in place."""
    return f"<!-- kling-pipe:{kind}:{re.sub('[^a-z0-9-]', '', project)} -->"


def problems_markdown(problems: Sequence[Problem], *, manifest: str = "", jobs: int = 0) -> str:
    """A heading with counts, and every problem with its place, its facts and its source line."""
    counts: Counter[str] = Counter(problem.level for problem in problems)
    told = ", ".join(
        f"{counts[level]} {word}{'' if counts[level] == 1 else 's'}" for level, word in _WORDS.items() if counts[level]
    )
    name = f"{code(manifest)}: " if manifest else ""
    checked = f" ({jobs} jobs)" if jobs else ""
    lines = [f"### {name}{told or 'no problems'}{checked}", ""]
    for problem in problems[:MOST_ROWS]:
        lines += _problem(problem)
    return "\n".join([*lines, *_rest(len(problems))]).rstrip() + "\n"


def plan_markdown(plan: Plan, *, emulated: bool = False, problems: Sequence[Problem] = (), offline: bool = True) -> str:
    """What a run would do and cost. What stays as it is is folded away."""
    loud = [step for step in plan.steps if step.action not in _QUIET]
    quiet = [step for step in plan.steps if step.action in _QUIET]
    count = len(spending(plan.steps))
    tasks = f"{count} new task{'' if count == 1 else 's'}" if count else "nothing to pay for"
    lines = [
        marker("plan", plan.project),
        f"### Plan for {code(plan.project)}: {tasks}",
        "",
        f"**{total_text(plan.steps)}**",
    ]
    lines += ["", *_remarks(emulated, offline)]
    lines += _table(("Action", "Job", "Cost", "Why"), [_step_row(step) for step in loud], ":--- | :--- | ---: | :---")
    if quiet:
        inner = _table(("Action", "Job"), [(step.action, code(step.job.address)) for step in quiet], ":--- | :---")
        lines += _folded(f"{len(quiet)} stay as they are", inner)
    shown = [problem for problem in problems if problem.level != "note"]
    if shown:
        lines += [line for problem in shown[:MOST_ROWS] for line in _problem(problem)] + _rest(len(shown))
    return "\n".join(lines).rstrip() + "\n"


def run_markdown(
    outcomes: Sequence[Ended],
    *,
    project: str,
    units: Mapping[str, float],
    usd: float,
    emulated: bool = False,
    accounts: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """What a run came to: what failed first, then what waits, what was made, and what was there already."""
    by_ending = {
        ending: [one for one in outcomes if one.ending == ending] for ending in ("made", "reused", "failed", "waiting")
    }
    counts = ", ".join(f"{len(listed)} {ending}" for ending, listed in by_ending.items())
    spent = f"{amount(units.get('video', 0))} video units, {amount(units.get('image', 0))} image units (${usd:.2f})"
    lines = [
        marker("run", project),
        f"### Run of {code(project)}: {counts}",
        "",
        f"**{spent}**",
        "",
        *_remarks(emulated, False),
    ]
    lines += _accounts(accounts or {})
    for ending in ("failed", "waiting"):
        told = [(code(one.address), escaped(one.message)) for one in by_ending[ending]]
        lines += _table((ending.capitalize(), "Reason"), told, ":--- | :---")
    made = [
        (code(one.address), _files(one.record), one.record.units if one.record else "") for one in by_ending["made"]
    ]
    lines += _table(("Made", "Files", "Units"), made, ":--- | :--- | ---:")
    if by_ending["reused"]:
        inner = _table(("Job",), [(code(one.address),) for one in by_ending["reused"]], ":---")
        lines += _folded(f"{len(by_ending['reused'])} reused", inner)
    return "\n".join(lines).rstrip() + "\n"


def _accounts(accounts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row an account: what it made and charged, how well its slots were used, and why it stopped."""
    rows = [
        (
            code(name),
            str(form["made"]),
            ", ".join(f"{amount(number)} {pack}" for pack, number in form["units"].items()),
            ", ".join(f"{pool} {one['used']:.0%} of {one['limit']}" for pool, one in form["slots"].items()),
            escaped(form["stopped"]),
        )
        for name, form in accounts.items()
    ]
    return _table(("Account", "Made", "Units", "Slots used", "Stopped"), rows, ":--- | ---: | ---: | :--- | :---")


def code(text: str) -> str:
    """A code span, whatever stands in the text; inside of it nobody is mentioned and nothing is markup."""
    longest = max((len(run) for run in _TICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or text != text.strip() else ""
    # A cell ends at a bar, even inside a code span.
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}".replace("|", "\\|")


def escaped(text: str) -> str:
    """Running text: markup has no effect, except for the code spans that our own messages hold."""
    parts = re.split(r"(`[^`\n]+`)", " ".join(text.split()))
    return "".join(code(part[1:-1]) if index % 2 else _literal(part) for index, part in enumerate(parts))


def _literal(text: str) -> str:
    # A mention would call people, `<` would be HTML, and `#12` would link an issue.
    text = re.sub(r"([\\`*_\[\]|~])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub("[@#]", lambda sign: f"&#{ord(sign.group())};", text)


def _remarks(emulated: bool, offline: bool) -> list[str]:
    lines = ["_On the emulator: nothing is sent to Kling, nothing is paid._", ""] if emulated else []
    return [*lines, "_Offline: the account was not asked._", ""] if offline else lines


def _step_row(step: Step) -> tuple[str, str, str, str]:
    cost = paid_text(step)
    why = f"same request as {code(step.shared_with)}" if step.shared_with else escaped("; ".join(step.reasons))
    return step.action, code(step.job.address), cost, why


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    if not rows:
        return []
    lines = [f"| {' | '.join(head)} |", f"| {align} |", *(f"| {' | '.join(row)} |" for row in rows[:MOST_ROWS])]
    return [*lines, "", *_rest(len(rows))]


def _rest(count: int) -> list[str]:
    return [f"... and {count - MOST_ROWS} more.", ""] if count > MOST_ROWS else []


def _folded(title: str, lines: Iterable[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *lines, "</details>", ""]


def _problem(problem: Problem) -> list[str]:
    place = f"{code(str(problem.position))} " if problem.position else ""
    address = f"{code(problem.address)}: " if problem.address else ""
    lines = [f"- {_MARKS[problem.level]} **{problem.id}** {place}{address}{escaped(problem.message)}"]
    lines += [f"  - {word}: {escaped(text)}" for word, text in facts(problem)]
    if problem.excerpt.strip():
        lines += [
            "",
            f"  {_fence(problem.excerpt)}yaml",
            f"  {problem.excerpt.strip()}",
            f"  {_fence(problem.excerpt)}",
            "",
        ]
    return lines


def _fence(text: str) -> str:
    return "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))


def _files(record: Record | None) -> str:
    found = [output.path or str(output.element_id or "") for output in (record.outputs if record else ())]
    return ", ".join(code(one) for one in found if one)
