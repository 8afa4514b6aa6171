"""YAML text -> data and places: nothing is lost silently, and every value can be found again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.manifest.yaml import read_document
from kling_pipe.manifest.yaml.document import Document, parse
from kling_pipe.model import Position


def ids(document: Document) -> list[str]:
    """The ids of what was refused."""
    return [problem.id for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("a: 1\na: 2", "KP004"),
        ("a: {b: 1, 'b': 2}", "KP004"),
        ("a:\n\tb: 1", "KP002"),
        ("a: b\n<<<<<<< HEAD\nc: d", "KP003"),
        ("a: 1\n=======\nb: 2", "KP003"),
        ("a: 1\n---\nb: 2", "KP010"),
        ("a: !x b", "KP005"),
        ("a: !!set {b}", "KP005"),
        ("a: {{ b }}", "KP007"),
        ("a: {{ b }} c", "KP007"),
        ("a: [b", "KP001"),
        ("a: b: c", "KP001"),
        ("a: 'b", "KP001"),
        ("a: *b", "KP001"),
        ("a: \x00", "KP001"),
        ("a: \x07", "KP001"),
        ("%YAML 9\n---\na: b", "KP001"),
        ("? [a]\n: b", "KP102"),
        ("<<: a", "KP102"),
    ],
)
def test_what_would_surprise_is_refused(text: str, id: str) -> None:
    """One problem each, with its own id."""
    assert ids(parse(text, "x.yaml")) == [id]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        (
            "a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}",
            {"a": {"b": 1}, "c": {"b": 2, "d": 3}, "e": {"b": 1, "d": 3}},
        ),
        ("a: &x {b: 1}\nc: {b: 2, <<: *x}", {"a": {"b": 1}, "c": {"b": 2}}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ('"<<": 1', {"<<": 1}),
        ("a: |\n  x: y\n  - z\n", {"a": "x: y\n- z\n"}),
        ("a: >-\n  b\n  c\n", {"a": "b c"}),
        ("2: a\ntrue: b\n~: c", {2: "a", True: "b", None: "c"}),
        ("a: '{{ b }}'", {"a": "{{ b }}"}),
        ("", None),
        ("# only a remark", None),
        ("---\na: 1\n...\n", {"a": 1}),
        ("a: {}\nb: []\nc:", {"a": {}, "b": [], "c": None}),
        ('a: "\\ud83d\\ude00"', None),
        ("a: 😀", {"a": "😀"}),
    ],
)
def test_plain_yaml_means_what_it_says(text: str, data: object) -> None:
    """Anchors, merges, blocks, odd keys."""
    document = parse(text, "x.yaml")
    if data is not None or not document.problems:
        assert document.data == data
        assert document.problems == []


def test_escaped_halves_of_a_surrogate_pair_never_get_through() -> None:
    """Either libyaml puts them together or it refuses them; half a character cannot be sent."""
    document = parse('a: "\\ud83d"', "x.yaml")
    assert document.problems or document.data["a"].encode("utf-8")


def test_several_problems_are_all_reported() -> None:
    """Reading goes on after a duplicate key or a custom tag."""
    assert ids(parse("a: 1\na: 2\nb: !x 1\nc: {{ d }}", "x.yaml")) == ["KP004", "KP005", "KP007"]


def bomb(levels: int) -> str:
    """Aliases of aliases: nine to the power of `levels`."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 9, 60])
def test_an_alias_bomb_is_not_unpacked(levels: int) -> None:
    """However large it would be, it is refused from its size alone."""
    assert ids(parse(bomb(levels), "x.yaml")) == ["KP006"]


def test_a_few_aliases_are_fine() -> None:
    """Reuse is what anchors are for."""
    assert parse(bomb(3), "x.yaml").problems == []


def test_an_alias_of_itself() -> None:
    """A list cannot hold itself."""
    assert ids(parse("a: &a [1, *a]", "x.yaml")) == ["KP006"]


