"""From a file back to the line that asked for it, and up to the first picture."""

from __future__ import annotations

import shutil

import pytest

from kling_pipe.cli.explain_file import explanation
from kling_pipe.errors import LocalStateError, UsageError
from kling_pipe.report.lineage import origins


def film(campaign):
    return next((campaign.path.parent / "out-emulator" / "video").glob("teaser@jp-16x9.mp4"))


def test_a_file_leads_up_to_its_first_pictures(campaign):
    """Task, units, the manifest's line, and every input with what that was made from."""
    text = explanation(film(campaign))
    line = campaign.path.read_text(encoding="utf-8").split("  teaser:")[0].count("\n") + 1
    tree = text.partition("made from")[2]

    assert text.startswith("video.teaser@jp-16x9 (emulated)")
    assert f"kling-pipe.yaml:{line}:" in text
    assert "as it was saved" in text
    assert tree.index("image.keyframe@16x9#2") < tree.index("element.hana") < tree.index("hana.png")


@pytest.mark.parametrize("form", ["address", "external_task_id", "task_id"])
def test_a_job_is_found_by_any_of_its_names(campaign, form, monkeypatch):
    """Inside of the campaign's folder an address or an id will do; an element has no file at all."""
    monkeypatch.chdir(campaign.path.parent)
    take = next(take for take in campaign.sheet.takes if take.element_ids)
    name = getattr(take, form)

    assert explanation(type(campaign.path)(name)).startswith("element.hana (emulated)")


def test_a_renamed_file_is_known_by_its_bytes(campaign):
    """Moved within the campaign, without its sidecar."""
    renamed = campaign.path.parent / "final-final.mp4"
    shutil.copy(film(campaign), renamed)

    assert "video.teaser@jp-16x9" in explanation(renamed)


def test_a_changed_file_says_so(campaign, tmp_path):
    """An edited copy beside its sidecar is told from what was saved."""
    for suffix in ("", ".json"):
        shutil.copy(f"{film(campaign)}{suffix}", tmp_path / f"film.mp4{suffix}")
    with (tmp_path / "film.mp4").open("ab") as file:
        file.write(b"more")

    assert "changed since it was saved" in explanation(tmp_path / "film.mp4")


def test_what_nobody_knows_is_told(tmp_path, monkeypatch):
    """A stranger's file and a mistyped name are usage errors, a broken sidecar is a local one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holiday.png").write_bytes(b"png")
    (tmp_path / "other.png").write_bytes(b"png")
    (tmp_path / "other.png.json").write_text("{}", encoding="utf-8")

    for name in ("holiday.png", "video.nothing"):
        with pytest.raises(UsageError):
            explanation(tmp_path / name if "." in name[-4:] else type(tmp_path)(name))
    with pytest.raises(LocalStateError):
        explanation(tmp_path / "other.png")


def test_a_circle_of_sidecars_ends():
    """Sidecars are files that anybody may edit: one that claims to be made from itself must not hang us."""
    form = {"operation": "image", "request": {"image": {"$ref": "image.a", "output": 1, "external_task_id": "kp1-a"}}}
    found = origins(form, lambda _name: form)
    depth = 0
    while found:
        found, depth = found[0].inputs, depth + 1

    assert depth < 100
