"""`kling-pipe report` as a person calls it, in a real repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from forks import shared

ROOT = Path(__file__).resolve().parents[2]
WHO = {f"GIT_{who}_{what}": "tester@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def folder(campaign, tmp_path):
    """A copy of the campaign, committed."""
    target = tmp_path / "copy"
    shutil.copytree(campaign.path.parent, target)
    (target / ".gitignore").write_text("*\n!kling-pipe.yaml\n!hana.png\n", encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=target, env={**os.environ, **WHO}, check=True)
    return target


def report(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return shared().run("report", "--emulator", *words, cwd=folder, environ={**os.environ, "PYTHONPATH": path})


def test_the_sheet_says_which_commit_it_shows(folder):
    """The page's path is all that stands on stdout; the page names the commit."""
    done = report(folder)
    commit = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )

    page = Path(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    assert page == folder / "out-emulator" / "contact-sheet" / "index.html"
    assert commit.stdout.strip() in page.read_text(encoding="utf-8")


def test_a_commit_is_compared_with_what_stands_here(folder):
    """A changed prompt shows up with the words that changed, an upstream change as other inputs."""
    manifest = folder / "kling-pipe.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("in a field", "on a hill"), encoding="utf-8")
    done = report(folder, "--compare", "HEAD", "--out", "sheet")
    page = (folder / "sheet" / "index.html").read_text(encoding="utf-8")

    assert done.returncode == 0, done.stderr
    assert "6 changes since HEAD" in page
    assert "<del>in</del><ins>on</ins>" in page
    assert "made from other inputs" in page


@pytest.mark.parametrize("words", [["--compare", "no-such-branch"], ["-s", "video.nothing"]])
def test_what_does_not_exist_is_a_usage_error(folder, words):
    """A mistyped commit or selector ends with 64 and a next step."""
    done = report(folder, *words)

    assert done.returncode == 64
    assert "next:" in done.stderr
    assert done.stdout == ""