@pytest.mark.parametrize(
    ("raw", "id", "line"),
    [(b"a: \xff", "KP009", 1), (b"a: 1\nb: \xe9", "KP009", 2), ("a: 1".encode("utf-16"), "KP009", 1)],
)
def test_what_is_not_utf_8(tmp_path: Path, raw: bytes, id: str, line: int) -> None:
    """The line of the first wrong byte is named."""
    file = tmp_path / "x.yaml"
    file.write_bytes(raw)
    problem = read_document(file, "x.yaml").problems[0]
    assert (problem.id, problem.position) == (id, Position("x.yaml", line, 1))


def test_a_byte_order_mark_and_crlf_change_nothing(tmp_path: Path) -> None:
    """A file saved on Windows is the same manifest, with the same places."""
    text = "a: 1\nb:\n  c: >-\n    d\n    e\n"
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    there, here = read_document(file, "x.yaml"), parse(text, "x.yaml")
    assert there.data == here.data
    assert there.locate(("b", "c")) == here.locate(("b", "c")) == Position("x.yaml", 3, 6)
    assert there.locate_text(("b", "c"), "e")[0] == here.locate_text(("b", "c"), "e")[0] == Position("x.yaml", 5, 5)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    """Neither raises: both are problems."""
    assert ids(read_document(tmp_path / "none.yaml", "none.yaml")) == ["KP009"]
    assert ids(read_document(tmp_path, "folder")) == ["KP009"]
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    assert ids(read_document(huge, "huge.yaml")) == ["KP009"]


PLACES = """\
a: 1
b: {c: [x, y], d: z}
e:
  - f
  - g: 春が来た, {{ vars.one }}
    h: >-
      folded text with {{ vars.two }} and
      more of   {{ vars.three }}
  - "quoted with {{ vars.four }}"
i: &i { j: k }
l: { <<: *i, m: n }
o: vars {{ vars.vars }}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("a",), 1, 4),
        (("b", "c", 1), 2, 12),
        (("b", "d"), 2, 19),
        (("e", 0), 4, 5),
        (("e", 1, "h"), 6, 8),
        (("l", "j"), 10, 12),
        (("l", "m"), 11, 17),
        (("b", "nothing"), 2, 4),
        (("b", "c", 9), 2, 8),
        (("z",), 1, 1),
        ((), 1, 1),
    ],
)
def test_values_are_found(path: tuple[str | int, ...], line: int, column: int) -> None:
    """Any value, through merges; what is not written is found at what encloses it."""
    assert parse(PLACES, "x.yaml").locate(path) == Position("x.yaml", line, column)


@pytest.mark.parametrize(
    ("path", "needle", "line", "column", "width"),
    [
        (("e", 1, "g"), "vars.one", 5, 17, 8),
        (("e", 1, "h"), "vars.two", 7, 27, 8),
        (("e", 1, "h"), "and more", 7, 39, 3),
        (("e", 1, "h"), "vars.three", 8, 20, 10),
        (("e", 2), "vars.four", 9, 21, 9),
        (("o",), "vars", 12, 12, 4),
        (("o",), "absent", 12, 4, 20),
        (("e", 1, "h"), "var", 6, 8, 1),
    ],
)
def test_words_inside_values_are_found(
    path: tuple[str | int, ...], needle: str, line: int, column: int, width: int
) -> None:
    """Through folding and quotes; a place inside a template tag is preferred; a part of a word is not the word."""
    position, found = parse(PLACES, "x.yaml").locate_text(path, needle)
    assert (position.line, position.column, found) == (line, column, width)


@given(st.text(st.sampled_from("ab:-{}[]'\"#&*!|>% \n\t?,=<"), max_size=60))
def test_reading_never_raises(text: str) -> None:
    """Whatever stands in a file, it is data or a problem with a place in it."""
    document = parse(text, "x.yaml")
    for problem in document.problems:
        assert problem.position is not None
        assert 1 <= problem.position.line <= text.count("\n") + 2
        assert problem.excerpt == document.line(problem.position.line)
