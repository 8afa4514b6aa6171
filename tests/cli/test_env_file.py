"""Files of `--env-file`: what they add to the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_pipe.cli.shared_options import environment
from kling_pipe.errors import UsageError


def pairs_of(file: Path, content: bytes) -> dict[str, str]:
    """What a file adds, or changes."""
    file.write_bytes(content)
    own = dict(os.environ)
    return {name: value for name, value in environment(file).items() if own.get(name) != value}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("export A=x", "x"),
        ("  A = x  ", "x"),
        ("A=", ""),
        ("A=x=y==", "x=y=="),
        ("A='x y'", "x y"),
        ('A=" x "', " x "),
        ('A="it\'s"', "it's"),
        ("A=\"'x'\"", "x"),
        ('A="half', "half"),
        ("A=half'", "half"),
        (r'A="x\ny\\z"', r"x\ny\\z"),
        (r"A='x\'y'", r"x\'y"),
        ("A=$HOME/${B}", "$HOME/${B}"),
        ("A=x#y", "x#y"),
        ("A=#x", "#x"),
        ("A='x # y'", "x # y"),
        ('A="x # y', "x # y"),
        ("A=x;y `z`", "x;y `z`"),
        ("A=\u017c\u00f3\u0142\u0107", "\u017c\u00f3\u0142\u0107"),
    ],
)
def test_a_line_is_read_as_ever(tmp_path: Path, line: str, value: str) -> None:
    """Nothing is filled in and nothing is unescaped: a secret is taken as it is written."""
    assert pairs_of(tmp_path / "e", f"# first\n\n{line}\n".encode()) == {"A": value}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x # remark", "x"),
        ("A=x y\t# remark # more", "x y"),
        ("A= # remark", ""),
        ("A='x' # remark", "x"),
        ('A="x # y" # it\'s "so"', "x # y"),
        ("export A=x#y # remark", "x#y"),
    ],
)
def test_a_remark_is_no_part_of_the_value(tmp_path: Path, line: str, value: str) -> None:
    """It begins at a `#` behind a space."""
    assert pairs_of(tmp_path / "e", line.encode()) == {"A": value}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, end: str) -> None:
    """As editors on Windows write one."""
    assert pairs_of(tmp_path / "e", f"\ufeffA=x{end}B=y{end}".encode()) == {"A": "x", "B": "y"}


def test_a_line_that_is_no_pair_is_refused_by_its_number_alone(tmp_path: Path) -> None:
    """It may be a secret."""
    with pytest.raises(UsageError, match="line 2: not NAME=VALUE") as caught:
        pairs_of(tmp_path / "e", b"A=x\nhidden\n")
    assert "hidden" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from("ABx= '\"\\$#\t{}n")).map(lambda text: f"A{text}=B{text}")))
def test_without_remarks_a_value_is_the_line_without_its_outer_quotes(tmp_path: Path, lines: list[str]) -> None:
    """Whatever signs stand in it."""
    sound = [line for line in lines if not re.search(r"\s#", line)]
    cut = (line.strip().partition("=") for line in sound)
    wanted = {name.strip(): value.strip().strip("'\"") for name, _, value in cut}
    assert pairs_of(tmp_path / "e", "\n".join(sound).encode()) == wanted
