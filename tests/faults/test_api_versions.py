"""One campaign in two standards: begun in one, killed, gone on with in the other; nothing is made twice.

Where Kling keeps its standards apart (nobody promises that one shows what the other made), the id is still taken.
"""

import socket
from dataclasses import dataclass, replace

import pytest
from crash import KILLED, Children
from scenario import HEAD, Stage, tally

from kling_pipe import api
from kling_pipe.emulator.testing import running

FILM = HEAD + "videos: { film: { prompt: the mist lifts } }\n"
FILMS = HEAD + "videos:\n" + "".join(f"  v{n}: {{ prompt: wave {n} }}\n" for n in range(12))
TURBO = "project: faults\nvideos: { film: { api: text2video, model_name: kling-3.0-turbo, prompt: mist } }\n"
RUN = ("run", "-y", "-q")


@dataclass
class Spoken(Stage):
    """A campaign in a standard, with an API key or (`signed`) an access key."""

    standard: str = "v2"
    signed: bool = False

    @property
    def environ(self):
        keys = Stage.environ.fget(self) if self.signed else {"KLING_API_KEY": self.running.api_key}
        return {"KLING_BASE_URL": self.running.base_url, "KLING_PIPE_STANDARD": self.standard, **keys}

    @property
    def workspace(self):
        return Stage.workspace.fget(self).spoken_in(self.standard)

    def plan(self, **options):
        manifest = api.load(self.root / "kling-pipe.yaml", workspace=self.workspace)
        return api.plan(manifest, self.workspace, seams=self.seams, **options)

    def spoken(self, standard, *, signed=False):
        return replace(self, standard=standard, signed=signed)


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A Kling whose standards do not show each other's tasks: the harder case."""
    with running(tmp_path_factory.mktemp("kling"), media="tiny", task_seconds=0.02, standards_apart=True) as found:
        yield found


@pytest.fixture
def film(apart, tmp_path):
    stage = Spoken(apart, tmp_path / "campaign").write(FILM)
    stage.reset()
    yield stage
    stage.end()


@pytest.fixture(scope="module")
def children():
    with Children() as found:
        yield found


@pytest.mark.parametrize(("standard", "signed"), [("v1", False), ("v2", False), ("v1", True)])
def test_killed_after_the_create_and_gone_on_with_in_the_other_standard(film, children, standard, signed):
    """kill -9 when Kling has the task and the ledger only the intent; also with a key for the token of before."""
    one, other = film.spoken(standard, signed=signed), film.spoken({"v1": "v2", "v2": "v1"}[standard])
    sent = children.run(one.elsewhere(film.root.parent / "record"), *RUN).seen.index("after send POST") + 1
    film.reset()
    killed = children.run(one, *RUN, crash_at=sent)
    assert (killed.code, film.ledger()["tasks"]) == (KILLED, 1)
    again = children.run(other, *RUN)

    assert again.code == 0, again.out
    film.assert_paid_once(1)
    other.assert_whole(1)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("standard", ["v1", "v2"])
def test_a_folder_with_nothing_in_it_finds_what_the_other_standard_made(film, kling, tmp_path, standard, together):
    """Twelve films, made in one standard; an empty machine that speaks the other pays for none."""
    if together:
        film.running = kling
        film.reset()
    film.write(FILMS)
    other = {"v1": "v2", "v2": "v1"}[standard]
    settings = replace(film.settings, limits={"video": 5})
    assert tally(film.spoken(standard).run(settings=settings)) == (12, 0, 0, 0)
    newcomer = film.spoken(other).elsewhere(tmp_path / "newcomer")

    assert tally(newcomer.run(settings=settings)) in [(0, 12, 0, 0), (12, 0, 0, 0)]
    film.assert_paid_once(12)
    newcomer.assert_whole(12)


def test_what_is_under_way_is_waited_for_in_the_other_standard(film):
    """Detached in one, waited for in the other: the ledger's task ids are known in both."""
    film.faults({"fault": "slow", "seconds": 0.4})
    assert film.spoken("v1").run(settings=replace(film.settings, detach=True)).exit_code == 75
    waited = film.run(create=False)

    assert tally(waited) == (1, 0, 0, 0)
    film.assert_paid_once(1)
    film.assert_whole(1)


