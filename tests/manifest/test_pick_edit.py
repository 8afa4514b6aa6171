"""`pick` edits a manifest as a careful person would: one place, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_pipe import api
from kling_pipe.errors import UsageError
from kling_pipe.manifest.pick_edit import pick, with_pick
from kling_pipe.manifest.yaml.document import parse

HEAD = "version: 1\nproject: tea\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "images:\n  a:\n    takes: 3 # three\n    prompt: x\n",
            "images:\n  a:\n    takes: 3 # three\n    pick: 2\n    prompt: x\n",
        ),
        ("images:\n  a:\n    pick: 1   # mine\n    takes: 3\n", "images:\n  a:\n    pick: 2   # mine\n    takes: 3\n"),
        ("images: { a: { takes: 3, prompt: x } }\n", "images: { a: { takes: 3, pick: 2, prompt: x } }\n"),
        ("images:\r\n  a:\r\n    takes: 3\r\n", "images:\r\n  a:\r\n    takes: 3\r\n    pick: 2\r\n"),
        ("images:\n  a:\n    prompt: x\n    takes: 3", "images:\n  a:\n    prompt: x\n    takes: 3\n    pick: 2"),
        (
            "images:\n  b: {prompt: 春}\n  a: {pick: '1', takes: 3}\n",
            "images:\n  b: {prompt: 春}\n  a: {pick: 2, takes: 3}\n",
        ),
    ],
    ids=["a line below takes", "a number replaced", "braces", "Windows lines", "no last newline", "quoted"],
)
def test_one_place_changes(before, after):
    """Comments, order, line ends and style stay as they were."""
    assert with_pick(before, ["images", "a"], 2)[0] == after


@pytest.mark.parametrize(
    "text",
    [
        "x: &x { takes: 3 }\nimages:\n  a: *x\n",
        "x: &x { takes: 3 }\nimages:\n  a:\n    <<: *x\n    prompt: y\n",
        "images: { a: 1 }\n",
    ],
    ids=["an alias", "merged takes", "no recipe"],
)
def test_what_is_written_elsewhere_is_left_to_a_person(text):
    """An edit that would reach other recipes too is refused, with the words to write."""
    with pytest.raises(UsageError) as caught:
        with_pick(text, ["images", "a"], 2)

    assert "pick: 2" in caught.value.hint


@given(
    st.sampled_from(["takes: 4", "takes: 4\n    pick: 3", "pick: 1\n    takes: 4 # c"]),
    st.lists(st.sampled_from(["# note", "", "    prompt: tea, 春", "    n: 2"]), unique=True),
    st.integers(1, 4),
)
def test_only_pick_differs_afterwards(entry, around, take):
    """Read again, the manifest is the same but for the pick; written again, it does not change."""
    text = "\n".join(["images:", "  a:", *around, f"    {entry}", "  b: { takes: 2 }", ""])
    new, _ = with_pick(text, ["images", "a"], take)
    then, now = parse(text, "m").data, parse(new, "m").data

    assert now["images"]["a"].pop("pick") == take
    then["images"]["a"].pop("pick", None)
    assert now == then
    assert with_pick(new, ["images", "a"], take)[0] == new


def manifest(folder, recipe):
    Image.new("RGB", (400, 400)).save(folder / "a.png")
    path = folder / "kling-pipe.yaml"
    path.write_text(f"{HEAD}images:\n  a: {{ model_name: kling-v3-omni, prompt: x, {recipe} }}\n", encoding="utf-8")
    return path


def test_a_pick_is_what_the_next_compile_uses(tmp_path):
    """Picked, compiled again: the recipe's pick is the new take, and the file says where."""
    path = manifest(tmp_path, "takes: 3")
    done = pick(api.load(path), "image.a#2", 3)

    assert (done.before, done.take, done.line) == (1, 3, 4)
    assert "pick: 3" in path.read_text(encoding="utf-8")
    assert next(iter(api.load(path).scope.recipes())).pick == 3


@pytest.mark.parametrize(
    ("before", "cell", "after"),
    [
        ("takes: 3", "jp", "takes: 3, pick: { jp: 2 }"),
        ("takes: 3, pick: 1", "jp", "takes: 3, pick: { jp: 2 }"),
        ("takes: 3, pick: 3", "jp", 'takes: 3, pick: { jp: 2, "*": 3 }'),
        ("takes: 3, pick: {us: 3}", "jp", "takes: 3, pick: {us: 3, jp: 2}"),
        ("takes: 3, pick: {jp: 3, us: 3}", "jp", "takes: 3, pick: {jp: 2, us: 3}"),
        ("takes: 3", "2024", 'takes: 3, pick: { "2024": 2 }'),
        ('takes: 3, pick: {"2024": 1}', "2024", 'takes: 3, pick: {"2024": 2}'),
    ],
)
def test_one_cell_is_picked_and_the_others_stay(before, cell, after):
    """A number for all becomes a mapping; a mapping gets or changes one entry."""
    text = f"images: {{ a: {{ {before} }} }}\n"
    assert with_pick(text, ["images", "a"], 2, cell)[0] == f"images: {{ a: {{ {after} }} }}\n"


def test_a_block_of_cells_gets_a_line():
    """Written as a block it stays one."""
    text = "images:\n  a:\n    takes: 3\n    pick:\n      us: 3  # hers\n    prompt: x\n"
    new, _ = with_pick(text, ["images", "a"], 2, "jp")
    assert new == text.replace("# hers\n", "# hers\n      jp: 2\n")


def test_a_cell_that_was_picked_is_what_its_own_jobs_use(tmp_path):
    """The film of one cell moves to the other take, its neighbour stays."""
    path = manifest(tmp_path, "takes: 3, pick: 3, matrix: { x: [x1, x2] }")
    done = pick(api.load(path), "image.a@x1", 2)
    recipe = next(iter(api.load(path).scope.recipes()))

    assert (done.recipe, done.before) == ("image.a@x1", 3)
    assert [recipe.picked(cell) for cell in recipe.cells] == [2, 3]


@pytest.mark.parametrize(("address", "take"), [("image.a", 4), ("image.b", 1), ("image.a@x3", 2)])
def test_what_does_not_exist_cannot_be_picked(tmp_path, address, take):
    """Too high a take, an unknown name, an unknown cell: refused, and the file stays."""
    path = manifest(tmp_path, "takes: 3, matrix: { x: [x1, x2] }")
    text = path.read_bytes()
    with pytest.raises(UsageError):
        pick(api.load(path), address, take)

    assert path.read_bytes() == text


def test_a_manifest_with_a_byte_order_mark_keeps_it(tmp_path):
    """What an editor on Windows put in front stays in front."""
    path = manifest(tmp_path, "takes: 2")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    pick(api.load(path), "image.a", 2)

    assert path.read_bytes().startswith(b"\xef\xbb\xbfversion")
