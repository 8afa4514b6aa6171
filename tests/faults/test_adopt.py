"""Binding a task to a job while a run works on it, or before what the job has of its own is saved."""

import threading
from dataclasses import replace

import pytest
from random_faults import Failing, PowerCut, end_process
from random_faults_runs import Watching
from scenario import PICTURE, Stage, many
from two_accounts import Pair


def stranger(stage, tmp_path):
    """The id of a picture that another project made, in `main` or in the only account."""
    other = stage.elsewhere(tmp_path / "stranger").write(PICTURE.replace("project: faults", "project: another"))
    only = other.workspace_of("main") if isinstance(stage, Pair) else other.workspace
    from kling_pipe import api

    plan = api.plan(api.load(other.root / "kling-pipe.yaml", workspace=only), only, seams=other.seams)
    return api.run(plan, only, settings=other.settings, seams=other.seams).outcomes[0].record.task_id


@pytest.mark.parametrize("kind", [Stage, Pair])
def test_a_job_that_a_run_works_on_is_bound_to_nothing_else(kling, tmp_path, kind):
    """Exit 74 while it is under way, in whichever account; the run ends with its own task."""
    stage = kind(kling, tmp_path / "campaign").write(many(2))
    stage.reset()
    task, told, sent = stranger(stage, tmp_path), [], []
    stage.clock(mode="manual")

    def bind():
        told.extend(stage.cli("adopt", address, task) for address in sent)
        stage.clock(mode="real")

    binding = threading.Thread(target=bind)

    def adopt(event):
        if event.type == "submitted":
            sent.append(event.address)
            if len(sent) == 2:
                binding.start()

    assert replace(stage, events=Watching(adopt)).run().made == 2
    binding.join()
    assert [done.returncode for done in told] == [74] * 2, told
    assert task not in {block["task_id"] for block in stage.blocks().values()}
    stage.assert_paid_once(3)
    stage.assert_whole(2)


def test_a_task_that_is_not_saved_yet_is_not_forgotten_for_another_one(picture, tmp_path):
    """The run died with the task under way: `adopt` says what to do, and the run saves it."""
    task = stranger(picture, tmp_path)
    picture.clock(mode="manual")
    seams, cut_at = picture.seams, 1
    while len(picture.ledger()["creates"]) < 2:
        picture.seams = replace(seams, effects=Failing(cut_at))
        with pytest.raises(PowerCut):
            picture.run()
        end_process(picture)
        cut_at += 1
    picture.seams = seams
    assert picture.run(settings=replace(picture.settings, detach=True)).waiting == 1
    refused = picture.cli("adopt", "image.kite", task)
    picture.clock(mode="real")
    assert (refused.returncode, "not saved yet" in refused.stderr) == (64, True), refused
    assert picture.run().exit_code == 0
    picture.assert_paid_once(2)
    picture.assert_whole(1)
    assert task not in {block["task_id"] for block in picture.blocks().values()}
