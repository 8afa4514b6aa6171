"""`fmt`: one canonical form, reached in one step, that never changes what a manifest means."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from program import call

import kling_pipe
from kling_pipe.manifest.fmt import formatted
from kling_pipe.manifest.yaml.document import parse
from kling_pipe.manifest.yaml.tokens import atoms, comments

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((Path(__file__).parent.parent / "cases" / "format").glob("*.before.yaml"))
PIPELINES = [path for path in sorted((ROOT / "pipelines").rglob("*.yaml")) if "project:" in path.read_text("utf-8")]

WORDS = st.sampled_from(
    [
        "a",
        "b c",
        "16:9",
        "on",
        "1.0",
        "0o14",
        "{{ vars.x }}",
        "x: y",
        "# no",
        "-",
        "",
        "ä 茶",
        "\xa0",
        "it's",
        '"q"',
        "~",
    ]
)
TEXTS = st.one_of(
    WORDS,
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    st.lists(WORDS, min_size=2, max_size=4).map("\n".join),
    st.lists(WORDS, min_size=9, max_size=15).map(" ".join),
)
SCALARS = st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))
DATA = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=14,
)
DUMPS = st.fixed_dictionaries(
    {
        "indent": st.integers(2, 7),
        "width": st.sampled_from([20, 60, 1000]),
        "default_flow_style": st.sampled_from([True, False, None]),
        "default_style": st.sampled_from([None, None, '"', "'", "|", ">"]),
        "allow_unicode": st.booleans(),
    }
)
REMARKS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.booleans()), max_size=6)


def remarked(text: str, remarks: list[tuple[int, int, bool]]) -> str:
    """The text with comments put in at lines and columns: alone, or behind what stands there; blank lines too."""
    lines = text.split("\n")
    for line, column, behind in remarks:
        at = line % len(lines)
        if behind and lines[at].strip():
            lines[at] += " " * (column + 1) + "# remark"
        else:
            lines.insert(at, " " * column + "# alone" if column < 8 else "\n")
    return "\n".join(lines)


def meaning(text: str) -> str:
    document = parse(text, "manifest.yaml")
    return repr((document.data, [problem.message for problem in document.problems]))


def visible(text: str) -> list[tuple[str, str]]:
    """All tokens without white space: what may not change."""
    return [(atom.kind, "".join(atom.text.split())) for atom in atoms(text) if atom.text]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.dictionaries(TEXTS, DATA, min_size=1, max_size=4), dump=DUMPS, remarks=REMARKS)
def test_white_space_alone_changes_and_once_is_enough(
    data: dict, dump: dict, remarks: list[tuple[int, int, bool]]
) -> None:
    """Whatever the layout before, tokens, comments and meaning stay, and a second run finds nothing to do."""
    text = remarked(yaml.safe_dump(data, sort_keys=False, **dump), remarks)
    assume(not any(mark in text for mark in "\x85\u2028\u2029\r"))
    try:
        before = visible(text)
        yaml.compose(text)
    except yaml.YAMLError:
        assume(False)

    result = formatted(text)

    assert visible(result) == before
    assert meaning(result) == meaning(text)
    assert formatted(result) == result


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name.removesuffix(".before.yaml"))
def test_the_canonical_form_looks_like_this(case: Path) -> None:
    """Each pair of files shows a layout and its canonical form."""
    wanted = case.with_name(case.name.replace(".before.", ".after.")).read_text("utf-8")

    assert formatted(case.read_text("utf-8")) == wanted
    assert formatted(wanted) == wanted


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_our_own_examples_are_in_canonical_form(path: Path) -> None:
    """What newcomers copy needs no formatting."""
    assert formatted(path.read_text("utf-8")) == path.read_text("utf-8")


@settings(max_examples=8, deadline=None)
@given(dump=DUMPS, name=st.sampled_from([path.name for path in PIPELINES if path.name != "library.yaml"]))
def test_no_key_changes(dump: dict, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A manifest in any layout asks for the very same tasks after it was formatted."""
    original = next(path for path in PIPELINES if path.name == name)
    target = tmp_path_factory.mktemp("keys") / "pipelines" / original.relative_to(ROOT / "pipelines")
    shutil.copytree(ROOT / "pipelines", target.parents[len(original.relative_to(ROOT).parts) - 2])
    data = parse(original.read_text("utf-8"), name).data
    target.write_text(yaml.safe_dump(data, sort_keys=False, **dump), encoding="utf-8")
    before = {job.address: job.key for job in kling_pipe.load(target).jobs}

    target.write_text(formatted(target.read_text("utf-8")), encoding="utf-8")

    assert {job.address: job.key for job in kling_pipe.load(target).jobs} == before


