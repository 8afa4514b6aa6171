"""The weather of `test_storm.py` over more than a plain run; a story that fails prints its seed and what happened."""

import os

import pytest
from crash import Children
from pair import Pair
from pairstorm import PairStorm
from storm import play

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
@seeds(4)
def test_two_accounts(kling, tmp_path, children, spread, seed):
    """Two machines, keys that die and come back, empty packs, old plans, kill -9, lost folders."""
    played(PairStorm(Pair(kling, tmp_path / "campaign", spread=spread), children=children), seed, moves=6)
