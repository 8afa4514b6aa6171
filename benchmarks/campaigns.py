"""Campaigns of any size in a folder: by matrix over one CSV, spelt out, as chains, as many small files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_pipe import load
from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.core.keys import external_id
from kling_pipe.manifest import Manifest

MANIFEST = "kling-pipe.yaml"
LITERAL = "literal.yaml"
CLIP_SECONDS = range(5, 16)
"""The lengths of the films, each as often as the others."""

_HEAD = """\
version: 1
project: benchmark
limits: {{ video: {slots}, image: {slots} }}
defaults:
  images: {{ api: omni-image, model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }}
  videos: {{ api: omni-video, model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9 }}
"""
_MATRIX = """\
videos:
  film:
    matrix: { from: rows.csv, axes: [row] }
    duration: "{{ matrix.seconds }}"
    prompt: "Film {{ matrix.row }}: {{ matrix.scene }} at {{ matrix.hour }}"
"""
_CHAINS = """\
elements:
  farmer:
    matrix: { from: rows.csv, axes: [row] }
    element_name: "Farmer {{ matrix.row }}"
    element_description: "A tea farmer, {{ matrix.scene }}"
    reference_type: image_refer
    frontal: face.png
    views: [face.png]
images:
  keyframe:
    matrix: { from: rows.csv, axes: [row] }
    prompt: "{{ element.farmer }} at {{ matrix.hour }}"
videos:
  film:
    matrix: { from: rows.csv, axes: [row] }
    first_frame: image.keyframe
    duration: 5
    prompt: "{{ element.farmer }} looks up, {{ matrix.scene }}"
"""
_SCENES = ("a kettle steams", "rain on the terrace", "hands over a cup", "mist leaves the valley", "a lamp is lit")


def by_matrix(folder: Path, count: int, slots: int) -> Path:
    """One recipe and a table with a row per film."""
    _rows(folder, count)
    return _write(folder / MANIFEST, _HEAD.format(slots=slots) + _MATRIX)


def literal(folder: Path, count: int, slots: int) -> Path:
    """The same films, each an entry of its own."""
    films = (
        f"  film_{row['row']}:\n    duration: {row['seconds']}\n"
        f'    prompt: "Film {row["row"]}: {row["scene"]} at {row["hour"]}"\n'
        for row in map(_row, range(count))
    )
    return _write(folder / LITERAL, _HEAD.format(slots=slots) + "videos:\n" + "".join(films))


def chains(folder: Path, count: int, slots: int) -> Path:
    """An element, a key frame with it, a film from the frame: once per row."""
    from PIL import Image

    Image.new("RGB", (320, 320), "teal").save(folder / "face.png")
    _rows(folder, count)
    return _write(folder / MANIFEST, _HEAD.format(slots=slots) + _CHAINS)


def small_files(folder: Path, count: int) -> list[Path]:
    """Manifests of one film each."""
    return [
        _write(
            folder / f"film-{row['row']}.yaml",
            _HEAD.format(slots=5)
            + f'videos:\n  film:\n    duration: {row["seconds"]}\n    prompt: "Film {row["row"]}: {row["scene"]}"\n',
        )
        for row in map(_row, range(count))
    ]


def task_list(manifest: Path) -> list[dict[str, Any]]:
    """What a hand-written client is given: per task its id, call, body, slots and inputs, in the manifest's order."""
    loaded: Manifest = load(manifest)
    forms = []
    for job in loaded.jobs:
        operation = load_operation(job.operation)
        forms.append(
            {
                "address": job.address,
                "external_task_id": external_id(job.project, job.key, job.take),
                "kind": job.kind,
                "path": operation.path,
                "pool": quota(operation, job.request)[0] or "",
                "seconds": float(job.request.get("duration") or 0),
                "needs": list(job.needs),
                "result": operation.kling["result"]["key"],
                "body": _plain(job.request),
            }
        )
    return forms


def _plain(value: Any) -> Any:
    """A request as JSON: outputs of other jobs as `{"$ref": address}`, files as base64."""
    from base64 import b64encode

    from kling_pipe.model import FileRef, OutputRef

    if isinstance(value, OutputRef):
        return {"$ref": value.address}
    if isinstance(value, FileRef):
        return b64encode(Path(value.path).read_bytes()).decode("ascii")
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _row(number: int) -> dict[str, str]:
    # A step that is coprime to the number of lengths: every length as often, in no order that helps anybody.
    seconds = CLIP_SECONDS[number * 7 % len(CLIP_SECONDS)]
    scene = _SCENES[number % len(_SCENES)]
    return {"row": f"{number:05d}", "seconds": str(seconds), "scene": scene, "hour": f"{number % 24}:00"}


def _rows(folder: Path, count: int) -> None:
    lines = ["row,seconds,scene,hour", *(",".join(_row(number).values()) for number in range(count))]
    _write(folder / "rows.csv", "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_tasks(manifest: Path) -> list[dict[str, Any]]:
    """`task_list`, also as `tasks.json` beside the manifest."""
    forms = task_list(manifest)
    (manifest.parent / "tasks.json").write_text(json.dumps(forms), encoding="utf-8")
    return forms
