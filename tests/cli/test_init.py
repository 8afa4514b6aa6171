"""`init` writes campaigns that run as they are, and overwrites nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from forks import shared

from kling_pipe import api
from kling_pipe.cli.init_files import NAMES, placeholder
from kling_pipe.cli.main import cli
from kling_pipe.cli.project_name import project_name
from kling_pipe.emulator import ensure

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("template", NAMES)
def test_every_template_runs_on_the_emulator_without_a_warning(tmp_path, template):
    """From nothing to files: compiled without any problem, then made."""
    folder = tmp_path / "Frühling 2026"
    written = CliRunner().invoke(cli, ["init", str(folder), "--template", template])
    assert written.exit_code == 0, written.output
    manifest = api.load(folder / "kling-pipe.yaml")
    assert [one for one in manifest.problems if one.level != "note"] == []

    running = ensure(tmp_path / "server", media="tiny", task_seconds=0.05, idle_exit=20)
    words = ["run", "-y", "--emulator", "--state", str(tmp_path / "server")]
    done = shared().run(*words, cwd=folder, environ={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{len(manifest.jobs)} made")
    assert running.pid


@pytest.mark.parametrize(
    ("folder", "project"),
    [
        ("Frühling 2027", "fruhling-2027"),
        ("Đà Nẵng", "da-nang"),
        ("Весна & Лето", "vesna-leto"),
        ("Ελλάδα", "ellada"),
        ("はるのガス", "harunogasu"),
        ("봄", "bom"),
        ("日本 tea", "tea"),
        ("2027", "campaign-2027"),
        ("春天", "campaign-9eaa6d"),
        ("夏天", "campaign-0c27fe"),
        ("x" * 40, "x" * 24),
    ],
)
def test_a_project_is_named_after_its_folder_in_any_script(folder, project):
    """Small Latin letters, as task ids need them; two folders that no letters can spell are two projects."""
    assert project_name(folder) == project
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,23}", project)


def test_what_exists_is_kept(tmp_path):
    """A folder's own files stay as they are; a second init refuses."""
    (tmp_path / ".gitignore").write_text("mine\n", encoding="utf-8")
    done = CliRunner().invoke(cli, ["init", str(tmp_path)])
    assert "kept  " in done.output
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8") == "mine\n"
    assert (tmp_path / ".github" / "workflows" / "kling-pipe.yml").is_file()
    assert "exists already" in str(CliRunner().invoke(cli, ["init", str(tmp_path)]).exception)


def test_placeholders_are_pictures_and_differ(tmp_path):
    """Large enough for an element, and no two alike."""
    from PIL import Image

    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(placeholder(number))
        with Image.open(tmp_path / f"{number}.png") as picture:
            picture.load()
            assert picture.size == (512, 512)
    assert len({placeholder(number) for number in range(6)}) == 6
