"""docs/manifest.md says what the compiler does: its examples compile, its requests and job lists are the real ones.

```yaml                a whole manifest (with `project:`) or a part, laid over the first one of the page
```yaml wrong=KP302    has exactly this problem
```yaml file=a/b.yaml  is also written to a file that other examples use; so is ```csv file=...
```json video.ending   a request of the example above it: the fields shown are the fields sent
```text jobs           the jobs of the example above it with their files
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, data_of, folder_with_assets, problems_of, whole

from kling_pipe.catalog.operations import operations
from kling_pipe.manifest.keywords import BUDGET, DEFAULT_API, KINDS, MATRIX, RECIPE, TOP_LEVEL
from kling_pipe.manifest.templates.language import FILTERS, METHODS, TESTS
from kling_pipe.report.requests import request_form
from kling_pipe.report.severity import Levels, leveled

PAGE = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(yaml|csv|json|text)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Example:
    """A yaml block with what is said about it."""

    line: int
    text: str
    wrong: str = ""
    requests: dict[str, str] = field(default_factory=dict)
    jobs: str = ""


def examples() -> tuple[list[Example], dict[str, str]]:
    found: list[Example] = []
    files: dict[str, str] = {}
    for match in FENCE.finditer(PAGE):
        language, mark, text = match.groups()
        if mark and mark.startswith("file="):
            files[mark.removeprefix("file=")] = text
        if language == "yaml":
            wrong = mark.removeprefix("wrong=") if mark and mark.startswith("wrong=") else ""
            found.append(Example(PAGE.count("\n", 0, match.start()) + 1, text, wrong))
        elif language == "json":
            found[-1].requests[mark] = text
        elif language == "text":
            found[-1].jobs = text
    return found, files


EXAMPLES, FILES = examples()
RIGHT = [one for one in EXAMPLES if not one.wrong and one.text not in FILES.values()]
BASE = RIGHT[0].text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder_with_assets(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def named(one: Example) -> str:
    return f"line {one.line}"


def test_the_page_has_examples_of_every_sort() -> None:
    """The reader of the page finds blocks at all; a changed fence would make every other test here empty."""
    assert len(RIGHT) >= 25
    assert len([one for one in EXAMPLES if one.wrong]) >= 4
    assert sum(len(one.requests) for one in RIGHT) >= 7
    assert sum(bool(one.jobs) for one in RIGHT) >= 6
    assert PAGE.count("```") == 2 * len(FENCE.findall(PAGE))


@pytest.mark.parametrize("one", RIGHT, ids=named)
def test_an_example_compiles(one: Example, folder: Path) -> None:
    """It has no errors, and no warnings beyond those that the page speaks of: unknown raw fields, unnamed inputs."""
    manifest, problems = problems_of(whole(one.text, BASE), folder)
    assert manifest is not None, [problem.message for problem in problems]
    assert {problem.id for problem in problems} <= {"GEN-03", "OV-24", "OV-19", "IV-07b"}, problems


@pytest.mark.parametrize("one", [one for one in EXAMPLES if one.wrong], ids=named)
def test_a_wrong_example_has_the_problem_it_names(one: Example, folder: Path) -> None:
    """One problem, the one that is named, with its place."""
    manifest, problems = problems_of(whole(one.text, BASE), folder)
    assert manifest is None
    assert [problem.id for problem in problems if problem.level == "error"] == [one.wrong]
    assert all(problem.position for problem in problems)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_page_is_complete(name: str, folder: Path) -> None:
    """A library that is shown works by itself, too."""
    if name.endswith(".yaml"):
        manifest, problems = problems_of(FILES[name].replace("../", ""), folder)
        assert manifest is not None, problems


def shown(body: Any) -> Any:
    """A request as the page shows it: a file by its path alone."""
    if isinstance(body, dict):
        return {"$file": body["$file"]} if "$file" in body else {name: shown(value) for name, value in body.items()}
    return [shown(item) for item in body] if isinstance(body, list) else body


@pytest.mark.parametrize(
    ("one", "address"), [(one, address) for one in RIGHT for address in one.requests], ids=lambda value: str(value)[:40]
)
def test_a_request_that_is_shown_is_the_request(one: Example, address: str, folder: Path) -> None:
    """Every field that the page shows has that value; the whole manifest's request is shown in full."""
    manifest, _ = problems_of(whole(one.text, BASE), folder)
    assert manifest is not None
    job = next(job for job in manifest.jobs if job.address == address)
    body = shown(request_form(job.request, manifest.root))
    wanted = json.loads(one.requests[address])
    assert {name: body.get(name) for name in wanted} == wanted
    if one is RIGHT[0]:
        assert body == wanted


