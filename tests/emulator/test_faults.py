"""Every fault does what it says, on real sockets, and nothing happens without a rule."""

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.emulator.conftest import IMAGE, VIDEO, clip, still


def received(bare):
    """All that still comes on a socket."""
    while bare.recv(100):
        pass


def creates(kling):
    return kling.ledger()["creates"]


@pytest.mark.parametrize(
    ("fault", "error", "made"),
    [
        ("reset_before", httpx.ReadError, 0),
        ("answer_lost", httpx.RemoteProtocolError, 1),
        ("reset_during", (httpx.ReadError, httpx.RemoteProtocolError), 1),
    ],
)
def test_a_connection_breaks_before_or_after_the_create(kling, fault, error, made):
    """The client sees a broken connection, and the ledger tells whether the task exists."""
    kling.faults({"fault": fault, "match": {"method": "POST"}, "times": 1})
    with pytest.raises(error):
        kling.post(VIDEO, clip("one"))
    assert creates(kling) == ({"one": 1} if made else {})
    answer = kling.post(VIDEO, clip("one")).json()["code"]
    assert answer == (1201 if made else 0)


def test_a_reset_is_seen_as_one_on_a_bare_socket(kling):
    """Not an orderly end: the peer tears the connection down."""
    kling.faults({"fault": "reset_before"})
    parts = urlsplit(kling.running.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as bare:
        bare.sendall(f"GET {VIDEO} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            received(bare)


def test_half_an_answer_comes_before_the_reset(kling):
    """Bytes of the answer arrive, then the connection is gone."""
    kling.faults({"fault": "reset_during"})
    parts = urlsplit(kling.running.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as bare:
        bare.sendall(f"GET {VIDEO} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert bare.recv(100).startswith(b"HTTP/1.1 401")
        with pytest.raises(ConnectionResetError):
            received(bare)


@pytest.mark.parametrize("created", [True, False])
@pytest.mark.parametrize(
    ("rule", "status"),
    [
        ({"fault": "error", "code": 5000}, 500),
        ({"fault": "unavailable"}, 503),
        ({"fault": "internal_timeout"}, 504),
        ({"fault": "bad_gateway"}, 502),
    ],
)
def test_a_server_error_comes_with_or_without_the_task(kling, rule, status, created):
    """The answer is the same; only a look-up tells."""
    kling.faults({**rule, "created": created, "times": 1})
    answer = kling.post(VIDEO, clip("one"))
    assert answer.status_code == status
    assert answer.headers["content-type"] == ("text/html" if status == 502 else "application/json")
    assert creates(kling) == ({"one": 1} if created else {})


@pytest.mark.parametrize("http", [429, 200])
@pytest.mark.parametrize(("fault", "code"), [("rate_limited", 1302), ("over_limit", 1303)])
def test_a_burst_of_refusals_ends(kling, fault, code, http):
    """Both HTTP forms, so many times, with Retry-After if asked for."""
    kling.faults({"fault": fault, "http": http, "times": 2, "retry_after": 3})
    answers = [kling.post(VIDEO, clip("one")) for _ in range(3)]
    assert [answer.json()["code"] for answer in answers] == [code, code, 0]
    assert [answer.status_code for answer in answers] == [http, http, 200]
    assert answers[0].headers["retry-after"] == "3"


def test_a_token_expires_in_the_middle(kling):
    """401 and 1004 for the requests that the rule names, by their number."""
    kling.faults({"fault": "token_expired", "match": {"nth": [2]}})
    answers = [kling.http.get(VIDEO) for _ in range(3)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(200, 0), (401, 1004), (200, 0)]


@pytest.mark.parametrize("created", [True, False])
def test_an_answer_may_take_longer_than_the_client_waits(kling, created):
    """The client gives up; the task exists or not, as the rule says."""
    kling.faults({"fault": "timeout", "seconds": 30, "created": created, "times": 1})
    with pytest.raises(httpx.ReadTimeout):
        kling.http.post(VIDEO, json=clip("one"), timeout=0.2)
    assert creates(kling) == ({"one": 1} if created else {})


def test_a_held_connection_is_closed_in_the_end(kling):
    """A client that waits for ever gets an end of the connection."""
    kling.faults({"fault": "timeout", "seconds": 0.1})
    with pytest.raises(httpx.RemoteProtocolError):
        kling.post(VIDEO, clip("one"))


def test_a_delay_changes_nothing_but_the_time(kling):
    """The answer is the usual one."""
    kling.faults({"fault": "delay", "seconds": 0.2})
    before = time.monotonic()
    assert kling.post(VIDEO, clip("one")).json()["code"] == 0
    assert time.monotonic() - before >= 0.2


@pytest.mark.parametrize("refused", [True, False])
def test_a_task_may_exist_before_it_can_be_seen(kling, refused):
    """GET and list say nothing for k seconds; a second create is refused, or makes a duplicate that is counted."""
    kling.faults({"fault": "invisible", "seconds": 3, "refuse_duplicates": refused, "times": 1})
    kling.post(VIDEO, clip("one"))
    assert kling.http.get(f"{VIDEO}/one").json()["code"] == 1201
    assert kling.get(VIDEO) == []
    assert kling.post(VIDEO, clip("one")).json()["code"] == (1201 if refused else 0)
    kling.advance(3)
    assert kling.get(f"{VIDEO}/one")["task_status"] == "succeed"
    assert creates(kling) == {"one": 1 if refused else 2}


def test_tasks_fail_and_crawl_by_their_external_id(kling):
    """Rules pick tasks by pattern; the others are as ever."""
    kling.faults(
        {"fault": "task_failure", "match": {"external_id": "bad-*"}},
        {"fault": "slow", "seconds": 100, "match": {"external_id": "slow-*"}},
    )
    for name in ("bad-1", "slow-1", "good"):
        kling.post(VIDEO, clip(name))
    kling.advance(60)
    states = {name: kling.get(f"{VIDEO}/{name}")["task_status"] for name in ("bad-1", "slow-1", "good")}
    assert states == {"bad-1": "failed", "slow-1": "processing", "good": "succeed"}
    assert kling.get(f"{VIDEO}/bad-1")["task_status_msg"] == "Failure to pass the risk control system"


def test_an_expired_url_is_replaced_on_asking(kling):
    """The old URL stays dead, the task gives another one that works."""
    url = kling.make(IMAGE, still("one"))["task_result"]["images"][0]["url"]
    kling.faults({"fault": "expired_url", "times": 1})
    assert [kling.http.get(url).status_code for _ in range(2)] == [403, 403]
    kling.advance(0.01)
    fresh = kling.get(f"{IMAGE}/one")["task_result"]["images"][0]["url"]
    assert fresh != url
    assert kling.http.get(fresh).status_code == 200


def test_a_download_ends_too_early(kling):
    """The length says more than what comes."""
    url = kling.make(IMAGE, still("one"))["task_result"]["images"][0]["url"]
    kling.faults({"fault": "truncated", "times": 1, "match": {"external_id": "one"}})
    with pytest.raises(httpx.RemoteProtocolError):
        kling.http.get(url)
    assert kling.http.get(url).status_code == 200


def test_chance_is_seeded(kling):
    """The same seed strikes the same requests."""

    def struck():
        kling.faults({"fault": "rate_limited", "probability": 0.5, "seed": 7})
        return [kling.http.get(VIDEO).json()["code"] for _ in range(20)]

    first = struck()
    assert set(first) == {0, 1302}
    assert struck() == first


def test_the_rules_tell_how_often_they_struck(kling):
    """A test can see that its fault has happened."""
    kling.faults({"fault": "rate_limited", "match": {"operation": "omni-*", "path": "/v1/*"}, "times": 1})
    for _ in range(3):
        kling.http.get(VIDEO)
    (rule,) = kling.http.get("/_emulator/faults").json()
    assert (rule["matched"], rule["fired"], kling.ledger()["faults"]) == (3, 1, {"error": 1})


@pytest.mark.parametrize(
    "rules",
    [
        {},
        [3],
        [{}],
        [{"fault": "gremlins"}],
        [{"fault": "delay", "second": 1}],
        [{"fault": "delay", "seconds": "1"}],
        [{"fault": "delay", "match": {"prompt": "x"}}],
        [{"fault": "delay", "match": {"path": 3}}],
        [{"fault": "delay", "match": 3}],
        [{"fault": "timeout", "created": 1}],
        [{"fault": ["delay"]}],
        [{"fault": "delay", "match": {"nth": "second"}}],
    ],
)
def test_a_rule_that_says_nothing_sensible_is_refused(kling, rules):
    """400 with a message, and the rules before stay."""
    kling.faults({"fault": "delay", "seconds": 0})
    answer = kling.http.put("/_emulator/faults", json=rules)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert len(kling.http.get("/_emulator/faults").json()) == 1


def test_words_in_a_prompt_never_do_anything(kling):
    """No magic."""
    assert kling.make(VIDEO, clip("one", prompt="fail timeout 500 answer_lost reset"))["task_status"] == "succeed"


def test_a_rule_for_one_account_leaves_the_others_alone(kling):
    """Its key is refused, whatever it asks for, and the ledger tells whose tasks there are."""
    key = kling.running.api_key
    kling.faults({"fault": "error", "code": 1002, "match": {"account": "second"}})
    codes = []
    for name in ("main", "second"):
        kling.http.headers["Authorization"] = f"Bearer {key}.{name}"
        codes += [kling.post(IMAGE, still("one")).json()["code"], kling.http.get(IMAGE).json()["code"]]
    assert codes == [0, 0, 1002, 1002]
    assert kling.ledger()["owners"] == {"main": {"one": 1}}
