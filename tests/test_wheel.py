"""The built wheel works alone: installed into an empty environment, run from a folder that is not the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from emulators import ended_in

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
SMALL = """\
version: 1
project: wheel
images:
  cup: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 1:1, prompt: a white cup }
"""


def call(*words: object, cwd: Path) -> str:
    """Run a command to its good end; its standard output."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without a network by the backend that the dev extra installs."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and borrows all other packages from this one; its scripts folder."""
    home = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / SCRIPTS / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    call(*pip, "install", "--no-deps", "--no-index", wheel, cwd=home)
    own = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    # A path line borrows packages, but not the path lines that lie beside them: an editable install stays invisible.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "borrowed.pth").write_text("\n".join(sorted(borrowed)), encoding="utf-8")
    return home / SCRIPTS


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a copy of the pipelines, from where nothing leads back to the checkout."""
    guard = [one for one in os.environ["PYTHONPATH"].split(os.pathsep) if Path(one).name == "support"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(guard))
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines", ignore=shutil.ignore_patterns(".kling-pipe", "out*"))
    with ended_in(tmp_path):
        yield tmp_path


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    """Code, schemas, the marker for types and the license; no tests, no pipelines."""
    names = ZipFile(wheel).namelist()

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"kling_pipe"}
    assert {"kling_pipe/py.typed", "kling_pipe/schemas/operations/omni-video.json"} <= set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")] != []
    assert (
        {Path(name).name for name in names if name.endswith(".jinja")}
        == {path.name for path in (ROOT / "kling_pipe").rglob("*.jinja")}
        != set()
    )
    assert {Path(name).name for name in names if name.startswith("kling_pipe/schemas/")} == {
        path.name for path in (ROOT / "schemas").rglob("*.json")
    }


def test_code_and_schemas_come_from_the_wheel(installed: Path, elsewhere: Path) -> None:
    """The checkout is not seen: neither its code nor its data."""
    line = (
        "import kling_pipe as k, kling_pipe.catalog.operations as c; print(k.__file__); print(sorted(c.operations()))"
    )
    file, names = call(installed / "python", "-c", line, cwd=elsewhere).splitlines()

    assert Path(file).is_relative_to(installed.parent)
    assert "'omni-video'" in names


def test_the_console_script_says_its_version(installed: Path, elsewhere: Path) -> None:
    """`kling-pipe --version` is the version of the wheel."""
    metadata = call(
        installed / "python", "-c", "import importlib.metadata as m; print(m.version('kling-pipe'))", cwd=elsewhere
    )

    assert call(installed / "kling-pipe", "--version", cwd=elsewhere) == f"kling-pipe {metadata}"


def test_reading_verbs_find_the_schemas(installed: Path, elsewhere: Path) -> None:
    """Operations, the editor's schema and a whole manifest, all without the checkout."""
    program = installed / "kling-pipe"

    assert "/v1/videos/omni-video" in call(program, "operations", cwd=elsewhere)
    assert "videos" in json.loads(call(program, "schema", "manifest", cwd=elsewhere))["properties"]
    assert " 0 errors" in call(program, "validate", "pipelines/quickstart.yaml", cwd=elsewhere)


def test_a_run_on_the_emulator_makes_a_picture(installed: Path, elsewhere: Path) -> None:
    """From the wheel to a PNG file on disk, the local Kling in between started from the wheel too."""
    (elsewhere / "kling-pipe.yaml").write_text(SMALL, encoding="utf-8")

    told = call(installed / "kling-pipe", "run", "--emulator", "-y", cwd=elsewhere)

    assert "1 made, 0 reused, 0 failed, 0 waiting" in told
    [picture] = (elsewhere / "out-emulator").rglob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
