"""Matrices: axes, tables, joins, and what cells are called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_pipe.core.text import slug
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import Manifest, compile_manifest

HEAD = """version: 1
project: p
defaults:
  images: { model_name: kling-v3-omni }
  videos: { model_name: kling-v3-omni, aspect_ratio: 16:9 }
"""
Cells = Callable[..., list[str]]


@pytest.fixture(name="compile")
def _compile(tmp_path: Path) -> Callable[..., Manifest]:
    def compiled(text: str, **files: str) -> Manifest:
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_bytes(content.encode())
        (tmp_path / "m.yaml").write_text(HEAD + text, encoding="utf-8")
        return compile_manifest(tmp_path / "m.yaml")

    return compiled


@pytest.fixture(name="cells")
def _cells(compile: Callable[..., Manifest]) -> Cells:
    """The prompts that a matrix makes, with the cells' names."""

    def found(matrix: str, prompt: str = "{{ job.address }}", **files: str) -> list[str]:
        manifest = compile(
            f'vars: {{ m: [x, y], f: rows.csv }}\nvideos:\n  v:\n    matrix: {matrix}\n    prompt: "{prompt}"\n',
            **files,
        )
        return [job.request["prompt"].removeprefix("video.v") for job in manifest.jobs]

    return found


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ("{ a: [x, y] }", ["@x", "@y"]),
        ("{ a: [x, y], b: [1, 2] }", ["@x-1", "@x-2", "@y-1", "@y-2"]),
        ("{ r: [16:9, 9:16] }", ["@16x9", "@9x16"]),
        ("{ a: [on, true, 1.5] }", ["@on", "@true", "@1-5"]),
        ("{ a: [{ id: x, n: 1 }, { name: y }] }", ["@x", "@y"]),
        ("{ a: [春, Ürün, ไทย] }", ["@春", "@ürün", "@ไทย"]),
        ('{ a: "{{ vars.m }}" }', ["@x", "@y"]),
        ('{ a: ["{{ vars.m[1] }}", z] }', ["@y", "@z"]),
        ("{ a: [x, y], b: [1, 2], exclude: [{ a: x, b: 2 }] }", ["@x-1", "@y-1", "@y-2"]),
        ("{ a: [x, y], b: [1, 2], exclude: [{ b: 1 }] }", ["@x-2", "@y-2"]),
        ("{ a: [x, y], include: [{ a: z }] }", ["@x", "@y", "@z"]),
        ("{ include: [{}] , a: [x] }", None),
        ("{ a: [x], b: [1], include: [{ a: y, b: 2 }] }", ["@x-1", "@y-2"]),
        ("{ a: [x, y], exclude: [{ a: x }], include: [{ a: x }] }", ["@y", "@x"]),
    ],
)
def test_cells(cells: Cells, matrix: str, wanted: list[str] | None) -> None:
    """Axes multiply in their order; exclude takes away; include adds."""
    if wanted is None:
        with pytest.raises(ManifestInvalid):
            cells(matrix)
    else:
        assert cells(matrix) == wanted


def test_include_gives_cells_more_values(cells: Cells) -> None:
    """An entry that agrees with cells joins them, as on GitHub Actions."""
    found = cells(
        "{ a: [x, y], include: [{ a: x, line: one }, { line2: all }, { a: y, line: two }] }",
        "{{ matrix.line }} {{ matrix.line2 }}",
    )
    assert found == ["one all", "two all"]


def test_a_mapping_on_an_axis_keeps_its_values(cells: Cells) -> None:
    """The cell is called by `id`; the others ride along."""
    assert cells(
        "{ m: [{ id: jp, line: 春 }, { id: us, line: Spring }] }", "{{ matrix.m.id }} {{ matrix.m.line }}"
    ) == ["jp 春", "us Spring"]


ROWS = 'sku,line\na,First\nb,"Second, quoted"\n\nc,"two\nlines"\n'


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ("{ from: rows.csv }", ["@a-first", "@b-second-quoted", "@c-two-lines"]),
        ("{ from: rows.csv, axes: [sku] }", ["@a", "@b", "@c"]),
        (
            "{ from: rows.csv, axes: [sku], r: [16:9, 1:1] }",
            ["@a-16x9", "@a-1x1", "@b-16x9", "@b-1x1", "@c-16x9", "@c-1x1"],
        ),
        ("{ from: '{{ vars.f }}', axes: [sku], exclude: [{ sku: b }] }", ["@a", "@c"]),
        ("{ from: rows.json, axes: [sku] }", ["@a", "@b"]),
        ("{ from: rows.yaml, axes: [sku] }", ["@a", "@b"]),
        ("{ from: rows.csv, axes: [sku], include: [{ sku: d, line: Fourth }] }", ["@a", "@b", "@c", "@d"]),
        ("{ from: rows.csv, axes: [sku], exclude: [{ line: First }] }", ["@b", "@c"]),
    ],
)
def test_tables(cells: Cells, matrix: str, wanted: list[str]) -> None:
    """Rows of csv, json and yaml; all columns are axes unless `axes` names some; empty lines do not count."""
    files = {
        "rows__csv": "\ufeff" + ROWS.replace("\n", "\r\n"),
        "rows__json": '[{"sku": "a", "n": 1.5}, {"sku": "b"}]',
        "rows__yaml": "- { sku: a }\n- { sku: b }\n",
    }
    assert cells(matrix, **files) == wanted


