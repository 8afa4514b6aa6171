"""Machines that share a ledger in PostgreSQL: who comes second waits for the first one's task instead of sending."""

import pytest
from scenario import many

JOBS = 12


@pytest.mark.needs("postgres")
def test_two_machines_with_one_ledger_make_everything_once(picture, tmp_path, postgres):
    """One is killed on the way, the other goes on; both folders end whole, and Kling refuses nothing."""
    picture.write(many(JOBS))
    url = postgres.database()
    other = picture.elsewhere(tmp_path / "other")
    runs = [stage.process("run", "-y", "-q", "--store", url) for stage in (picture, other)]
    while not picture.ledger()["creates"]:
        pass
    runs[0].kill()
    told = [run.communicate(timeout=60) for run in runs]
    assert runs[1].returncode == 0, told
    other.assert_whole(JOBS)

    again = picture.cli("run", "-y", "-q", environ={"KLING_PIPE_STORE": url})
    assert again.returncode == 0, again.stderr
    picture.assert_whole(JOBS)
    picture.assert_paid_once(JOBS)
    assert picture.ledger()["duplicates_refused"] == {}
    status = other.cli("status", "--store", url)
    assert status.stdout.count("made") >= JOBS, status