def test_comments_are_found_with_the_lines_they_speak_about() -> None:
    """A remark behind something is about that line, one alone about the next, one at a block's head about the block."""
    text = 'a: 1  # one\n# two\n\n# three\nb: ">  # not one"\nc: >-  # four\n  x # no\n\n  y\nd: e\n# last\n'

    found = [(one.text, one.first, one.last) for one in comments(text)]

    assert found == [("# one", 1, 1), ("# two", 2, 5), ("# three", 4, 5), ("# four", 6, 9), ("# last", 11, 11)]


UGLY = "a:   1\nb:\n      - x # c\n"
PRETTY = "a: 1\nb:\n  - x  # c\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("kling-pipe.yaml", "sub/other.yml"):
        (tmp_path / name).write_text(UGLY, encoding="utf-8")
    (tmp_path / "sub" / "fine.yaml").write_text("a: 1\n", encoding="utf-8")
    (tmp_path / ".kling-pipe").mkdir()
    (tmp_path / ".kling-pipe" / "not-ours.yaml").write_text(UGLY, encoding="utf-8")
    return tmp_path


def test_files_and_folders_are_formatted_in_place(folder: Path) -> None:
    """Named files and all YAML files below named folders; hidden folders are left alone."""
    done = call("fmt", ".", folder=folder)

    assert (done.code, done.out) == (0, "kling-pipe.yaml: formatted\nsub/other.yml: formatted\n")
    assert done.err == "3 files, 2 formatted\n"
    assert (folder / "sub" / "other.yml").read_text("utf-8") == PRETTY
    assert (folder / ".kling-pipe" / "not-ours.yaml").read_text("utf-8") == UGLY
    assert sorted(path.name for path in folder.rglob("*.part")) == []
    assert call("fmt", ".", folder=folder).out == ""


def test_check_writes_nothing_and_fails(folder: Path) -> None:
    """`--check` names what it would change."""
    done = call("fmt", "--check", folder=folder)

    assert (done.code, done.out) == (1, "kling-pipe.yaml: would be formatted\n")
    assert (folder / "kling-pipe.yaml").read_text("utf-8") == UGLY
    assert call("fmt", "--check", "sub/fine.yaml", folder=folder).code == 0


def test_diff_shows_what_would_change(folder: Path) -> None:
    """`--diff` prints a patch and writes nothing."""
    done = call("fmt", "--diff", "kling-pipe.yaml", folder=folder)

    assert done.code == 0
    assert done.out.startswith("--- kling-pipe.yaml\n+++ kling-pipe.yaml (formatted)\n@@ -1,3 +1,3 @@\n-a:   1\n")
    assert (folder / "kling-pipe.yaml").read_text("utf-8") == UGLY


def test_a_file_that_is_no_yaml_is_reported_and_the_others_are_formatted(folder: Path) -> None:
    """One broken file does not keep the rest from their form."""
    (folder / "broken.yaml").write_text("a: [1\n", encoding="utf-8")

    done = call("fmt", ".", folder=folder)

    assert done.code == 3
    assert "broken.yaml:1:4: error[KP001]" in done.err
    assert (folder / "kling-pipe.yaml").read_text("utf-8") == PRETTY


def test_a_missing_file_is_a_clear_error(folder: Path) -> None:
    """A misspelt name is not silently skipped."""
    done = call("fmt", "nothing.yaml", folder=folder)

    assert done.code == 64
    assert "there is no file `nothing.yaml`" in done.err
