"""Drafts are looked at, and only the approved ones get a final version, which remembers its draft."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def drafted(kling):
    """A profile for drafts that differs in nothing but the mode."""
    path = kling.folder / "kling-pipe.yaml"
    text = path.read_text(encoding="utf-8").replace("mode: std", "mode: pro")
    path.write_text(text + "\nprofiles:\n  draft:\n    videos: { mode: std }\n", encoding="utf-8")
    return kling


def test_only_what_is_approved_becomes_final(drafted):
    """One film of two; lock and sidecar name its draft, also after the next run; the other is not made."""
    assert drafted("run", "-y", "--profile", "draft").returncode == 0
    before = drafted.created
    done = drafted("promote", "-y", "-s", "video.teaser")

    assert done.returncode == 0, done.stderr
    assert drafted.created == before + 1
    out = drafted.folder / "out-emulator"
    draft = json.loads((out / "draft" / "video" / "teaser.mp4.json").read_text())["external_task_id"]
    assert json.loads((out / "video" / "teaser.mp4.json").read_text())["draft"] == draft
    assert not (out / "video" / "other.mp4").exists()

    assert drafted("run", "-y", "-s", "video.teaser").returncode == 0
    lock = (drafted.folder / ".kling-pipe" / "emulator" / "kling-pipe.lock").read_text()
    assert f'  draft: "{draft}"' in lock
    told = drafted("explain", "out-emulator/video/teaser.mp4", emulator=False)
    assert draft in told.stdout, told.stderr


def test_what_was_never_drafted_cannot_be_approved(drafted):
    """Nothing is sent, and the message says what to do."""
    refused = drafted("promote", "-y", "-s", "video.teaser")
    assert refused.returncode == 64
    assert "there is no draft of `video.teaser`" in refused.stderr
    assert "kling-pipe promote -s" in drafted("promote", "-y").stderr
    assert drafted.created == 0
