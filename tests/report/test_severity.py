"""Which problems count: flags, settings, remarks in the file, and what cannot be silenced."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import call

import kling_pipe
from kling_pipe.errors import ManifestInvalid
from kling_pipe.model import Position, Problem
from kling_pipe.report.severity import Levels, leveled, may_be_ignored

RULE = Problem("OV-05", "error", "too long", Position("m.yaml", 3, 5), rule="OV-05")
WARNING = Problem("OV-19", "warn", "doubtful", Position("m.yaml", 4, 5), rule="OV-19")
LANGUAGE = Problem("KP301", "error", "no such name", Position("m.yaml", 5, 5), hint="Correct it.")
NOTE = Problem("KP320", "note", "by hand", Position("m.yaml", 6, 5))
ALL = [RULE, WARNING, LANGUAGE, NOTE]


def left(levels: Levels, text: str = "") -> list[tuple[str, str]]:
    return [(one.id, one.level) for one in leveled(ALL, levels, {"m.yaml": text} if text else {})]


def test_without_a_word_everything_stays() -> None:
    assert leveled(ALL, Levels(), {}) == ALL


def test_an_api_rule_can_be_ignored_and_the_language_cannot() -> None:
    """What Kling would say is the user's risk; where nothing was compiled there is nothing to send."""
    found = leveled(ALL, Levels(ignore=("OV-05", "KP301", "KP320")), {})

    assert [one.id for one in found] == ["OV-19", "KP301"]
    assert found[1].hint == "Correct it. This cannot be ignored: nothing can be compiled around it."


def test_ids_may_hold_a_star_and_small_letters() -> None:
    assert left(Levels(ignore=("ov-*",))) == [("KP301", "error"), ("KP320", "note")]


def test_selected_rules_keep_what_prevents_a_compile() -> None:
    """Looking at one rule does not hide that the manifest cannot be read."""
    assert left(Levels(only=("OV-19",))) == [("OV-19", "warn"), ("KP301", "error")]


def test_strict_makes_errors_of_warnings_not_of_notes() -> None:
    wanted = [("OV-05", "error"), ("OV-19", "error"), ("KP301", "error"), ("KP320", "note")]

    assert left(Levels(strict=True)) == wanted


def test_settings_give_levels_and_the_last_word_counts() -> None:
    rules = {"OV-*": "note", "OV-05": "warn", "KP320": "off", "KP301": "warn"}

    assert left(Levels(rules=rules)) == [("OV-05", "warn"), ("OV-19", "note"), ("KP301", "error")]


REMARKED = """\
videos:
  a:
    prompt: x  # kp: ignore OV-05, OV-19
    sound: on
    seed: y
"""


def test_a_remark_speaks_about_its_line_alone() -> None:
    """The same rule on another line is still told."""
    assert left(Levels(), REMARKED) == [("OV-19", "warn"), ("KP301", "error"), ("KP320", "note")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1  # kp: ignore OV-05\n", 1),
        ("a: 1  # fine for us; kp: ignore OV-05\n", None),
        ("a: 1  # kp:ignore OV-05 # it is short in Japanese\n", 1),
        ("# kp: ignore OV-05\na: 1\n", 2),
        ("# kp: ignore OV-05\n\n# because\na: 1\n", 4),
        ("a: >-  # kp: ignore OV-05\n  one\n  two\nb: 1\n", 3),
        ("a: >-\n  one  # kp: ignore OV-05\nb: 1\n", None),
        ('a: "x # kp: ignore OV-05"\n', None),
        ("a: [1,  # kp: ignore OV-05\n  2]\n", 1),
        ("a: 1  # KP: IGNORE OV-05\n", None),
    ],
)
def test_where_a_remark_is_heard(text: str, line: int | None) -> None:
    """Behind the value, alone above it, at the head of a block; never inside of a text."""
    problems = [Problem("OV-05", "error", "x", Position("m", one, 1), rule="OV-05") for one in range(1, 5)]
    kept = [one.position.line for one in leveled(problems, Levels(), {"m": text}) if one.id == "OV-05" and one.position]
    silenced = [one for one in range(1, 5) if one not in kept]

    assert line in silenced if line else silenced == []


