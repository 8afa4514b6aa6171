"""JUnit: the shape that CI services read, one case a job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from program import call

from kling_pipe.model import Position, Problem, Record
from kling_pipe.report.junit import problems_junit, run_junit

HERE = Path(__file__).parent.parent
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["testcase"],
    "testcase": ["properties", "failure", "skipped", "system-out"],
    "properties": ["property"],
}
REQUIRED = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"classname", "name", "time"},
    "failure": {"message", "type"},
    "skipped": {"message"},
    "property": {"name", "value"},
}


@dataclass(frozen=True)
class Ended:
    address: str
    ending: str
    record: Record | None = None
    message: str = ""


def checked(text: str) -> ElementTree.Element:
    """The document, held against the shape that the common XSDs of JUnit share: nesting, order, attributes, counts."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        names = [child.tag for child in element]
        assert names == sorted(names, key=CHILDREN.get(element.tag, []).index)
        assert set(element.attrib) >= REQUIRED.get(element.tag, set())
    for suite in root.findall("testsuite"):
        counts = [len(suite.findall(path)) for path in ("testcase", "testcase/failure", "testcase/skipped")]
        assert [int(suite.attrib[name]) for name in ("tests", "failures", "skipped")] == counts
    return root


def verdicts(root: ElementTree.Element) -> dict[str, str]:
    found = {}
    for case in root.iter("testcase"):
        verdict = next((one.tag for one in case if one.tag in ("failure", "skipped")), "passed")
        found[f"{case.attrib['classname']}.{case.attrib['name']}"] = verdict
    return found


def test_every_job_is_a_case() -> None:
    """Jobs without a problem pass; a warning is no failure; what has no job stands under its file."""
    problems = [
        Problem("OV-05", "error", "too long", Position("m.yaml", 3, 1), "video.a@jp"),
        Problem("OV-19", "warn", "doubtful", Position("m.yaml", 4, 1), "video.b"),
        Problem("KP101", "error", "no `vidoes`", Position("m.yaml", 1, 1)),
    ]

    root = checked(problems_junit(problems, addresses=["image.x", "video.a@jp", "video.b"], suite="m.yaml"))

    wanted = {"image.x": "passed", "video.a@jp": "failure", "video.b": "passed", "manifest.m.yaml": "failure"}
    assert verdicts(root) == wanted
    assert root.find(".//failure").attrib == {"message": "too long", "type": "OV-05"}  # type: ignore[union-attr]


def test_a_run_has_times_ids_and_reasons() -> None:
    """What failed says why, what waits is skipped, what was there already took no time."""
    record = Record(
        "kp1-tea-00",
        "tea",
        "00",
        1,
        1,
        "omni-video",
        "acc",
        "succeed",
        task_id="77",
        units="4",
        created_at=1000,
        updated_at=3500,
    )
    failed = Record("kp1-tea-01", "tea", "01", 1, 1, "omni-video", "acc", "failed", failure="moderation")
    outcomes = [
        Ended("video.a", "made", record),
        Ended("video.b", "reused", record),
        Ended("video.c", "failed", failed, "risk control"),
        Ended("video.d", "waiting", None, "not begun"),
    ]

    root = checked(run_junit(outcomes, suite="tea"))

    assert verdicts(root) == {"video.a": "passed", "video.b": "passed", "video.c": "failure", "video.d": "skipped"}
    assert [case.attrib["time"] for case in root.iter("testcase")] == ["2.500", "0.000", "0.000", "0.000"]
    assert root.find(".//failure").attrib == {"message": "risk control", "type": "moderation"}  # type: ignore[union-attr]
    assert {
        one.attrib["name"]: one.attrib["value"] for one in root.findall("testsuite/testcase[1]/properties/property")
    } == {
        "external_task_id": "kp1-tea-00",
        "task_id": "77",
        "units": "4",
    }


@given(st.text(), st.text(), st.text())
def test_any_text_makes_a_document(message: str, excerpt: str, address: str) -> None:
    """Control characters, lone surrogates and markup in a prompt do not break the file."""
    problem = Problem("KP1", "error", message, Position("m", 1, 1), address, excerpt)

    checked(problems_junit([problem], suite=message))


def test_validate_names_all_jobs_when_one_is_wrong(tmp_path: Path) -> None:
    """A failed validation still has a passed case for each sound job."""
    job = "{ model_name: kling-v3-omni, aspect_ratio: 16:9, prompt: x"
    text = f"project: tea\nvideos:\n  a: {job} }}\n  b: {job}, mode: fast }}\n"
    (tmp_path / "kling-pipe.yaml").write_text(text, encoding="utf-8")

    done = call("validate", "--format", "junit", folder=tmp_path)

    assert done.code == 3
    assert verdicts(checked(done.out)) == {"video.a": "passed", "video.b": "failure"}
