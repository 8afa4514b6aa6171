"""Parts of manifests as tests and pages show them: read, laid over a whole one, compiled in a folder of their own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from kling_pipe.api import load
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import Manifest
from kling_pipe.manifest.keywords import KINDS
from kling_pipe.manifest.yaml.document import parse
from kling_pipe.model import Problem

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "pipelines"


def data_of(text: str) -> Any:
    """The data of a YAML text that has no problems, read as a manifest is."""
    document = parse(text, "test.yaml")
    assert not document.problems, document.problems
    return document.data


def laid_over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A manifest with a part laid over it, mapping by mapping."""
    both = {word for word in base if isinstance(base[word], dict) and isinstance(own.get(word), dict)}
    return {**base, **own, **{word: laid_over(base[word], own[word]) for word in both}}


def whole(text: str, base: str) -> str:
    """The text of a manifest: `text` itself if it is one; `text` laid over `base` if it is a part.

    What cannot be read in full gets a `project:` and is left as it stands: its spelling is the point.
    """
    if re.search(r"^(project:|- )", text, re.MULTILINE):
        return text
    document = parse(text, "test.yaml")
    if document.problems:
        return f"project: spring-tea\n{text}"
    over = laid_over(data_of(base), document.data)
    for kind in KINDS:
        # An entry is replaced, not mixed: half of one recipe and half of another says nothing.
        over[kind] = {**data_of(base).get(kind, {}), **(document.data.get(kind) or {})}
    return json.dumps(over, ensure_ascii=False)


def folder_with_assets(folder: Path) -> Path:
    """A folder with the pictures of the example pipelines, a small library, tables, and a picture that is too small."""
    shutil.copytree(PIPELINES / "assets", folder / "assets")
    shutil.copytree(PIPELINES / "brand", folder / "brand")
    (folder / "tables").mkdir()
    (folder / "tables" / "teas.csv").write_text("tea\nSencha\nHojicha\n", encoding="utf-8")
    (folder / "tables" / "uneven.csv").write_text("tea,colour\nSencha,green\nHojicha\n", encoding="utf-8")
    Image.new("RGB", (200, 200)).save(folder / "assets" / "tiny.png")
    return folder


def problems_of(
    text: str, folder: Path, profile: str = "", standard: str = ""
) -> tuple[Manifest | None, tuple[Problem, ...]]:
    """The compiled manifest, or None, and its problems."""
    file = folder / "kling-pipe.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        manifest = load(file, profile=profile, publishes=False, standard=standard)
    except ManifestInvalid as error:
        return None, error.problems
    return manifest, manifest.problems
