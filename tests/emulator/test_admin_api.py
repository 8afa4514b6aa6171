"""The emulator's own endpoints, its callbacks, and input that no client should send."""

import http.server
import json
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_pipe.emulator.callback_sender import signature
from tests.emulator.conftest import IMAGE, VIDEO, clip, started, still

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="


def test_reset_forgets_all_but_ids_go_on(kling):
    """Tasks, counts and rules are gone; an id is never given twice."""
    first = kling.post(VIDEO, clip("one")).json()["data"]["task_id"]
    kling.faults({"fault": "slow"})
    assert kling.http.post("/_emulator/reset").status_code == 200
    ledger = kling.ledger()
    assert (ledger["creates"], ledger["units"], ledger["rules"], ledger["slots"]["used"]) == ({}, {}, [], {})
    assert kling.post(VIDEO, clip("one")).json()["data"]["task_id"] > first


def test_a_reset_forgets_what_a_fault_still_holds_back(kling):
    """A request that came before it makes no task after it, though its client has long gone."""
    kling.faults({"fault": "delay", "seconds": 0.3})
    late = threading.Thread(target=lambda: answers.append(kling.post(VIDEO, clip("late")).json()["code"]))
    answers = []
    late.start()
    while f"POST {VIDEO}" not in kling.ledger()["requests"]["routes"]:
        time.sleep(0.01)
    kling.http.post("/_emulator/reset")
    late.join()
    assert answers == [5000]
    assert kling.ledger()["creates"] == {}


def test_the_ledger_counts_requests_by_route_and_kind(kling):
    """As the tests of a client need it."""
    kling.make(VIDEO, clip("one"))
    kling.get(VIDEO)
    kling.http.get("/nowhere")
    requests = kling.ledger()["requests"]
    assert requests["kinds"] == {"create": 1, "get": 1, "list": 1, "unknown": 1}
    assert requests["routes"][f"GET {VIDEO}/{{id}}"] == 1
    samples = kling.ledger()["slots"]["samples"]
    assert [used for _, _, used in samples] == [1, 0]
    assert samples[1][0] - samples[0][0] == 1500


def test_the_inspector_shows_tasks_and_escapes_them(kling):
    """Self-contained, nothing of a request becomes markup."""
    kling.make(VIDEO, clip("one", prompt="<script>alert(1)</script>"))
    kling.make(IMAGE, still("<b>two"))
    page = kling.http.get("/_emulator/")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<b>two" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "http://" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "[::"}])
def test_other_sites_do_not_reach_the_emulators_own_endpoints(kling, headers):
    """A page in a browser on this machine must not reset the emulator."""
    assert kling.http.post("/_emulator/reset", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "x", 404), ("GET", "reset", 405), ("PUT", "faults", 400), ("POST", "clock", 400)],
)
def test_wrong_use_of_them_is_a_clear_answer(kling, method, path, status):
    """JSON with a message."""
    answer = kling.http.request(method, f"/_emulator/{path}", content=b"{no json")
    assert answer.status_code == status
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/", 1203), ("POST", "/v1/nothing", 1203), ("PUT", VIDEO, 1202), ("DELETE", f"{VIDEO}/1", 1202)],
)
def test_an_unknown_path_or_method_is_answered_in_the_envelope(kling, method, path, code):
    """404 with an integer code and a message."""
    answer = kling.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'"x"', b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"]
)
def test_an_unreadable_body_is_a_1200(kling, body):
    """Never an error of the server."""
    answer = kling.http.post(VIDEO, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 1200)


def test_a_body_that_is_too_large_is_refused(start):
    """Before it is read to its end."""
    kling = start(media="tiny", max_body=1000)
    answer = kling.post(VIDEO, clip("one", prompt="x" * 2000))
    assert (answer.status_code, answer.json()["code"]) == (413, 1200)
    assert kling.post(VIDEO, clip("one")).json()["code"] == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    *clip(""),
    "image_list",
    "element_list",
    "video_list",
    "multi_prompt",
    "multi_shot",
    "callback_url",
    "watermark_info",
    "sound",
    "n",
]


@pytest.fixture(scope="module")
def fuzzed():
    """One emulator for all strange bodies."""
    with started(media="tiny", slots={"video": 10_000}) as kling:
        yield kling


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5))
def test_no_body_brings_the_server_down(fuzzed, changes):
    """Whatever stands in the fields: accepted or refused with a code, and what was accepted can be read again."""
    answer = fuzzed.http.post(VIDEO, content=json.dumps({**clip("x"), **changes}).encode())
    assert answer.json()["code"] in {0, 1200, 1201}, answer.text
    if answer.json()["code"] == 0:
        fuzzed.advance(60)
        task = fuzzed.get(f"{VIDEO}/{answer.json()['data']['task_id']}")
        assert task["task_status"] in {"succeed", "failed"}


class Receiver:
    """Takes callbacks."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.headers, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def states(self, count):
        """The states that were told, once so many have come."""
        deadline = time.monotonic() + 5
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.15)
        return sorted(json.loads(body)["task_status"] for _, body in self.received)


@pytest.fixture
def receiver():
    """A receiver on loopback."""
    found = Receiver()
    yield found
    found.server.shutdown()
    found.thread.join()
    found.server.server_close()


def test_every_change_of_state_is_told(start, receiver):
    """Three messages, the last with the result, signed when a secret is set."""
    kling = start(media="tiny", callback_secret=SECRET)
    kling.make(IMAGE, still("one", callback_url=receiver.url))
    assert receiver.states(3) == ["processing", "submitted", "succeed"]
    headers, body = next(one for one in receiver.received if b"succeed" in one[1])
    told = json.loads(body)
    assert told["task_info"] == {"external_task_id": "one"}
    assert told["task_result"]["images"][0]["url"]
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(SECRET, headers["webhook-id"], stamp, body)


@pytest.mark.parametrize(("fault", "count"), [("callback_lost", 2), ("callback_doubled", 4)])
def test_a_message_may_be_lost_or_come_twice(kling, receiver, fault, count):
    """By rule, and counted."""
    kling.faults({"fault": fault, "match": {"external_id": "one"}, "times": 1})
    kling.make(IMAGE, still("one", callback_url=receiver.url))
    assert len(receiver.states(count)) == count
    assert kling.ledger()["callbacks"]["200"] == count


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/", "nonsense", "http://[::"]
)
def test_other_machines_are_not_called(kling, url):
    """Unless the option says so."""
    kling.make(IMAGE, still("one", callback_url=url))
    time.sleep(0.2)
    assert sum(kling.ledger()["callbacks"].values()) == 3
    assert set(kling.ledger()["callbacks"]) <= {"not loopback", "bad url"}


def test_the_signature_is_the_vendors():
    """Their own test vector."""
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
    )
    assert signature(SECRET, "9876543210", 1781080794, body) == "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="


def test_without_a_server_the_package_is_light():
    """Importing `kling_pipe.emulator` brings in neither the server nor the libraries that draw."""
    import subprocess
    import sys

    code = (
        "import sys, kling_pipe.emulator; print({'uvicorn', 'starlette', 'PIL', 'av', 'jwt', 'httpx'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
