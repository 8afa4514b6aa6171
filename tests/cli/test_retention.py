"""Kling deletes results after 30 days: what is not safe here is told, and fetched in time."""

from __future__ import annotations

import shutil


def lose(kling, name):
    """A saved file and every copy of it is gone."""
    (kling.folder / "out-emulator" / name).unlink()
    shutil.rmtree(kling.folder / ".kling-pipe" / "emulator" / "objects")


def test_what_is_saved_is_calm_and_what_is_not_says_how_long(kling):
    """Days stand only beside a file that is not here, and beside one that another job still needs."""
    assert kling("run", "-y", "-s", "image.*", "-s", "element.*").returncode == 0
    lines = {line.split()[1]: line for line in kling("status").stdout.splitlines() if " " in line}
    assert "days left" not in lines["image.sheet"]
    assert "days left at Kling: needed by a job that is not made" in lines["image.keyframe#2"]

    lose(kling, "image/sheet.png")
    lines = {line.split()[1]: line for line in kling("status").stdout.splitlines() if " " in line}
    assert "30 days left at Kling: not saved here" in lines["image.sheet"]


def test_only_what_expires_soon_is_fetched(kling):
    """Within a month everything expires; within a day nothing of today."""
    assert kling("run", "-y").returncode == 0
    lose(kling, "video/other.mp4")
    made = kling.created

    assert kling("pull", "--expiring", "1d").stdout.startswith("0 saved")
    assert not (kling.folder / "out-emulator/video/other.mp4").exists()
    done = kling("pull", "--expiring", "30d")
    assert done.stdout.startswith("1 saved, 0 failed"), done.stdout + done.stderr
    assert (kling.folder / "out-emulator/video/other.mp4").exists()
    assert kling.created == made
    assert kling("pull", "--expiring", "soon").returncode == 64
