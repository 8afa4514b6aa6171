"""Saved files carry their task's ids, whoever fetches them gets the same bytes, and every ending is an event."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from campaigns import image, video

from kling_pipe.media.xmp import read


def files(bench):
    return sorted(path for path in (bench.root / "out").rglob("*") if path.suffix in (".png", ".mp4"))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_saved_files_say_which_task_made_them(bench):
    """A picture and a film; the lock's checksum is that of the file on the disk."""
    kite = image("kite")
    result = bench.run([kite, video("clip", frame=kite)])
    found = {path.suffix: read(path) for path in files(bench)}
    records = {one.address: one.record for one in result.outcomes}

    assert found[".png"]["external_task_id"] == records["image.kite"].external_task_id
    assert found[".mp4"]["task_id"] == records["video.clip"].task_id
    assert {digest(path) for path in files(bench)} == {one.outputs[0].sha256 for one in records.values()}


def test_files_stay_as_kling_made_them_when_asked(bench):
    """Without provenance nothing is written in."""
    bench.run([image("kite")], settings=replace(bench.settings, provenance=False))
    assert [read(path) for path in files(bench)] == [None]


def gone(bench):
    """Every copy of every result is lost; lock and ledger stay."""
    for path in files(bench):
        path.unlink()
    for path in (bench.workspace.state / "objects").rglob("*"):
        if path.is_file():
            path.unlink()


def test_a_lost_file_is_fetched_again_as_the_lock_records_it(bench):
    """With words or without, whatever the setting is by now: the checksum decides."""
    for first, then in ((True, False), (False, True)):
        jobs = [image("kite", f"made with {first}")]
        bench.run(jobs, settings=replace(bench.settings, provenance=first))
        before = [digest(path) for path in files(bench)]
        gone(bench)
        bench.run(jobs, settings=replace(bench.settings, provenance=then))
        assert [digest(path) for path in files(bench)] == before


def test_every_job_that_fails_is_an_event(bench):
    """Those that Kling refused and those that only needed them: a display counts to the end."""
    bad = image("bad", "bad")
    bench.faults({"fault": "task_failure", "message": "Image pixel is invalid"})
    result = bench.run([bad, video("under", frame=bad)])

    assert result.failed == 2
    assert [one.address for one in bench.events if one.type == "failed"] == ["image.bad", "video.under"]
