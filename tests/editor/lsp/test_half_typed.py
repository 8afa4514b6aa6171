"""Texts as they are while somebody types: nothing is refused, and the cursor's place is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsp_client import HERE
from sample_campaign import CAMPAIGN, LIBRARY

from kling_pipe.editor.lsp.complete import complete
from kling_pipe.editor.lsp.cursor import place_at
from kling_pipe.editor.lsp.documents import Documents
from kling_pipe.editor.lsp.hover import hover
from kling_pipe.editor.lsp.navigate import definition
from kling_pipe.editor.lsp.outline import outline
from kling_pipe.editor.lsp.partial_yaml import rows
from kling_pipe.editor.lsp.positions import Lines
from kling_pipe.manifest.yaml.scalar_index import leaves

PLACES = {
    "a key": ("videos:\n  a:\n    mo§\n", ("videos", "a"), "mo", True),
    "a key on an empty line": ("videos:\n  a:\n    §\n  b:\n", ("videos", "a"), "", True),
    "a key further out": ("videos:\n  a:\n    mode: std\n  §\n", ("videos",), "", True),
    "a value": ("videos:\n  a:\n    mode: st§\n", ("videos", "a", "mode"), "st", False),
    "a value in quotes": ('videos:\n  a:\n    mode: "st§"\n', ("videos", "a", "mode"), "st", False),
    "a key in braces": ("defaults:\n  videos: { mode: std, so§ }\n", ("defaults", "videos"), "so", True),
    "a value in braces": ("defaults: { videos: { mode: s§\n", ("defaults", "videos", "mode"), "s", False),
    "braces over lines": ("defaults: {\n  videos: { sound: on },\n  im§\n", ("defaults",), "im", True),
    "an item in brackets": ("a:\n  b: [x, 9:16, im§]\n", ("a", "b", 2), "im", False),
    "the first key of an item": ("a:\n  shots:\n    - du§\n", ("a", "shots", 0), "du", True),
    "the second key of an item": ("a:\n  - x: 1\n  - y: 1\n    z§\n", ("a", 1), "z", True),
    "items without indentation": ("a:\n- x: 1\n- y§\n", ("a", 1), "y", True),
    "the top": ("a: 1\nb§", (), "b", True),
    "after an open quote": ("a:\n  x: 'y\nb:\n  c: z§", ("b", "c"), "z", False),
    "after an open bracket": ("a:\n  x: [\nb:\n  c: z§", ("b", "c"), "z", False),
    "behind a block": ("a:\n  x: >-\n    mode: y\n  z: w§", ("a", "z"), "w", False),
    "an item behind a block": ("a:\n  - |\n    text\n  - x: w§", ("a", 1, "x"), "w", False),
}


@pytest.mark.parametrize(("marked", "path", "prefix", "is_key"), PLACES.values(), ids=PLACES)
def test_the_place_of_the_cursor_is_known(marked: str, path: tuple[str | int, ...], prefix: str, is_key: bool) -> None:
    """By the lines above, without a parser."""
    place = place_at(marked.replace(HERE, ""), marked.index(HERE))

    assert place is not None
    assert (place.path, place.prefix, place.is_key) == (path, prefix, is_key)


@pytest.mark.parametrize(
    ("marked", "expression"),
    [
        ("a:\n  p: '{{ vars.§", " vars."),
        ("a:\n  p: {{ vars.§", " vars."),
        ("a:\n  p: >-\n    one\n    two {{ x }} {{ im§\n", " im"),
        ("a:\n  p: { q: '{{ x }} {% if v§ %}' }\n", " if v"),
        ("a:\n  p: '{{ x }} §'", None),
    ],
)
def test_templates_are_noticed(marked: str, expression: str | None) -> None:
    """Open ones, in every way that a text may be written."""
    place = place_at(marked.replace(HERE, ""), marked.index(HERE))

    assert place is not None
    assert place.expression == expression


@pytest.mark.parametrize("marked", ["# a §", "a: 1 # b §", "  # {{ §"])
def test_a_comment_is_no_place(marked: str) -> None:
    """Nothing is proposed in what nobody reads."""
    assert place_at(marked.replace(HERE, ""), marked.index(HERE)) is None


def test_the_sketch_agrees_with_the_parser() -> None:
    """On a text that is YAML both find the same keys in the same places, where they stand in lines of their own."""
    text = Path(__file__).parents[3].joinpath("pipelines", "spring-tea.yaml").read_text(encoding="utf-8")
    read = {(leaf.path, leaf.start, leaf.end) for leaf in leaves(text) or () if leaf.is_key}
    sketched = {(row.path, row.start, row.end) for row in rows(text)}

    assert len(sketched) > 50
    assert sketched <= read


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is open and was never saved, beside a library that was."""
    folder = tmp_path_factory.mktemp("typed").resolve()
    (folder / "library.yaml").write_text(LIBRARY, encoding="utf-8")
    return folder / "kling-pipe.yaml"