def test_columns_are_in_matrix_by_name(cells: Cells) -> None:
    """Values of a csv are text, line breaks kept."""
    assert cells("{ from: rows.csv, axes: [sku] }", "{{ matrix.line }}", rows__csv=ROWS) == [
        "First",
        "Second, quoted",
        "two\nlines",
    ]


def test_a_problem_names_the_row_and_its_line(compile: Callable[..., Manifest]) -> None:
    """One bad row among many: file and line of the row, the cell in the address, the text after rendering."""
    rows = "sku,line\n" + "".join(f"s{n},line {n}\n" for n in range(50)) + 'bad,"' + "x\n" * 400 + '"\nlast,fine\n'
    with pytest.raises(ManifestInvalid) as caught:
        compile(
            "videos:\n  v:\n    matrix: { from: rows.csv, axes: [sku] }\n"
            "    shots: [{ duration: 5, prompt: '{{ matrix.line }}' }]\n",
            rows__csv=rows,
        )
    (problem,) = caught.value.problems
    assert problem.address == "video.v@bad"
    assert "rows.csv:52)" in problem.message
    assert "799 of 512" in problem.message
    assert problem.found.startswith("after rendering: x")


def test_ten_thousand_bad_rows_do_not_drown_the_rest(compile: Callable[..., Manifest]) -> None:
    """Some rows are shown, the others counted; another mistake is still seen."""
    rows = "sku,mode\n" + "".join(f"s{n},m{n}\n" for n in range(1000))
    with pytest.raises(ManifestInvalid) as caught:
        compile(
            "videos:\n  v: { matrix: { from: rows.csv, axes: [sku] }, mode: '{{ matrix.mode }}', prompt: A cup }\n"
            "  w: { prompt: '{{ vars.x }}' }\n",
            rows__csv=rows,
        )
    assert len(caught.value.problems) == 13
    assert any("988 more" in problem.message for problem in caught.value.problems)
    assert caught.value.problems[-1].address == "video.w"


# -- joins ------------------------------------------------------------------------------------------------------------


def needs(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """What each film needs."""
    return {job.address: job.needs for job in manifest.jobs if job.kind == "video"}


def test_jobs_join_on_the_axes_they_share(compile: Callable[..., Manifest]) -> None:
    """Each cell gets the cell with its own values; axes of one side alone do not matter."""
    manifest = compile("""
images:
  frame: { matrix: { ratio: [16:9, 9:16] }, aspect_ratio: "{{ matrix.ratio }}", prompt: A cup }
videos:
  film: { matrix: { market: [jp, us], ratio: [9:16, 16:9] }, first_frame: image.frame, prompt: "{{ matrix.market }}" }
  after: { matrix: { market: [us] }, continues: "video.film['16:9']", prompt: "After {{ video.film['16:9'] }}" }
  by_cell: { continues: video.film@jp-9x16, prompt: "After {{ video.film['jp']['9:16'] }}" }
""")
    assert needs(manifest) == {
        "video.film@jp-9x16": ("image.frame@9x16",),
        "video.film@jp-16x9": ("image.frame@16x9",),
        "video.film@us-9x16": ("image.frame@9x16",),
        "video.film@us-16x9": ("image.frame@16x9",),
        "video.after@us": ("video.film@us-16x9",),
        "video.by_cell": ("video.film@jp-9x16",),
    }


def test_numbers_and_texts_join(compile: Callable[..., Manifest]) -> None:
    """`5` in one matrix and `"5"` in another, or in a csv, are the same value."""
    manifest = compile(
        """
images: { frame: { matrix: { n: [1, 2] }, prompt: "Cup {{ matrix.n }}" } }
videos: { film: { matrix: { from: rows.csv, axes: [n] }, first_frame: image.frame, prompt: Steam } }
""",
        rows__csv="n,x\n2,a\n",
    )
    assert needs(manifest) == {"video.film@2": ("image.frame@2",)}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("16:9", "16x9"),
        ("a b", "a-b"),
        ("  A--B__c ", "a-b-c"),
        ("Tee & Tasse", "tee-tasse"),
        ("春の一杯", "春の一杯"),
        ("é", "é"),
        ("e\u0301", "é"),
        ("10:30:00", "10x30x00"),
        ("a: b", "a-b"),
        ("!!", ""),
        ("", ""),
        ("😀", ""),
        (1.5, "1-5"),
        (True, "true"),
        ("../x", "x"),
        ("a/b", "a-b"),
        ("ΑΒΓ", "αβγ"),
    ],
)
def test_slugs(value: Any, wanted: str) -> None:
    """Letters and digits of any script, composed, in lower case; `:` between them is `x`."""
    assert slug(value) == wanted


def test_long_values_stay_names(cells: Cells) -> None:
    """A prompt as an axis: cut, and kept apart by a digest."""
    first, second = cells("{ a: ['" + "word " * 30 + "one', '" + "word " * 30 + "two'] }")
    assert first != second
    assert len(first) < 64
