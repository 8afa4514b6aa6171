"""Keys of a table with line breaks: the same on every checkout, with the keys that earlier versions gave remembered."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_pipe.core.keys import key_of
from kling_pipe.engine.fleet.serialization import job_form, job_of
from kling_pipe.manifest import Manifest, compile_manifest

TABLE = 'id,text\none,"a red kite\nover the sea"\ntwo,a blue kite\n'
MANIFEST = """\
version: 1
project: p
images:
  kite: { model_name: kling-v3-omni, matrix: { from: kites.csv, axes: [id] }, prompt: "{{ matrix.text }}" }
videos:
  film:
    { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: "16:9", duration: 3, first_frame: image.kite,
      matrix: { from: kites.csv, axes: [id] }, prompt: "the wind, {{ matrix.id }}" }
"""

# What earlier versions gave, on an LF checkout and on a CRLF one. A change here would make people pay again.
WITH_LF = {
    "image.kite@one": "4605d76170d6fe2eb1f2c4f211b866989bcee4b7b85842837f0ba681cf7a0e12",
    "image.kite@two": "fbdc9f56b629cd75d743ae370227f9e823e437eef34a2022577ac5f842420ac1",
    "video.film@one": "79199c0a83dae91c3e48f32580ccb5306219272c810dc143c3194344ff1171c0",
    "video.film@two": "f250eb9b9be1ab5ef492400b4f081b10080aabac65d707a2506fde62df9672b3",
}
WITH_CRLF = {
    "image.kite@one": "d9c33a7f9a04316044cde740da7e066786ea56ac81b1d201c83134dbadb1b54a",
    "video.film@one": "bb723f5f7e9c81b23cb1827eb44668e29326cbfd5ab4e5665e63de3500674abd",
}


def compiled(table: bytes, manifest: str = MANIFEST, name: str = "kites.csv") -> Manifest:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(table)
        Path(folder, "kling-pipe.yaml").write_text(manifest, encoding="utf-8")
        return compile_manifest(Path(folder, "kling-pipe.yaml"))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_keys_are_those_of_the_lf_checkout(ending):
    """And a job knows its key of the CRLF checkout, as does a job that uses it; no other job has any."""
    jobs = compiled(TABLE.replace("\n", ending).encode()).jobs

    assert {job.address: job.key for job in jobs} == WITH_LF
    assert {job.address: job.former_keys[0] for job in jobs if job.former_keys} == WITH_CRLF
    assert all(len(job.former_keys) <= 1 for job in jobs)


def test_a_file_with_both_line_ends_has_a_third_form():
    """As it stands: what a spreadsheet wrote, and git left alone."""
    mixed = 'id,text\r\none,"a red\r\nkite\nover the sea"\r\n'
    kite = compiled(mixed.encode()).jobs[0]
    texts = ["a red\nkite\nover the sea", "a red\r\nkite\r\nover the sea", "a red\r\nkite\nover the sea"]
    keys = [key_of(kite.operation, {**kite.request, "prompt": text}, str) for text in texts]

    assert (kite.key, *kite.former_keys) == tuple(keys)


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("kites.json", '[\n {"id": "one", "text": "a\\nb"},\n {"id": "two", "text": "c\\r\\nd"}\n]\n'),
        ("kites.yaml", '- id: one\n  text: |\n    a\n    b\n- { id: two, text: "c\n    d" }\n'),
    ],
)
def test_other_tables_never_had_another_key(name, table):
    """JSON writes line breaks as letters, and YAML reads every line end as LF."""
    manifest = MANIFEST.replace("kites.csv", name)
    one, other = (compiled(text.encode(), manifest, name).jobs for text in (table, table.replace("\n", "\r\n")))

    assert [job.key for job in one] == [job.key for job in other]
    assert [job.former_keys for job in (*one, *other) if job.former_keys] == []


def test_manifests_never_had_another_key_either():
    """Block scalars, folded ones, quoted ones over several lines, templates with blocks."""
    manifest = MANIFEST.replace(
        'prompt: "{{ matrix.text }}" }',
        'prompt: "{{ matrix.text }}" }\n'
        "  b: { model_name: kling-v3-omni, prompt: 'single\n    quoted\n\n    text' }\n"
        "  c:\n    model_name: kling-v3-omni\n    prompt: |\n      a\n      {% if true %}\n      b\n      {% endif %}\n"
        "  d:\n    model_name: kling-v3-omni\n    prompt: >-\n      a\n      b\n\n      c",
    )
    with tempfile.TemporaryDirectory() as folder:
        keys = []
        for text in (manifest, manifest.replace("\n", "\r\n")):
            Path(folder, "kites.csv").write_bytes(TABLE.encode())
            Path(folder, "kling-pipe.yaml").write_bytes(text.encode())
            keys.append([(job.address, job.key) for job in compile_manifest(Path(folder, "kling-pipe.yaml")).jobs])
    assert keys[0] == keys[1]


def test_an_axis_with_line_breaks_finds_its_cell_in_every_form():
    """A cell by the value of an axis, picked by the table's own text."""
    manifest = MANIFEST.replace(
        "first_frame: image.kite,", "first_frame: \"image.kite['{{ matrix.text }}']\","
    ).replace("axes: [id]", "axes: [text]")
    manifest = manifest.replace("matrix.id", "matrix.text")
    found = [compiled(TABLE.replace("\n", ending).encode(), manifest).jobs for ending in ("\n", "\r\n")]
    assert [job.key for job in found[0]] == [job.key for job in found[1]]
    assert [len(job.former_keys) for job in found[0]] == [len(job.former_keys) for job in found[1]]


cells = st.text(st.sampled_from("ab ,\"\n\r'é"), max_size=12)
rows = st.lists(cells, min_size=1, max_size=5)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows)
def test_every_checkout_has_the_same_keys_and_knows_the_other(texts):
    """Any cells: the LF key is what it always was, and the CRLF key, if it is another, is remembered."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows([f"x{number}", f"a{text.replace(chr(13), '')}z"] for number, text in enumerate(texts))
    table = file.getvalue()
    manifest = MANIFEST.replace("{{ matrix.text }}", "{{ matrix.text }}.")
    lf, crlf = (compiled(one.encode(), manifest).jobs for one in (table, table.replace("\n", "\r\n")))

    assert [(job.address, job.key, job.former_keys) for job in lf] == [
        (job.address, job.key, job.former_keys) for job in crlf
    ]
    for job in lf:
        number = int(job.cell["id"][1:])
        text = f"a{texts[number].replace(chr(13), '')}z."
        if job.kind == "image":
            then = key_of(job.operation, {**job.request, "prompt": text.replace("\n", "\r\n")}, str)
            assert job.key == key_of(job.operation, {**job.request, "prompt": text}, str)
            assert job.former_keys == (() if then == job.key else (then,))
        else:
            assert bool(job.former_keys) == ("\n" in text)


def test_former_keys_travel_to_a_fleet_and_old_forms_are_read():
    """A job without any looks to a worker of an earlier version as it always did."""
    one, two = compiled(TABLE.encode()).jobs[:2]
    assert job_of(json.loads(json.dumps(job_form(one)))).former_keys == one.former_keys != ()
    assert "former_keys" not in job_form(two)
    assert job_of(json.loads(json.dumps(job_form(two)))).former_keys == ()
