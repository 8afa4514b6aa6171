"""`scripts.new_operation` in a copy of what it writes to: CONTRIBUTING's own example, from start to green."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("schemas", "docs", "pipelines", "tests", "mkdocs.yml", "pyproject.toml")
SCHEMAS = ("tests/catalog/test_schemas.py", "tests/catalog/test_cases.py", "tests/catalog/test_pricing.py")
PAGES = (
    "tests/report/test_api_docs.py",
    "tests/editor/test_manifest_schema.py",
    "tests/manifest/test_bad_manifests.py",
    *(
        f"tests/report/test_explanations.py::test_{name}"
        for name in (
            "the_page_is_current",
            "every_rule_has_an_example_and_every_example_a_rule",
            "the_refused_example_breaks_this_rule_and_the_mended_one_none",
        )
    ),
)
OWN = ("-k", "turntable or tu-01 or not [")
"""Every test without a parameter, and of the others what is the new operation's: nothing else has changed for them."""
EXAMPLES = (
    "tests/engine/test_every_operation.py::test_every_operation_has_an_example",
    "tests/engine/test_every_operation.py::test_an_example_is_made_once[turntable]",
)
LEFT = f"{SCHEMAS[0]}::test_nothing_is_left_to_fill_in"


def copied(folder):
    """The data, the pages and the tests as they are, to be written to; the program itself by a link."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, folder / name)
    for name in ("kling_pipe", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def checkout(tmp_path):
    return copied(tmp_path)


@pytest.fixture(scope="module")
def checkout_once(tmp_path_factory):
    """For what writes nothing."""
    return copied(tmp_path_factory.mktemp("checkout"))


def python(folder, *words):
    """A child that finds the program in the copy, wherever its own children stand."""
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def tool(folder, *words):
    return python(folder, "-m", "scripts.new_operation", *words)


def suite(folder, *words):
    """Some of our own tests, held against the copy's schemas: how it ended, and what was printed."""
    code, out, _ = python(folder, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", *words)
    return code, out


def contents(folder):
    files = (path for name in COPIED for path in [folder / name, *(folder / name).rglob("*")])
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files if path.is_file()}


def shown():
    """The commands of CONTRIBUTING's section, with the lines that it shows under each.

    They write to the checkout, so the section marks them as not to be run in place.
    """
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## A new operation")[2]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    parts = [part.splitlines() for block in blocks for part in block.split("$ python -m ") if part]
    return [(shlex.split(first), [line for line in rest if line != "..."]) for first, *rest in parts]


def fill_in(folder, out):
    """Each line that was printed gets a text in place of its mark, as a person would write one."""
    for path, number in re.findall(r"^  (\S+):(\d+): write ", out, re.MULTILINE):
        lines = (folder / path).read_text(encoding="utf-8").splitlines(keepends=True)
        lines[int(number) - 1] = re.sub(r"TODO [a-z-]+: ", "Filled in: ", lines[int(number) - 1])
        (folder / path).write_text("".join(lines), encoding="utf-8")


def test_the_example_of_contributing_goes_from_start_to_green(checkout):
    """Red for what is not written yet and nothing else; written, all is green, and a job runs on the emulator."""
    (made, told), (again, told_again), (_, _) = shown()
    code, out, err = python(checkout, "-m", *made)
    assert (code, err) == (0, "")
    assert [line for line in told if line not in out.splitlines()] == []
    code, red = suite(checkout, *SCHEMAS, *PAGES[:1], *OWN)
    assert re.findall(r"^FAILED (\S+)", red, re.MULTILINE) == [LEFT]

    fill_in(checkout, out)
    code, out, err = python(checkout, "-m", *again)
    assert (code, out.splitlines(), err) == (0, told_again, "")
    code, out = suite(checkout, *SCHEMAS, *PAGES, *EXAMPLES, *OWN)
    assert code == 0, out


