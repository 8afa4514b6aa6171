"""The README and the pages under docs/ are true: commands run, links lead somewhere, tables are complete.

A ```console block is run, line by line, in a copy of the checkout where `kling-pipe` is this very code; what stands
under a command must be its output (`...` for anything; a last line `exit code 3` for another end than 0).
A block with a title, as in ```yaml title="kling-pipe.yaml", is a file that the reader writes at that point.
A ```sh block is for reading: it needs credentials, a terminal or a network.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulators import ended_in

from kling_pipe import errors
from kling_pipe.cli.main import VERBS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETUP = re.compile(r"python3 -m venv \.venv && \.venv/bin/pip install -c constraints\.txt -e '\.\[([\w,]+)\]' && (.+)")
LOOSE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Command:
    """One line of a console block, what is shown under it, and how it ends."""

    line: str
    output: str = ""
    code: int = 0


@dataclass(frozen=True)
class File:
    """A block with a title: what the reader writes before going on."""

    path: str
    text: str


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def steps(page: Path) -> Iterator[Command | File]:
    """What a reader does, from the top of a page to its end."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r'^```(\w+)(?: title="([^"\n]+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    for language, title, block in fences:
        if title:
            yield File(title, block)
        elif language == "console":
            yield from typed(block)


def typed(block: str) -> Iterator[Command]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        end = re.search(r"^exit code (\d+)\n\Z", output, re.MULTILINE)
        yield Command(line, output[: end.start()] if end else output, int(end[1]) if end else 0)


def commands(page: Path) -> list[Command]:
    """The commands of a page's console blocks."""
    return [step for step in steps(page) if isinstance(step, Command)]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of what a clone holds, with a `.venv` in which `kling-pipe` is the code under test."""
    for name in ("pipelines", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns(".kling-pipe", "out*", "*.lock"))
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for name, words in (("kling-pipe", f'"{sys.executable}" -m kling_pipe'), ("python", f'"{sys.executable}"')):
        (scripts / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        (scripts / name).chmod(0o755)
    (scripts / "activate").touch()
    monkeypatch.setenv("PATH", os.pathsep.join((str(scripts), os.environ["PATH"])))
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "reader@localhost")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ["PYTHONPATH"])))
    with ended_in(tmp_path):
        yield tmp_path


def ran(line: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a shell line, the set-up of an environment left out."""
    setup = SETUP.fullmatch(line)
    words = ["sh", "-c", setup[2] if setup else line]
    done = subprocess.run(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=110, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, copy: Path) -> None:
    """What a reader types gives what the page shows, from the first command of a page to its last."""
    folder = copy
    for step in steps(page):
        if isinstance(step, File):
            (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.path).write_text(step.text, encoding="utf-8")
        elif step.line.startswith("cd ") and "&" not in step.line:  # holds for the commands after it, as in a shell
            folder = (folder / step.line.removeprefix("cd ")).resolve(strict=True)
        elif not step.line.endswith("-m pytest"):  # that is this
            gives(step, folder)


def gives(command: Command, folder: Path) -> None:
    """Fails when a command ends or prints otherwise than its page says."""
    code, output = ran(command.line, folder)
    assert code == command.code, f"$ {command.line}\n{output}"
    if command.output.strip():
        assert doctest.OutputChecker().check_output(command.output, output, LOOSE), f"$ {command.line}\n{output}"


def test_the_readme_sets_up_with_what_the_project_offers() -> None:
    """Its two set-up lines name extras that exist: one ends in a first run, the other in the tests."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    lines = [found for command in commands(README) if (found := SETUP.fullmatch(command.line))]

    assert {extra for line in lines for extra in line[1].split(",")} <= set(extras)
    assert [line[2].split()[0] for line in lines] == [".venv/bin/kling-pipe", ".venv/bin/python"]


def test_the_readmes_manifest_runs_from_the_readmes_script(copy: Path) -> None:
    """The manifest that is explained line by line, made by the script that is printed below it."""
    [manifest], [script] = blocks(README, "yaml"), blocks(README, "python")
    (copy / "pipelines" / "kling-pipe.yaml").write_text(manifest, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=copy / "pipelines", capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (copy / "pipelines" / "out-emulator").rglob("*.[mp][pn][4g]")} == {".mp4", ".png"}
    assert done.stdout.rstrip().endswith("0 failed")


def test_the_readme_names_every_verb_and_exit_code() -> None:
    """Its tables are the whole of it, and nothing that is not there."""
    text = README.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+ \|$", text, re.MULTILINE)
    named = {word.split()[0] for row in rows for word in re.findall(r"`([^`]+)`", row)}
    codes = {int(row) for row in rows if row.isdecimal()}
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.KlingPipeError)]

    assert named == set(VERBS)
    assert codes == {0, 1, 2, *(one.exit_code for one in classes)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """A link within the project names a file, and a heading in it, that are there."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = [
        link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("http") and not leads(page, link)
    ]

    assert broken == []


def leads(page: Path, link: str) -> bool:
    """Whether a file is there, and for `#heading` the heading, as the usual hosts name it."""
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not heading or not target.is_file():
        return target.exists()
    titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_a_page_is_read_as_commands_and_files(tmp_path: Path) -> None:
    """The reader of pages tells commands, outputs, ends and files apart."""
    page = tmp_path / "page.md"
    page.write_text(
        "x\n```console\n$ a b\none\ntwo\n$ c\nthree\nexit code 3\n```\n```sh\n$ d\n```\n"
        '```yaml title="a/b.yaml"\nk: v\n```\n```yaml\nk: v\n```\n',
        encoding="utf-8",
    )

    assert list(steps(page)) == [Command("a b", "one\ntwo\n"), Command("c", "three\n", 3), File("a/b.yaml", "k: v\n")]
