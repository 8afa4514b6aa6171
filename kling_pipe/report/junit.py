"""Jobs as JUnit XML, one test case a job: for `validate`, and for `run`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from kling_pipe.model import Problem
from kling_pipe.report.ended import Ended
from kling_pipe.report.problem_text import plain_text

# XML 1.0 has no place for control characters and lone surrogates, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Case:
    """`name` is class and name; `verdict` is "failure", "skipped" or ""; `said` goes to the output of the case."""

    name: tuple[str, str]
    seconds: float = 0.0
    verdict: str = ""
    type: str = ""
    message: str = ""
    text: str = ""
    said: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def problems_junit(problems: Sequence[Problem], *, addresses: Iterable[str] = (), suite: str = "kling-pipe") -> str:
    """A case for every job, failed if it has an error; what belongs to no job is a case of the name of its file."""
    found: dict[tuple[str, str], list[Problem]] = {_named(address): [] for address in addresses}
    for problem in problems:
        file = problem.position.file if problem.position else suite
        found.setdefault(_named(problem.address) if problem.address else ("manifest", file), []).append(problem)
    return _document(suite, [_checked(name, listed) for name, listed in found.items()])


def run_junit(outcomes: Sequence[Ended], *, suite: str = "kling-pipe") -> str:
    """A case for every job of a run: what waits is skipped, seconds are those between task and result at Kling."""
    return _document(suite, [_ended(outcome) for outcome in outcomes])


def _named(address: str) -> tuple[str, str]:
    kind, _, name = address.partition(".")
    return (kind, name) if name else ("job", kind)


def _checked(name: tuple[str, str], problems: Sequence[Problem]) -> _Case:
    errors = [problem for problem in problems if problem.level == "error"]
    said = "\n".join(plain_text(problem) for problem in problems if problem.level != "error")
    if not errors:
        return _Case(name, said=said)
    text = "\n".join(plain_text(problem) for problem in errors)
    return _Case(name, 0.0, "failure", errors[0].id, errors[0].message, text, said)


def _ended(outcome: Ended) -> _Case:
    record = outcome.record
    properties: tuple[tuple[str, str], ...] = ()
    if record is not None:
        known = (("external_task_id", record.external_task_id), ("task_id", record.task_id), ("units", record.units))
        properties = tuple((name, value) for name, value in known if value)
    verdict = {"failed": "failure", "waiting": "skipped"}.get(outcome.ending, "")
    # What is only reused took no time now.
    seconds = (record.updated_at - record.created_at) / 1000 if record and outcome.ending != "reused" else 0.0
    kind = (record.failure if record else "") or outcome.ending
    said = "" if verdict else outcome.message or outcome.ending
    return _Case(
        _named(outcome.address), max(0.0, seconds), verdict, kind, outcome.message, outcome.message, said, properties
    )


def _document(suite: str, cases: Sequence[_Case]) -> str:
    counts = _counts(cases)
    root = ElementTree.Element("testsuites", {"name": "kling-pipe", **counts})
    inner = ElementTree.SubElement(root, "testsuite", {"name": _clean(suite), **counts})
    for case in cases:
        _append(inner, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False, short_empty_elements=True)


def _counts(cases: Sequence[_Case]) -> Mapping[str, str]:
    verdicts = [case.verdict for case in cases]
    return {
        "tests": str(len(cases)),
        "failures": str(verdicts.count("failure")),
        "errors": "0",
        "skipped": str(verdicts.count("skipped")),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _append(parent: ElementTree.Element, case: _Case) -> None:
    kind, name = map(_clean, case.name)
    attributes = {"classname": kind, "name": name, "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(parent, "testcase", attributes)
    if case.properties:
        listed = ElementTree.SubElement(element, "properties")
        for word, value in case.properties:
            ElementTree.SubElement(listed, "property", {"name": word, "value": _clean(value)})
    if case.verdict:
        told = ElementTree.SubElement(element, case.verdict, {"message": _clean(case.message)})
        if case.verdict == "failure":
            told.set("type", _clean(case.type))
            told.text = _clean(case.text)
    if case.said:
        ElementTree.SubElement(element, "system-out").text = _clean(case.said)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
