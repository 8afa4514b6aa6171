"""Markdown for pull requests and CI summaries: right, short enough, and nothing in it takes effect."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import call

from kling_pipe.cli.summary import write_step_summary
from kling_pipe.model import Cost, Job, Output, Plan, Position, Problem, Record, Step
from kling_pipe.report.markdown import code, escaped, marker, plan_markdown, problems_markdown, run_markdown

GITHUB_LIMIT = 65_536


@dataclass(frozen=True)
class Ended:
    address: str
    ending: str
    record: Record | None = None
    message: str = ""


def step(address: str, action: str = "create", **more) -> Step:
    kind, _, name = address.partition(".")
    job = Job(address, address, kind, name, 1, "omni-video", {}, "00" * 32, "tea")  # type: ignore[arg-type]
    facts = {"cost": Cost(4.0, "video", 0.56), "reasons": ("it was not made yet",), **more}
    return Step(job, action, "kp1-tea-0000", 1, **facts)  # type: ignore[arg-type]


def test_a_plan_as_a_comment() -> None:
    """A marker to find it by, the sum, what happens and why, what stays folded away."""
    steps = (step("video.teaser@jp-16x9"), step("image.logo", "reuse", reasons=()),
             step("video.end", shared_with="video.teaser@jp-16x9", cost=Cost(0.0, None, 0.0)))  # fmt: skip

    assert plan_markdown(Plan("tea", steps), emulated=True) == (
        "<!-- kling-pipe:plan:tea -->\n"
        "### Plan for `tea`: 1 new task\n\n"
        "**Estimated: 4 video units, 0 image units ($0.56)**\n\n"
        "_On the emulator: nothing is sent to Kling, nothing is paid._\n\n"
        "_Offline: the account was not asked._\n\n"
        "| Action | Job | Cost | Why |\n"
        "| :--- | :--- | ---: | :--- |\n"
        "| create | `video.teaser@jp-16x9` | 4 video units, $0.56 | it was not made yet |\n"
        "| create | `video.end` |  | same request as `video.teaser@jp-16x9` |\n\n"
        "<details><summary>1 stay as they are</summary>\n\n"
        "| Action | Job |\n"
        "| :--- | :--- |\n"
        "| reuse | `image.logo` |\n\n"
        "</details>\n"
    )


def test_a_run_tells_failures_first() -> None:
    record = Record(
        "kp1-tea-00",
        "tea",
        "00",
        1,
        1,
        "omni-video",
        "acc",
        "succeed",
        units="4",
        outputs=(Output(1, path="out/a.mp4"),),
    )
    outcomes = [
        Ended("video.a", "made", record),
        Ended("video.b", "failed", None, "risk control"),
        Ended("image.c", "reused"),
    ]

    text = run_markdown(outcomes, project="tea", units={"video": 4.0, "image": 0.0}, usd=0.56)

    assert text.startswith("<!-- kling-pipe:run:tea -->\n### Run of `tea`: 1 made, 1 reused, 1 failed, 0 waiting\n")
    assert "**4 video units, 0 image units ($0.56)**" in text
    assert text.index("| `video.b` | risk control |") < text.index("| `video.a` | `out/a.mp4` | 4 |")


def test_a_thousand_jobs_fit_into_a_comment() -> None:
    """The service refuses longer ones; the sum is of all jobs whatever is shown."""
    steps = tuple(step(f"video.teaser_with_a_long_name@market-{number}-16x9") for number in range(1000))

    text = plan_markdown(Plan("tea", steps))

    assert len(text) < GITHUB_LIMIT
    assert "1000 new tasks" in text
    assert "4000 video units" in text
    assert "... and 900 more." in text


def test_problems_as_a_list() -> None:
    problem = Problem(
        "OV-05", "error", "`mode` is `fast`", Position("m.yaml", 3, 9), "video.a", "    mode: fast", 4, near="std"
    )

    assert problems_markdown([problem], manifest="m.yaml", jobs=2) == (
        "### `m.yaml`: 1 error (2 jobs)\n\n"
        "- ❌ **OV-05** `m.yaml:3:9` `video.a`: `mode` is `fast`\n"
        "  - did you mean: `std`?\n\n"
        "  ```yaml\n  mode: fast\n  ```\n"
    )
    assert problems_markdown([], manifest="m.yaml") == "### `m.yaml`: no problems\n"


@given(st.text())
def test_no_text_escapes_its_cell(text: str) -> None:
    """A prompt that holds a bar, a mention, HTML or an image is shown, not carried out."""
    shown = escaped(text)
    outside = re.sub(r"(`+).*?\1", "", shown)

    assert "\n" not in shown
    assert not re.search(r"(?<!\\)\|", shown)
    assert not re.search(r"[<>@]|!\[(?!\\)", outside.replace("\\[", ""))


@given(st.text(st.sampled_from("`a| \n"), min_size=1))
def test_a_code_span_is_one_whatever_it_holds(text: str) -> None:
    """As many ticks as it takes, and never a line break."""
    span = code(text)
    fence = re.match("`+", span)

    assert fence is not None
    assert span.endswith(fence.group())
    assert fence.group() not in re.findall("`+", span[len(fence.group()) : -len(fence.group())])


def test_a_marker_holds_nothing_that_could_end_it() -> None:
    assert marker("plan", "tea--><script>") == "<!-- kling-pipe:plan:tea--script -->"


def test_a_summary_is_appended_where_the_service_says(tmp_path: Path) -> None:
    """Two steps of one job write one page."""
    page = tmp_path / "summary.md"

    assert write_step_summary("# one", {"GITHUB_STEP_SUMMARY": str(page)})
    assert write_step_summary("# two\n", {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text("utf-8") == "# one\n# two\n"


def test_a_summary_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    """A run whose films are saved does not fail for want of a page."""
    assert not write_step_summary("x", {})
    assert not write_step_summary("x", {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_validate_writes_the_summary_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same problems as on the terminal, on the page of the CI job."""
    page = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))

    call("validate", "mode.yaml", folder=Path(__file__).parent.parent / "cases" / "mistakes")

    assert page.read_text("utf-8").startswith("### `mode.yaml`: 1 error (1 jobs)\n")