def test_sync_rebuilds_from_the_other_standard(film, tmp_path):
    """Ledger, lock and files, from the account alone."""
    assert film.spoken("v1").run().made == 1
    newcomer = film.spoken("v2").elsewhere(tmp_path / "newcomer")
    synced = newcomer.cli("sync")

    assert synced.returncode == 0, synced.stderr
    newcomer.assert_whole(1)
    film.assert_paid_once(1)


FAULTS = {
    "answer lost": {"fault": "answer_lost", "match": {"method": "POST", "operation": "omni-video"}, "times": 1},
    "answer torn": {"fault": "reset_during", "match": {"method": "POST", "operation": "omni-video"}, "times": 1},
    "nothing sent": {"fault": "reset_before", "match": {"method": "POST", "operation": "omni-video"}, "times": 1},
    "made, then 502": {"fault": "bad_gateway", "created": True, "match": {"operation": "omni-video"}, "times": 1},
    "made, then 5000": {"fault": "internal_error", "created": True, "match": {"operation": "omni-video"}, "times": 1},
    "no slot": {"fault": "over_limit", "match": {"operation": "omni-video"}, "times": 2},
    "too fast": {"fault": "rate_limited", "match": {"method": "POST", "operation": "omni-video"}, "times": 2},
    "too fast to ask": {"fault": "rate_limited", "match": {"method": "GET", "path": "/tasks"}, "times": 2},
    "not yet visible": {"fault": "invisible", "seconds": 0.1},
    "link over": {"fault": "expired_url", "times": 1},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_strike_the_second_standard_and_cost_nothing(film, fault):
    """The same rules, matched by operation, external id and path."""
    film.faults(FAULTS[fault])

    assert tally(film.run()) == (1, 0, 0, 0), film.events
    film.assert_paid_once(1)
    film.assert_whole(1)


def test_a_failure_is_told_in_the_vendors_words(film):
    """The reason stands under another name there; it decides over a further attempt as ever."""
    film.faults({"fault": "task_failure", "message": "Failure to pass the risk control system"})
    ended = film.run()

    assert tally(ended) == (0, 0, 1, 0)
    assert "risk control" in ended.outcomes[0].message
    assert ended.outcomes[0].record.failure == "moderation"


def test_more_films_than_slots_wait_for_each_other(film):
    """1303 is learned from, as in the first standard; many are polled page by page, few by their ids."""
    film.write(FILMS)

    assert tally(film.run(settings=replace(film.settings, limits={"video": 12}))) == (12, 0, 0, 0)
    film.assert_paid_once(12)
    film.assert_whole(12)
    assert film.ledger()["requests"]["routes"]["GET /tasks"] > 0


def test_its_callbacks_hurry_a_run(film):
    """`id` and `succeeded` are heard as `task_id` and `succeed` are; a slow film is looked at when Kling calls."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{one.getsockname()[1]}"
    film.faults({"fault": "slow", "seconds": 0.6})
    settings = replace(film.settings, callback_url=f"http://{where}/kling", callback_listen=where)

    assert tally(film.run(settings=settings)) == (1, 0, 0, 0)
    assert film.ledger()["callbacks"]["200"] >= 1
    looks_before = 3  # at the first attempts that the account may have
    assert film.ledger()["requests"]["kinds"]["get"] <= 6 + looks_before


def test_a_model_of_the_second_standard_is_sent_and_found_in_it_whatever_is_set(film, tmp_path):
    """Its create, its polls and a newcomer's look-up go to the second standard; a lost answer costs nothing."""
    film.write(TURBO).faults({"fault": "answer_lost", "match": {"method": "POST"}, "times": 1})
    first = film.spoken("v1")
    newcomer = first.elsewhere(tmp_path / "newcomer")

    assert tally(first.run()) == (1, 0, 0, 0)
    assert newcomer.plan().steps[0].action in ("reuse", "download")
    assert newcomer.run().exit_code == 0
    film.assert_paid_once(1)
    newcomer.assert_whole(1)
    routes = film.ledger()["requests"]["routes"]
    assert routes["POST /text-to-video/kling-3.0-turbo"] == 1
    assert routes.get("POST /v1/videos/text2video", 0) == 0


def test_without_an_api_key_such_a_model_stops_the_run(film):
    """Nothing is sent, and the message names the variable to set."""
    ended = film.write(TURBO).spoken("v1", signed=True).run()

    assert ended.exit_code == 4
    assert "KLING_API_KEY" in str(ended.error)
    assert film.ledger()["tasks"] == 0