def test_a_remark_without_an_id_ignores_nothing_and_is_a_warning() -> None:
    """A blanket ignore would hide the next mistake too."""
    (found,) = leveled([], Levels(), {"m": "a: 1\nb: 2 # kp: ignore\n"})

    assert (found.id, found.level, str(found.position)) == ("KP321", "warn", "m:2:6")


def test_a_remark_that_ignores_nothing_is_a_note() -> None:
    (found,) = leveled([], Levels(), {"m": "a: 1  # kp: ignore OV-05\n"})

    assert (found.id, found.level, found.excerpt) == ("KP322", "note", "a: 1  # kp: ignore OV-05")


@given(
    ignore=st.sets(st.sampled_from(["OV-05", "OV-19", "KP301", "KP320"])),
    rules=st.dictionaries(st.sampled_from(["OV-05", "OV-*", "KP*"]), st.sampled_from(["error", "warn", "note", "off"])),
    strict=st.booleans(),
)
def test_what_cannot_be_ignored_is_always_an_error(ignore: set[str], rules: dict[str, str], strict: bool) -> None:
    """No setting makes a run go on with a manifest that was not compiled."""
    found = leveled(ALL, Levels(tuple(ignore), (), rules, strict), {})

    assert [one.level for one in found if one.id == "KP301"] == ["error"]
    assert {one.id for one in found} >= {one.id for one in ALL if not may_be_ignored(one)}


TOO_LONG = """\
project: tea
videos:
  opening:
    model_name: kling-v3-omni
    aspect_ratio: 16:9
    duration: 20{remark}
    prompt: Tea falls into a white cup
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kling-pipe.yaml").write_text(TOO_LONG.format(remark=""), encoding="utf-8")
    return tmp_path


def test_an_ignored_error_lets_the_manifest_compile(folder: Path) -> None:
    """The request goes out as it is written, and its job has a key."""
    manifest = folder / "kling-pipe.yaml"
    with pytest.raises(ManifestInvalid) as refused:
        kling_pipe.load(manifest)
    assert refused.value.addresses == ("video.opening",)

    manifest.write_text(TOO_LONG.format(remark="  # kp: ignore schema/enum"), encoding="utf-8")
    loaded = kling_pipe.load(manifest)

    assert [(job.address, job.request["duration"]) for job in loaded.jobs] == [("video.opening", "20")]
    assert loaded.problems == ()


@pytest.mark.parametrize(
    ("words", "settings", "code"),
    [
        ((), "", 3),
        (("--ignore", "schema/enum"), "", 0),
        (("--ignore", "schema/*,KP320"), "", 0),
        (("--select-rules", "OV-19"), "", 0),
        ((), '[rules]\n"schema/enum" = "off"\n', 0),
        ((), '[rules]\n"schema/enum" = "warn"\n', 0),
        (("--strict",), '[rules]\n"schema/enum" = "warn"\n', 3),
        (("--ignore", "KP999"), "", 64),
    ],
)
def test_flags_and_settings_at_the_command_line(folder: Path, words: tuple[str, ...], settings: str, code: int) -> None:
    """`kling-pipe.toml` beside the manifest holds for everybody, flags for one call."""
    if settings:
        (folder / "kling-pipe.toml").write_text(settings, encoding="utf-8")

    assert call("validate", *words, folder=folder).code == code


@pytest.mark.parametrize(
    "settings", ['[rules]\nKP999 = "off"\n', '[rules]\nKP320 = "loud"\n', "rules = 3\n", "[rules\n"]
)
def test_wrong_settings_are_refused_with_the_next_step(folder: Path, settings: str) -> None:
    """A misspelt id in the settings must not silently do nothing."""
    (folder / "kling-pipe.toml").write_text(settings, encoding="utf-8")

    done = call("validate", folder=folder)

    assert done.code == 64
    assert "kling-pipe.toml" in done.err
    assert "next: " in done.err
