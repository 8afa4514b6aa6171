"""A table with a line break in a cell, checked out with LF or with CRLF: one task, whoever paid it when."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from scenario import HEAD

from kling_pipe import api

TABLE = 'id,text\none,"a red kite\nover the sea"\ntwo,a blue kite\n'
MANIFEST = (
    HEAD
    + """\
images:
  kite: { matrix: { from: kites.csv, axes: [id] }, prompt: "{{ matrix.text }}" }
videos:
  film: { matrix: { from: kites.csv, axes: [id] }, first_frame: image.kite, prompt: "the wind, {{ matrix.id }}" }
"""
)
FORMS = {"LF": TABLE, "CRLF": TABLE.replace("\n", "\r\n")}


def written(stage, form: str):
    stage.write(MANIFEST)
    (stage.root / "kites.csv").write_bytes(FORMS[form].encode())
    return stage


def loaded(stage, *, former: bool = False):
    """The campaign; with `former` under the keys that an earlier version gave it on a CRLF checkout."""
    manifest = api.load(stage.root / "kling-pipe.yaml")
    if not former:
        return manifest
    then = [replace(job, key=(*job.former_keys, job.key)[0], former_keys=()) for job in manifest.jobs]
    assert [job.address for job in manifest.jobs if job.former_keys] == ["image.kite@one", "video.film@one"]
    return replace(manifest, jobs=tuple(then))


def ran(stage, *, former: bool = False, **options):
    plan = api.plan(loaded(stage, former=former), stage.workspace, seams=stage.seams, **options)
    return api.run(plan, stage.workspace, settings=stage.settings, seams=stage.seams)


def kept_only(stage, what: str) -> None:
    """Forget all but one witness."""
    lock, state, out = stage.workspace.lock_path, stage.workspace.state, stage.root / "out"
    if what != "lock":
        lock.unlink()
    if what == "ledger":
        shutil.rmtree(out)
    else:
        shutil.rmtree(state / "objects") if what == "lock" else shutil.rmtree(state)
        for one in state.glob("ledger*") if what == "lock" else ():
            one.unlink()
        if what == "account":
            shutil.rmtree(out)


@pytest.mark.parametrize("witness", ["lock", "ledger", "account"])
@pytest.mark.parametrize("then", ["LF", "CRLF"])
@pytest.mark.parametrize("now", ["LF", "CRLF"])
def test_what_was_paid_counts_on_either_checkout(picture, witness, then, now):
    """Paid by an earlier version on a CRLF checkout, or on an LF one: nothing is made anew, and the plan says why."""
    written(picture, then)
    assert ran(picture, former=then == "CRLF").made == 4
    kept_only(picture, witness)
    written(picture, now)

    plan = api.plan(loaded(picture), picture.workspace, seams=picture.seams)
    notes = [step.job.address for step in plan.steps if "CRLF" in " ".join(step.reasons)]
    assert notes == (["image.kite@one", "video.film@one"] if then == "CRLF" else [])
    for _ in range(2):
        result = ran(picture)
        assert (result.made, result.failed, result.waiting) == (0, 0, 0)
    assert picture.posts == 4
    picture.assert_paid_once(4)


def test_both_checkouts_make_one_task_now(picture, tmp_path):
    """Two people, one table: the key is that of the LF checkout."""
    assert ran(written(picture, "LF")).made == 4
    other = replace(picture, root=tmp_path / "windows", events=[])
    assert ran(written(other, "CRLF")).made == 0
    picture.assert_paid_once(4)


def test_offline_states_know_it(picture):
    """`status` and selectors say made where only the lock knows the former key."""
    written(picture, "CRLF")
    ran(picture, former=True)
    manifest, workspace = loaded(picture), picture.workspace
    assert set(api.states_of(manifest, workspace.snapshot()).values()) == {"made"}


def test_a_new_attempt_is_made_under_the_key_of_today(picture):
    """`--replace` pays once, and what it made counts from then on."""
    written(picture, "CRLF")
    ran(picture, former=True)
    assert ran(picture, replace=["image.kite@one"], select=["image.kite@one"]).made == 1
    assert ran(picture, select=["image.kite@one"]).made == 0
    picture.assert_paid_once(5)
    external = [step.external_task_id for step in picture.plan().steps if step.job.address == "image.kite@one"]
    assert external == [f"kp1-faults-{job.key[:20]}" for job in loaded(picture).jobs if job.address == "image.kite@one"]


def test_a_retry_of_what_was_made_makes_nothing(picture):
    """Only a failure is tried again, and that under the key of today; whoever names a made job gets what there is."""
    written(picture, "CRLF")
    ran(picture, former=True)
    assert ran(picture, retry=["image.kite@one", "video.film@one"]).made == 0
    picture.assert_paid_once(4)


def test_what_the_rules_refused_is_not_sent_again_until_somebody_asks(picture):
    """A failure under the former key counts, too; a new attempt is the first one under the key of today."""
    written(picture, "CRLF")
    picture.faults(
        {"fault": "task_failure", "message": "content rules", "match": {"operation": "omni-image"}, "times": 1}
    )
    only = {"select": ["image.kite@one"]}
    assert ran(picture, former=True, **only).failed == 1
    assert ran(picture, **only).failed == 1
    assert picture.posts == 1
    assert ran(picture, retry=["image.kite@one"], **only).made == 1
    assert ran(picture, **only).made == 0
    picture.assert_paid_once(2)


@pytest.mark.parametrize("words", [{}, {"replace": ["image.kite@one"]}, {"retry": ["image.kite@one"]}])
def test_what_is_under_way_is_followed(picture, words):
    """A run of an earlier version was stopped while its tasks ran; nothing that is asked for sends a second one."""
    written(picture, "CRLF")
    picture.clock(mode="manual")
    plan = api.plan(loaded(picture, former=True), picture.workspace, seams=picture.seams, select=["image.kite@one"])
    detached = replace(picture.settings, detach=True)
    assert api.run(plan, picture.workspace, settings=detached, seams=picture.seams).waiting == 1
    picture.clock(mode="real")
    assert ran(written(picture, "LF"), select=["image.kite@one"], **words).failed == 0
    picture.assert_paid_once(1)