@pytest.mark.parametrize("one", [one for one in RIGHT if one.jobs], ids=named)
def test_the_jobs_that_are_shown_are_the_jobs(one: Example, folder: Path) -> None:
    """Of the names in the example, all jobs in this order of cells and takes, each with its file."""
    manifest, _ = problems_of(whole(one.text, BASE), folder)
    assert manifest is not None
    names = {f"{kind}.{name}" for plural, kind in KINDS.items() for name in data_of(one.text).get(plural, {})}
    listed = [line.split() for line in one.jobs.splitlines()]
    made = {}
    for job in manifest.jobs:
        title = job.base.partition("@")[0]
        if title in names or title.count(".") > 1:
            extension = operations()[job.operation].kling["result"].get("extension", "")
            place = (
                job.place if not job.place or Path(job.place).suffix == f".{extension}" else f"{job.place}.{extension}"
            )
            made[job.address] = [job.address, *([place] if place else [])]
    assert sorted(listed) == sorted(made.values())


def test_the_profile_example_does_what_the_page_says(folder: Path) -> None:
    """Recipe over profile over defaults, and another `api` takes from neither."""
    text = next(one.text for one in RIGHT if "profiles:" in one.text)
    manifest, _ = problems_of(whole(text, BASE), folder, profile="draft")
    assert manifest is not None
    found = {job.name: job.request for job in manifest.jobs}
    assert (found["cup"]["mode"], found["cup"]["sound"]) == ("std", "off")
    assert (found["hero"]["mode"], found["hero"]["sound"]) == ("4k", "off")
    assert not {"mode", "sound"} & set(found["classic"])


def test_the_remark_example_ignores_what_it_names(folder: Path) -> None:
    """Without the remark there is a warning on that line, with it there is none."""
    text = next(one.text for one in RIGHT if "# kp: ignore" in one.text)
    manifest, problems = problems_of(text.replace("# kp:", "# kept:"), folder)
    assert manifest is not None
    assert [problem.id for problem in problems] == ["OV-24"]
    assert leveled(problems, Levels(), {manifest.scope.document.name: text}) == []


def test_every_word_of_the_language_is_on_the_page() -> None:
    """Words, sugar, filters, tests, methods and operations: none is missing, none is left over in the lists."""
    sugar = {word for one in operations().values() for word in one.kling.get("sugar", {})}
    for word in (*TOP_LEVEL, *RECIPE, *sugar, *MATRIX, *BUDGET, *DEFAULT_API.values(), *operations()):
        assert f"`{word}`" in PAGE or f"`{word}:" in PAGE or re.search(rf"\b{word}:", PAGE), word
    for start, words in (("Filters: ", FILTERS), ("Tests: ", TESTS)):
        line = next(line for line in PAGE.splitlines() if line.startswith(start))
        assert set(re.findall(r"`(\w+)`", line)) == set(words)
    line = next(line for line in PAGE.splitlines() if line.startswith("Methods of texts"))
    assert set(re.findall(r"`(\w+)`", line)) == METHODS - {"output", "take"}


def test_dropped_defaults_are_listed_in_full() -> None:
    """The closed list is part of what a key means: the page names each word and what it drops."""
    table = PAGE[PAGE.index("| drops the default of |") : PAGE.index("Only what comes from `defaults`")]
    for operation in operations().values():
        for word, spec in operation.kling.get("sugar", {}).items():
            dropped = spec.get("drops_defaults", ()) if isinstance(spec, dict) else ()
            row = next((line for line in table.splitlines() if f"`{word}`" in line), "")
            assert all(f"`{name}`" in row for name in dropped), (operation.name, word)
