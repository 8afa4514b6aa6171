"""Files as a git revision has them, in a folder for as long as they are looked at. The work tree stays as it is."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kling_pipe.errors import UsageError


@contextmanager
def revision(folder: Path, ref: str) -> Iterator[Path]:
    """The folder as `ref` has it, with the whole repository around it. Raises UsageError."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    archive = _git(top, "archive", "--format=tar", commit)
    with tempfile.TemporaryDirectory(prefix="kling-pipe-") as place:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(place, filter="data")
        yield Path(place, folder.resolve().relative_to(top.resolve()))


def _git(folder: Path, *words: str) -> bytes:
    git = shutil.which("git")
    if git is None:
        raise UsageError("git is not installed, and `--ref` needs it")
    done = subprocess.run([git, "-C", str(folder), *words], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"there is no revision `{words[-1].partition('^')[0]}`"
        raise UsageError(f"git cannot read that: {said}", hint="Name a branch, a tag or a commit of this repository.")
    return done.stdout
