"""All faults mixed at random, power cuts and losses in between; at the end everything is there exactly once."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from random_faults import FAULTS, Storm, play
from scenario import Stage

SEEDS = int(os.environ.get("KLING_PIPE_SOAK", "4"))
"""How many stories are played: a few by default, as many as the environment asks for in a soak."""

FIRST = int(os.environ.get("KLING_PIPE_SEED", "1"))

rules = st.builds(
    lambda fault, probability, seed: {**fault, "probability": probability, "seed": seed},
    st.sampled_from(FAULTS),
    st.sampled_from((0.2, 0.5)),
    st.integers(0, 99),
)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_seeded_story_ends_well(kling, tmp_path, seed):
    """Faults, power cuts, lost ledgers, locks and files in any order; the seed is in the test's name."""
    storm = Storm(Stage(kling, tmp_path / "campaign"))
    try:
        play(storm, seed, moves=4)
    except BaseException:
        print(f"KLING_PIPE_SEED={seed} KLING_PIPE_SOAK=1", *storm.log, sep="\n  ")
        raise


def test_any_order_of_faults_runs_and_losses_ends_well(kling):
    """The same as a state machine, so that a failure shrinks to the shortest story."""

    class Weather(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            self.storm = Storm(Stage(kling, Path(self.folder.name)))
            self.storm.begin()

        @rule(faults=st.lists(rules, max_size=3))
        def weather(self, faults):
            self.storm.weather(faults)

        @rule(cut_at=st.just(0) | st.integers(1, 90))
        def run(self, cut_at):
            self.storm.run(cut_at)

        @rule(what=st.sampled_from(("files", "lock", "ledger", "all")))
        def lose(self, what):
            self.storm.lose(what)

        def teardown(self):
            try:
                self.storm.clear_up()
            finally:
                self.folder.cleanup()

    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    chosen = settings(max_examples=5, stateful_step_count=6, deadline=None, suppress_health_check=health, database=None)
    run_state_machine_as_test(Weather, settings=chosen)
