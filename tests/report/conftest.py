"""One campaign for everything that is looked at: made once by the real engine on a real emulator, real pictures."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from kling_pipe import api
from kling_pipe.emulator import ensure
from kling_pipe.engine.workspace import Workspace
from kling_pipe.manifest import Manifest
from kling_pipe.report.contact_sheet import Sheet
from kling_pipe.report.contact_sheet.build import sheet_of

CAMPAIGN = """\
version: 1
project: looks

budget: { usd: 20 }

defaults:
  images: { model_name: kling-v3-omni, resolution: 1k }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, duration: 3, aspect_ratio: 16:9 }

elements:
  hana:
    element_name: Hana
    element_description: Young tea farmer
    reference_type: image_refer
    frontal: hana.png
    views: [hana.png]

images:
  logo: hana.png
  keyframe:
    matrix: { ratio: [16:9, 9:16] }
    aspect_ratio: "{{ matrix.ratio }}"
    takes: 2
    pick: 2
    prompt: "{{ element.hana }} in a field <b>&amp;</b> \\"quoted\\""

videos:
  teaser:
    matrix: { market: [jp, us], ratio: [16:9, 9:16] }
    tags: [hero]
    first_frame: image.keyframe
    shots:
      - { duration: 1, prompt: "{{ element.hana }} looks up, {{ matrix.market }}" }
      - { duration: 2, prompt: "the mark from {{ image.logo }} fades in" }
  refused:
    prompt: what the rules of the house do not allow
"""


@dataclass(frozen=True)
class Campaign:
    """A campaign's folder with what was made in it."""

    path: Path
    manifest: Manifest
    workspace: Workspace

    @property
    def sheet(self) -> Sheet:
        """What is known of it, as the contact sheet shows it."""
        return sheet_of(self.manifest, self.workspace)


@pytest.fixture(scope="session")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Nine jobs made, one of them refused by the content rules."""
    folder = tmp_path_factory.mktemp("looks")
    Image.new("RGB", (400, 400), "teal").save(folder / "hana.png")
    path = folder / "kling-pipe.yaml"
    path.write_text(CAMPAIGN, encoding="utf-8")
    server = ensure(folder / ".kling-pipe" / "emulator" / "server", speed=20, idle_exit=60)
    manifest = api.load(path)
    workspace = api.open_workspace(manifest, emulator=True)
    plan = api.plan(manifest, workspace, refresh=False)
    bad = next(step for step in plan.steps if step.job.name == "refused")
    _fault(server.base_url, {"fault": "task_failure", "match": {"external_id": bad.external_task_id}})
    result = api.run(plan, workspace)
    assert (result.made, result.failed) == (len(plan.steps) - 1, 1)
    return Campaign(path, manifest, workspace)


def _fault(base_url: str, rule: dict[str, object]) -> None:
    request = urllib.request.Request(f"{base_url}/_emulator/faults", json.dumps([rule]).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