MORE = (
    ("light-table", "--kind", "image", "--units", "8"),
    ("foot-steps", "--kind", "audio", "--model", "kling-v3", "--model", "kling-v2-6"),
    ("zoom", "--prefix", "ZZ", "--units", "0.4", "--per", "second"),
)


def test_each_kind_has_a_skeleton_that_checks(checkout):
    """One after the other; what stood in the files that they share stands there still, and all is green at the end."""
    before, told = contents(checkout), []
    for options in MORE:
        code, out, err = tool(checkout, *options)
        assert (code, err) == (0, "")
        assert ("schemas/pricing.json:" in out) == ("--units" not in options)
        told.append(out)
    after = contents(checkout)
    assert before.keys() - after.keys() == set()
    for name in ("schemas/explanations.json", "schemas/pricing.json", "mkdocs.yml"):
        assert is_kept(before[name].decode(), after[name].decode()), name

    for options in MORE:
        fill_in(checkout, tool(checkout, options[0], "--pages")[1])
    assert tool(checkout, "zoom", "--pages")[1].endswith("Nothing is left to fill in.\n")
    code, out = suite(checkout, *SCHEMAS, *PAGES)
    assert code == 0, out


def is_kept(before, after):
    """Whether every line is there in its order; a comma may have come behind the last of a list."""
    lines = iter(line.rstrip(",") for line in after.splitlines())
    return all(line.rstrip(",") in lines for line in before.splitlines())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["expand-image"], "schemas/operations/expand-image.json is there already"),
        (["chain"], "pipelines/operations/chain.yaml is there already"),
        (["conformance"], "docs/api/conformance.md is there already"),
        (["manifest"], "tests/cases/manifest is there already"),
        (["Turn_Table"], "`Turn_Table` is no name"),
        (["../turntable"], "`../turntable` is no name"),
        (["turn--table"], "`turn--table` is no name"),
        ([""], "`` is no name"),
        (["x"], "choose one with --prefix"),
        (["turntable", "--prefix", "OV"], "`OV` is no prefix that is free"),
        (["turntable", "--prefix", "kp"], "`kp` is no prefix that is free"),
        (["turntable", "--path", "/v1/videos/omni-video"], "meets `/v1/videos/omni-video` of `omni-video`"),
        (["turntable", "--path", "/v1/videos/avatar"], "meets `/v1/videos/avatar/image2video` of `avatar`"),
        (["turntable", "--path", "videos"], "`videos` is no path"),
        (["turntable", "--model", "Kling v3"], "`Kling v3` is no model"),
        (["turntable", "--model", "kling-v3", "--model", "kling-v3"], "a model is named twice"),
        (["turntable", "--units", "-1"], "-1.0 units are no price"),
        (["turntable", "--units", "nan"], "nan units are no price"),
        (["turntable", "--per", "clip"], "add --units"),
        (["turntable", "--units", "1", "--per", "image"], "a price of videos is not per image"),
        (["turntable", "--pages"], "there is no operation `turntable` yet"),
    ],
)
def test_what_cannot_be_is_refused(checkout_once, words, why):
    """Exit 2 with the reason, and not a byte is written."""
    before = contents(checkout_once)
    code, out, err = tool(checkout_once, *words)
    assert (code, out) == (2, "")
    assert why in err
    assert contents(checkout_once) == before


def test_it_is_not_written_twice(checkout):
    """The second time the name is taken, and what was filled in since is kept."""
    assert tool(checkout, "turntable")[0] == 0
    before = contents(checkout)
    code, _, err = tool(checkout, "turntable")
    assert (code, "is there already" in err) == (2, True)
    assert contents(checkout) == before


def test_a_shared_file_of_another_shape_is_left_alone(checkout):
    """Where a line would have to go cannot be told any more: refused, with nothing written."""
    path = checkout / "schemas" / "explanations.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    before = contents(checkout)
    code, _, err = tool(checkout, "turntable")
    assert (code, "nothing was written" in err) == (2, True)
    assert contents(checkout) == before
