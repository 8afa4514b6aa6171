"""The client opens envelopes, classifies by the body's code, and sends a create once."""

import asyncio
import base64
import hashlib
import json

import httpx
import httpx2
import pytest

from kling_pipe.catalog.operations import load_operation
from kling_pipe.client import Client, Created, Downloaded, Found, Gone, InDoubt, Listed, NotFound, Refused
from kling_pipe.client.body import body_of
from kling_pipe.client.credentials import AccessKey
from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef

IMAGE = load_operation("omni-image")
KEY = AccessKey("ak", "sk" * 20)
TASK = {"task_id": "880000000000000001", "task_status": "submitted", "created_at": 1, "updated_at": 2}


class Server:
    """Answers from a list; keeps what it was asked."""

    def __init__(self, *answers, library=httpx):
        self.answers = list(answers)
        self.library = library
        self.requests = []

    async def handle(self, request):
        self.requests.append((request, await request.aread()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, content, *headers = answer
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.library.Response(status, content=body, headers=headers[0] if headers else {})

    @property
    def transport(self):
        return self.library.MockTransport(self.handle)


def asked(server, call):
    """One call of a client whose sleeps are only noted."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async def work():
        async with Client(
            "https://kling.test", KEY, transport=server.transport, http=server.library, sleep=sleep
        ) as client:
            return await call(client)

    return asyncio.run(work()), slept


def ok(data):
    return 200, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data}


def create(client):
    return client.create(IMAGE, {"prompt": "x"}, "kp1-a")


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_both_libraries_speak_the_same(library):
    """The maintained fork is a drop-in."""
    server = Server(ok(TASK), library=library)
    answer, _ = asked(server, create)
    assert isinstance(answer, Created)
    assert answer.task.task_id == "880000000000000001"
    request, body = server.requests[0]
    assert json.loads(body) == {"prompt": "x", "external_task_id": "kp1-a"}
    assert request.headers["authorization"].startswith("Bearer ey")
    assert str(request.url) == "https://kling.test/v1/images/omni-image"


@pytest.mark.parametrize("status", [200, 429])
def test_the_code_counts_and_not_the_status(status):
    """1303 in both of its forms."""
    answer, _ = asked(Server((status, {"code": 1303, "message": "parallel task over resource pack limit"})), create)
    assert isinstance(answer, Refused)
    assert answer.row.create == "wait_slot"


@pytest.mark.parametrize(
    "bad",
    [
        (502, b"<html>bad gateway</html>"),
        (200, {"message": "no code"}),
        (200, []),
        ok({}),
        httpx.ReadError("gone"),
        httpx.ReadTimeout("late"),
    ],
)
def test_a_create_without_a_believable_answer_is_in_doubt_and_sent_once(bad):
    """Whether the task exists is for the look-up to say."""
    server = Server(bad)
    answer, slept = asked(server, create)
    assert isinstance(answer, InDoubt)
    assert answer.sent
    assert len(server.requests) == 1
    assert slept == []


def test_a_create_that_never_left_is_known_not_to_have_been_sent():
    """No connection, no doubt."""
    answer, _ = asked(Server(httpx.ConnectError("refused")), create)
    assert isinstance(answer, InDoubt)
    assert not answer.sent


@pytest.mark.parametrize("code", [1003, 1004])
def test_a_token_out_of_time_is_signed_anew_once(code):
    """Also for a create: such a refusal created nothing."""
    server = Server((401, {"code": code, "message": "m"}), ok(TASK))
    answer, _ = asked(server, create)
    assert isinstance(answer, Created)
    server = Server((401, {"code": code, "message": "m"}))
    answer, _ = asked(server, create)
    assert isinstance(answer, Refused)
    assert len(server.requests) == 2


def test_reads_are_repeated_and_retry_after_is_honoured():
    """A short trouble is not worth a word."""
    server = Server((429, {"code": 1302, "message": "m"}, {"Retry-After": "7"}), (502, b"?"), ok(TASK))
    answer, slept = asked(server, lambda client: client.get(IMAGE, "kp1-a"))
    assert isinstance(answer, Found)
    assert slept == [7.0, 1.0]


def test_an_unknown_id_is_an_answer():
    """By its code, whatever the message says."""
    answer, _ = asked(Server((400, {"code": 1201, "message": "any words"})), lambda client: client.get(IMAGE, "kp1/ä"))
    assert isinstance(answer, NotFound)


def test_a_list_says_whether_there_may_be_more():
    """Full pages go on."""
    server = Server(ok([TASK, TASK]))
    answer, _ = asked(server, lambda client: client.list(IMAGE, 2, 2))
    assert isinstance(answer, Listed)
    assert answer.full
    assert server.requests[0][0].url.query == b"pageNum=2&pageSize=2"
    answer, _ = asked(Server(ok([TASK])), lambda client: client.list(IMAGE, 1, 2))
    assert not answer.full


def test_an_element_id_is_never_a_float():
    """18 digits come through as they are."""
    element = 860000000000015839
    task = {**TASK, "task_status": "succeed", "task_result": {"elements": [{"element_id": element}]}}
    answer, _ = asked(Server(ok(task)), lambda client: client.get(IMAGE, "x"))
    assert answer.task.result["elements"][0]["element_id"] == element


def test_a_download_sends_no_credentials_and_says_when_a_url_is_over():
    """Result files lie with others than Kling."""
    server = Server((200, b"film"))
    parts = []
    answer, _ = asked(server, lambda client: client.download("https://cdn.test/a.mp4", parts.append))
    assert answer == Downloaded(4)
    assert b"".join(parts) == b"film"
    assert "authorization" not in server.requests[0][0].headers
    answer, _ = asked(Server((403, b"")), lambda client: client.download("https://cdn.test/a.mp4", parts.append))
    assert answer == Gone(403)


def test_notes_hold_no_secret():
    """Method, path, code, seconds, reason."""
    notes = []

    async def work():
        server = Server((401, {"code": 1002, "message": "m"}))
        async with Client(
            "https://kling.test", KEY, transport=server.transport, http=httpx, note=notes.append
        ) as client:
            return await create(client)

    asyncio.run(work())
    assert [(note["method"], note["path"], note["code"]) for note in notes] == [("POST", "/v1/images/omni-image", 1002)]
    assert KEY.secret_key not in [str(value) for note in notes for value in note.values()]
    assert "Bearer" not in json.dumps(notes)


STRANGE = {
    "created_at": "yesterday",
    "updated_at": float("nan"),
    "task_info": ["x"],
    "task_result": "none",
    "task_status_msg": "cut in half: \ud83d",
}


def test_a_task_that_looks_strange_is_still_the_task_that_was_paid():
    """Its id and its state count; nothing of the rest ends a run, and its message can be written down."""
    strange = {**TASK, **STRANGE}
    made, _ = asked(Server(ok(strange)), create)
    assert (made.task.task_id, made.task.status) == (TASK["task_id"], "submitted")
    assert (made.task.created_at, made.task.updated_at, made.task.odd) == (0, 0, "")
    assert len(made.task.remarks) == 2
    assert made.task.message == "cut in half: ?"
    listed, _ = asked(Server(ok([strange, None, 1])), lambda client: client.list(IMAGE, 1, 3))
    assert [task.task_id for task in listed.tasks] == [TASK["task_id"]]
    assert listed.full
    assert listed.odd
    assert asked(Server(ok([strange])), lambda client: client.get(IMAGE, "x"))[0].odd


def test_an_answer_nested_too_deep_is_no_answer():
    """The create is in doubt then, as after any other answer that nobody can read."""
    answer, _ = asked(Server((200, b'{"code": 0, "data": ' + b"[" * 100_000)), create)
    assert isinstance(answer, InDoubt)


def test_a_refusal_that_quotes_our_credentials_is_told_without_them():
    """Gateways do that; the message goes into errors, logs and the lock."""

    class Quoting(Server):
        async def handle(self, request):
            self.answers = [(401, {"code": 1002, "message": f"{request.headers['authorization']}, {KEY.secret_key}?"})]
            return await super().handle(request)

    answer, _ = asked(Quoting(), create)
    assert isinstance(answer, Refused)
    assert answer.message == "Bearer ***, ***?"


def test_local_files_are_streamed_as_base64(tmp_path):
    """The body is one valid JSON, its length known before."""
    content = bytes(range(256)) * 2000
    (tmp_path / "a.png").write_bytes(content)
    file = FileRef(str(tmp_path / "a.png"), hashlib.sha256(content).hexdigest(), len(content))
    body = body_of({"prompt": 'say "hi" \ue000', "image_list": [{"image": file}, {"image": file}]})
    whole = b"".join(body.pieces())
    assert len(whole) == body.length
    assert json.loads(whole)["image_list"][1]["image"] == base64.b64encode(content).decode()
    server = Server(ok(TASK))
    asked(server, lambda client: client.create(IMAGE, {"image": file}, "kp1-a"))
    request, sent = server.requests[0]
    assert json.loads(sent)["image"] == base64.b64encode(content).decode()
    assert int(request.headers["content-length"]) == len(sent)


def test_a_file_that_changed_meanwhile_is_not_sent(tmp_path):
    """Its key would be a lie."""
    (tmp_path / "a.png").write_bytes(b"new")
    with pytest.raises(LocalStateError, match="changed"):
        body_of({"image": FileRef(str(tmp_path / "a.png"), "0" * 64, 3)})
