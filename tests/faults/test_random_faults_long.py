"""The weather of `test_storm.py` over more than a plain run; a story that fails prints its seed and what happened."""

import os

import pytest
from crash import Children
from random_faults import play
from random_faults_runs import AdoptStorm, Away, BucketStorm, CallbackStorm, NarrowStorm, PromoteStorm, StandardStorm
from random_faults_two_accounts import PairStorm
from random_faults_verbs import VerbStorm
from s3server import bucket_server
from scenario import Stage
from two_accounts import Pair

from tests.faults.test_api_versions import Spoken

LONG = int(os.environ.get("KLING_PIPE_SOAK", "0"))
FIRST = int(os.environ.get("KLING_PIPE_SEED", "1"))


def seeds(count):
    """So many stories, or as many as the environment asks for in a soak."""
    return pytest.mark.parametrize("seed", range(FIRST, FIRST + (LONG or count)))


def played(storm, seed, moves=4):
    try:
        play(storm, seed, moves)
    except BaseException:
        print(f"KLING_PIPE_SEED={seed} KLING_PIPE_SOAK=1", *storm.log, sep="\n  ")
        raise


@pytest.fixture(scope="module")
def children():
    with Children() as found:
        yield found


@pytest.mark.soak
@pytest.mark.parametrize("spread", ["steady", "free"])
@seeds(2)
def test_two_accounts(kling, tmp_path, children, spread, seed):
    """Two machines, keys that die and come back, empty packs, old plans, kill -9, lost folders."""
    played(PairStorm(Pair(kling, tmp_path / "campaign", spread=spread), children=children), seed, moves=6)


@pytest.mark.soak
@seeds(2)
def test_few_slots(kling, tmp_path, seed):
    """`-j 1` and `-j 2`."""
    played(NarrowStorm(Stage(kling, tmp_path / "campaign")), seed)


@pytest.mark.soak
@seeds(2)
def test_callbacks(kling, tmp_path, seed):
    """Lost, doubled and forged calls beside everything else."""
    played(CallbackStorm(Stage(kling, tmp_path / "campaign")), seed)


@pytest.mark.soak
@seeds(2)
def test_adopt_beside_a_run(kling, tmp_path, seed):
    """Own tasks, those of other jobs, and those of strangers are bound to jobs that a run works on."""
    played(AdoptStorm(Stage(kling, tmp_path / "campaign")), seed)


@pytest.fixture(scope="module")
def bucket():
    with bucket_server("results"):
        yield


@pytest.mark.soak
@seeds(2)
def test_a_bucket(kling, tmp_path, bucket, seed):
    """The same promises where the files are in a bucket."""
    played(BucketStorm(Away(kling, tmp_path / "campaign")), seed)


@pytest.mark.soak
@seeds(2)
def test_two_standards(kling, tmp_path, seed):
    """Each run speaks one of the vendor's two standards."""
    played(StandardStorm(Spoken(kling, tmp_path / "campaign")), seed)


@pytest.mark.soak
@seeds(2)
def test_drafts_and_finals(kling, tmp_path, children, seed):
    """`run --profile draft` and `promote`, killed at any point."""
    played(PromoteStorm(Stage(kling, tmp_path / "campaign"), children=children), seed)


@pytest.mark.soak
@seeds(2)
def test_new_attempts_on_purpose(kling, tmp_path, seed):
    """`retry` and `--replace`, refusals and failed tasks: no attempt is skipped, none is made twice over."""
    played(VerbStorm(Stage(kling, tmp_path / "campaign")), seed, moves=6)
