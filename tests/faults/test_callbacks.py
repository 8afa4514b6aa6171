"""Callbacks hurry a run that polls seldom; lost, doubled or forged, they change nothing of what is made."""

import base64
import json
import socket
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import replace

import pytest
from scenario import PICTURE, Stage, tally

from kling_pipe.emulator.callback_sender import signature
from kling_pipe.emulator.testing import running
from kling_pipe.engine.callback_listener import Receiver, listening_at
from kling_pipe.errors import UsageError

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
BODY = json.dumps({"task_id": "7", "task_status": "succeed"}).encode()
NOW = 1_800_000_000


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listening(stage, **more):
    where = f"127.0.0.1:{free_port()}"
    return replace(stage.settings, callback_url=f"http://{where}/kling", callback_listen=where, **more)


def looks(stage):
    kinds = stage.ledger()["requests"]["kinds"]
    return kinds.get("get", 0) + kinds.get("list", 0)


def test_a_callback_replaces_polling(picture):
    """A task of a second: with callbacks it is looked at before the create, early on, and when Kling calls."""
    picture.faults({"fault": "slow", "seconds": 1.2})
    assert tally(picture.run(settings=listening(picture))) == (1, 0, 0, 0)
    assert picture.ledger()["callbacks"]["200"] >= 1
    looked_up = 3  # the first attempts that the account may have
    assert looks(picture) <= looked_up + 4
    assert tally(picture.run()) == (0, 1, 0, 0)
    picture.assert_paid_once(1)


@pytest.mark.parametrize("fault", ["callback_lost", "callback_doubled"])
def test_lost_and_doubled_callbacks_change_nothing(chain, fault):
    """Polling is the safety net, and to hear something twice is to look once more."""
    chain.faults({"fault": fault})
    assert tally(chain.run(settings=listening(chain))) == (3, 0, 0, 0)
    chain.assert_paid_once(3)
    chain.assert_whole(3)


def test_signed_callbacks_are_heard_and_others_are_turned_away(tmp_path):
    """The right secret hurries; with a wrong one every callback is answered 401 and the run polls."""
    with running(tmp_path / "kling", media="tiny", task_seconds=0.05, callback_secret=SECRET) as kling:
        stage = Stage(kling, tmp_path / "campaign").write(PICTURE)
        assert tally(stage.run(settings=listening(stage, callback_secret=SECRET))) == (1, 0, 0, 0)
        assert "401" not in stage.ledger()["callbacks"]
        other = stage.elsewhere(tmp_path / "other").write(PICTURE.replace("red", "blue"))
        wrong = "whsec_" + base64.b64encode(b"quite another secret").decode()
        assert tally(other.run(settings=listening(other, callback_secret=wrong))) == (1, 0, 0, 0)
        assert other.ledger()["callbacks"]["401"] >= 1


def test_the_command_line_listens_where_the_url_leads(picture):
    """--callback-url alone is enough when it leads to this machine."""
    done = picture.cli("run", "-y", "-q", "--callback-url", f"http://127.0.0.1:{free_port()}/kling")
    assert done.returncode == 0, done.stderr
    assert picture.ledger()["callbacks"].keys() == {"200"}


def test_an_address_that_is_taken_is_a_usage_error_and_nothing_is_sent(picture):
    """Exit 64 with a way on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = picture.cli("run", "-y", "-q", "--callback-url", f"http://127.0.0.1:{port}/kling")
    assert (done.returncode, picture.posts) == (64, 0)
    assert "cannot listen" in done.stderr


def test_where_to_listen_is_read_from_a_local_url_only():
    """A tunnel's address is not ours to listen on."""
    assert listening_at("http://127.0.0.1:8787/kling") == "127.0.0.1:8787"
    assert listening_at("http://localhost/kling") == "localhost:80"
    assert listening_at("https://tunnel.example.com/kling") == ""
    assert listening_at("") == ""


def heard(headers, body=BODY, secret=SECRET):
    told = []
    receiver = Receiver(secret, lambda task, status: told.append((task, status)), clock=lambda: NOW)
    return receiver.take(headers, body), told


def signed(body=BODY, moment=NOW):
    value = signature(SECRET, "m1", moment, body)
    return {"webhook-id": "m1", "webhook-timestamp": str(moment), "webhook-signature": f"v1,bm9wZQ== {value}"}


def test_a_signature_covers_id_time_and_body():
    """Changed, missing or old: 401, and nobody is told."""
    assert heard(signed()) == ("200 OK", [("7", "succeed")])
    refused = [
        heard(signed(), BODY + b" "),
        heard({**signed(), "webhook-id": "m2"}),
        heard({**signed(), "webhook-timestamp": str(NOW + 1)}),
        heard({**signed(), "webhook-signature": ""}),
        heard(signed(moment=NOW - 301)),
        heard({}),
    ]
    assert refused == [("401 Unauthorized", [])] * len(refused)


def test_without_a_secret_everybody_may_hurry_us_and_nonsense_is_refused():
    """What is said is never believed, so there is nothing to protect."""
    assert heard({}, secret="") == ("200 OK", [("7", "succeed")])
    for body in (b"", b"[]", b"{}", b'{"task_id": 7}', b"\xff"):
        assert heard({}, body, secret="") == ("400 Bad Request", [])


def test_a_secret_of_another_form_is_a_usage_error():
    with pytest.raises(UsageError, match="whsec_"):
        Receiver("whsec_not base64!", lambda *_: None)


def test_the_receiver_survives_what_is_no_callback(picture):
    """Half a request, a GET, a body that never comes: the run is not disturbed."""
    settings = listening(picture)
    host, _, port = settings.callback_listen.partition(":")
    picture.faults({"fault": "slow", "seconds": 0.6})

    def disturb(event):
        if event.type == "submitted":
            for raw in (b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", b"\0\0"):
                with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as one:
                    one.sendall(raw)

    picture.events = type("Disturbing", (list,), {"append": lambda _, event: disturb(event)})()
    assert tally(picture.run(settings=settings)) == (1, 0, 0, 0)
    picture.assert_paid_once(1)


def test_a_receiver_answers_over_http(picture):
    """A real POST in the middle of a run."""
    settings = listening(picture)
    picture.faults({"fault": "callback_lost"}, {"fault": "slow", "seconds": 0.5})
    answers = []

    def call(event):
        if event.type == "submitted":
            import threading

            def post():
                for body in (BODY, b"nonsense"):
                    request = urllib.request.Request(settings.callback_url, body, method="POST")
                    try:
                        with urllib.request.urlopen(request, timeout=5) as answer:
                            answers.append(answer.status)
                    except urllib.error.HTTPError as error:
                        answers.append(error.code)

            threads.append(threading.Thread(target=post))
            threads[-1].start()

    threads = []
    picture.events = type("Calling", (list,), {"append": lambda _, event: call(event)})()
    assert tally(picture.run(settings=settings)) == (1, 0, 0, 0)
    for thread in threads:
        thread.join()
    assert answers == [200, 400]