def every_question(desk: Documents, file: Path, text: str, index: int) -> None:
    """Everything an editor asks while somebody types."""
    desk.put(file, text)
    complete(desk, file, index)
    hover(desk, file, index)
    definition(desk, file, index)
    outline(text, desk.good(file).reading.scopes[0])
    for problem in desk.problems()[file]:
        start, end = desk.lines(file).stretch(problem)
        assert 0 <= start <= end <= len(text)


def test_no_beginning_of_a_text_upsets_it(file: Path) -> None:
    """The campaign, letter by letter."""
    desk = Documents()
    for end in range(0, len(CAMPAIGN), 3):
        every_question(desk, file, CAMPAIGN[:end], end)


PIECES = [
    "{{", "}}", "{%", " | ", "[", "]", "{", "}", ":", "- ", "\n", "  ", "'", '"', "#", "&a", "*a", "<<: ", "|-\n",
    "api: ", "vars.", "image.", "matrix:", "é🍵", "\t", "---\n", "shots:\n", "\u2028", "\r\n", "videos:\n",
]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CAMPAIGN)), st.sampled_from(PIECES), st.integers(0, 12)), max_size=4))
def test_no_edit_upsets_it(file: Path, edits: list[tuple[int, str, int]]) -> None:
    """Pieces put in, letters taken out, anywhere: every question has an answer."""
    desk, text, index = Documents(), CAMPAIGN, 0
    desk.put(file, text)
    desk.problems()
    for wanted, piece, gone in edits:
        at = min(wanted, len(text))
        text = text[:at] + piece + text[at + gone :]
        index = at + len(piece)
    every_question(desk, file, text, index)


@given(st.text(st.sampled_from("aé🍵\n\r\u2028\x85 "), max_size=30), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_places_go_there_and_back(text: str, encoding: str) -> None:
    """A character's line and column lead to the same character, in each of the protocol's units."""
    lines = Lines(text, encoding)
    for index in range(len(text) + 1):
        inside_an_end = text[index - 1 : index + 1] == "\r\n"

        assert inside_an_end or lines.index(*lines.at(index)) == index


def test_a_place_beyond_the_end_is_the_end() -> None:
    """An editor may be ahead of what it has sent."""
    lines = Lines("ab\ncd")

    assert [lines.index(0, 9), lines.index(7, 0), lines.at(99)] == [2, 5, (1, 2)]


def test_places_of_problems_count_yamls_lines() -> None:
    """YAML ends a line where editors see a letter; the squiggle still stands under the value."""
    lines = Lines("a: x\u2028b: y")

    assert lines.at(lines.of_position(2, 4)) == (0, 8)


def test_a_large_text_is_not_waited_for(tmp_path: Path) -> None:
    """Names that were typed since the last reading are offered without another one."""
    file = tmp_path.resolve() / "kling-pipe.yaml"
    films = "".join(f"  film{number}:\n    prompt: tea\n" for number in range(2000))
    text = f"project: x\nimages: {{ logo: https://example.com/logo.png }}\nvars:\n  look: soft\nvideos:\n{films}"
    desk = Documents()
    desk.put(file, text)
    before = desk.good(file)
    text = text.replace("  look:", "  mood: calm\n  look:") + "  one_more:\n    prompt: '{{ video."
    desk.put(file, text)

    names = {choice.label for choice in complete(desk, file, len(text))}
    text = text.replace("{{ video.", "{{ vars.")
    desk.put(file, text)
    variables = {choice.label for choice in complete(desk, file, len(text))}

    assert {"film7", "one_more"} <= names
    assert {"look", "mood"} == variables
    assert desk.good(file) is before
