"""Which problems count, and how much: flags, `kling-pipe.toml`, and `# kp: ignore` on the line. Pure.

What a problem's level is may be changed by anybody who takes the consequences. What may not be silenced is an error of
the manifest language itself: where nothing was compiled there is nothing to go on with. An error that a rule of the API
gives (it names the `rule`) may be ignored: then the request is sent as it is written, and Kling decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import NamedTuple, cast

from kling_pipe.manifest.yaml.tokens import comments
from kling_pipe.model import Level, Position, Problem

LEVELS = ("error", "warn", "note", "off")
_REMARK = re.compile(r"#\s*kp:\s*ignore\b:?([^#]*)")
_WORD = re.compile(r"[A-Za-z][\w/*-]*")
_KEPT = "This cannot be ignored: nothing can be compiled around it."


@dataclass(frozen=True, slots=True)
class Levels:
    """What the user said about problems. Ids may hold `*` (`OV-*`); of several rules for one id the last counts.

    `rules` maps ids to `error`, `warn`, `note` or `off`; `only` keeps just these ids; `strict` makes warnings errors.
    """

    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False


def leveled(problems: Iterable[Problem], levels: Levels, texts: Mapping[str, str]) -> list[Problem]:
    """The problems that are left, with the levels that the user gave them.

    `texts` are the files' texts by the names that positions use. An ignore that met nothing becomes a note.
    """
    problems = list(problems)
    remarks = {name: _remarks(name, text) for name, text in texts.items() if "kp:" in text}
    left = [_levelled(one, levels, remarks.get(one.position.file, ()) if one.position else ()) for one in problems]
    found = [one for one in left if one is not None]
    idle = [_idle(remark, texts) for listed in remarks.values() for remark in listed if not _met(remark, problems)]
    return found + [one for one in (_levelled(note, levels, ()) for note in idle) if one is not None]


def may_be_ignored(problem: Problem) -> bool:
    """Whether a run can go on without heeding the problem."""
    return problem.level != "error" or bool(problem.rule)


class _Remark(NamedTuple):
    """`# kp: ignore ...` in a file: the ids that it names and the lines that it speaks about."""

    ids: tuple[str, ...]
    text: str
    file: str
    first: int
    last: int


def _remarks(name: str, text: str) -> tuple[_Remark, ...]:
    found = []
    for comment in comments(text.removeprefix("\ufeff").replace("\r\n", "\n")):
        for match in _REMARK.finditer(comment.text):
            ids = tuple(_WORD.findall(match.group(1)))
            found.append(_Remark(ids, match.group().strip(), name, comment.first, comment.last))
    return tuple(found)


def _levelled(problem: Problem, levels: Levels, remarks: Sequence[_Remark]) -> Problem | None:
    wanted = _wanted(problem, levels, remarks)
    if wanted != "error" and not may_be_ignored(problem):
        return replace(problem, hint=f"{problem.hint} {_KEPT}".strip())
    if wanted == "off":
        return None
    level = "error" if wanted == "warn" and levels.strict else wanted
    return replace(problem, level=cast("Level", level)) if level != problem.level else problem


def _wanted(problem: Problem, levels: Levels, remarks: Sequence[_Remark]) -> str:
    if levels.only and not _names(levels.only, problem):
        return "off" if may_be_ignored(problem) else problem.level
    if _names(levels.ignore, problem) or any(_speaks_about(remark, problem) for remark in remarks):
        return "off"
    given = [level for id, level in levels.rules.items() if _names((id,), problem)]
    return given[-1] if given else problem.level


def _names(ids: Iterable[str], problem: Problem) -> bool:
    own = {problem.id.upper(), problem.rule.upper()} - {""}
    return any(fnmatchcase(one, id.upper()) for id in ids for one in own)


def _speaks_about(remark: _Remark, problem: Problem) -> bool:
    at = problem.position
    return (
        at is not None
        and at.file == remark.file
        and remark.first <= at.line <= remark.last
        and _names(remark.ids, problem)
    )


def _met(remark: _Remark, problems: Sequence[Problem]) -> bool:
    return bool(remark.ids) and any(_speaks_about(remark, problem) for problem in problems)


def _idle(remark: _Remark, texts: Mapping[str, str]) -> Problem:
    lines = texts[remark.file].splitlines()
    excerpt = lines[remark.first - 1] if remark.first <= len(lines) else ""
    column = excerpt.find(remark.text) + 1
    position, width = Position(remark.file, remark.first, max(1, column)), len(remark.text)
    if not remark.ids:
        return Problem("KP321", "warn", f"`{remark.text}` names no problem", position, excerpt=excerpt, width=width,
                       hint="Name the ids that may be ignored here: `# kp: ignore OV-05`.")  # fmt: skip
    return Problem("KP322", "note", f"`{remark.text}` ignores nothing: there is no such problem here", position,
                   excerpt=excerpt, width=width, hint="Remove the remark.")  # fmt: skip
