"""The live sheet answers odd requests in words: never with 500, never with a traceback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_pipe.errors import UsageError
from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.report.contact_sheet import Sheet
from kling_pipe.report.contact_sheet.live_server import Live, application

TOKEN = "the-token"
HOST = b"127.0.0.1:80"


def picked(address: str, take: int) -> str:
    if (address, take) != ("image.a", 1):
        raise UsageError(f"there is no `{address}` to pick a take of")
    return "picked"


def live(folder: Path) -> Live:
    return Live(
        lambda: Sheet("p", ()),
        picked,
        (),
        Thumbnails(folder),
        token=TOKEN,
        text="page",
        files={"media/a": folder / "a"},
    )


def asked(method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes = b"", body: bytes = b"") -> Any:
    """Status and body of one request, given to the application as a server does. What it raises comes out here."""
    sent: list[Any] = []
    messages = iter([{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": b"",
        "query_string": query,
        "headers": headers,
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    asyncio.run(application(live(Path("nowhere")))(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


COOKIE = (b"cookie", b"kling-pipe=" + TOKEN.encode())
KNOWN = [(b"host", HOST), COOKIE]


@pytest.mark.parametrize(
    ("path", "query", "headers", "status"),
    [
        ("/", b"token=%C3%A9", KNOWN[:1], 400),
        ("/", b"token=%00", KNOWN[:1], 403),
        ("/", b"", [(b"host", HOST), (b"cookie", b"kling-pipe=\xe9")], 400),
        ("/", b"", [(b"host", b"[::1"), COOKIE], 400),
        ("/", b"", [(b"host", b"[]:x"), COOKIE], 400),
        ("/", b"", [*KNOWN, (b"origin", b"http://[")], 400),
        ("/", b"", [COOKIE], 421),
        ("/media/a\0", b"", KNOWN, 400),
        ("/media/\ud800", b"", KNOWN, 400),
        ("/media/a", b"", KNOWN, 404),
        ("/", b"", KNOWN, 200),
    ],
)
def test_odd_addresses_hosts_and_tokens_are_refused(path, query, headers, status):
    """In a short text; a file that has gone since the page was drawn is not found."""
    answer, body = asked("GET", path, headers, query)

    assert answer == status
    assert len(body) < 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"address":' * 5_000,
        b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"\xff\xfe",
        b"",
        b"null",
        b'{"address": "image.a", "take": 1e400}',
        b'{"address": "image.a", "take": ' + b"9" * 5_000 + b"}",
        b'{"address": "image.a", "take": 99999999999999999999}',
        b'{"address": "image.a\\u0000", "take": 1}',
        b'{"address": "\\ud800", "take": 1}',
        b'{"address": ["image.a"], "take": 1}',
    ],
)
def test_odd_picks_are_refused(body):
    """Deep, huge, halves of pairs, NUL, other types."""
    assert asked("POST", "/pick", KNOWN, body=body) == (400, b'{"message":"a pick is an address and a take"}')


def test_a_good_pick_is_taken():
    """So that the refusals above are not for another reason."""
    assert asked("POST", "/pick", KNOWN, body=b'{"address": "image.a", "take": 1}')[0] == 200
    assert asked("POST", "/pick", KNOWN, body=b'{"address": "image.b", "take": 1}')[0] == 409


values = st.binary(max_size=12) | st.sampled_from(
    [HOST, b"localhost", b"[::1]", b"[", b"http://127.0.0.1:80", COOKIE[1]]
)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"host", b"cookie", b"origin", b"range", b"content-type", b"content-length", b"if-range"]),
        values,
    ),
    max_size=5,
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("image.a")
bodies = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["address", "take"]), inner)
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"]),
    st.sampled_from(["/", "/pick", "/media/a", "/media/"])
    | st.text(max_size=8).map("/media/".__add__)
    | st.text(max_size=8),
    headers,
    st.booleans(),
    st.binary(max_size=12) | st.just(b"token=" + TOKEN.encode()),
    st.binary(max_size=20) | bodies.map(lambda form: json.dumps(form).encode()),
)
@example("POST", "/pick", [], True, b"", b'{"address": "\\ud800", "take": 1}')
def test_whatever_is_asked_the_answer_is_no_500(method, path, others, known, query, body):
    """Any method, path, header, query and body; nothing is raised either, so nothing is logged."""
    given_headers = [*(KNOWN if known else []), *others]

    assert asked(method, path, given_headers, query, body)[0] < 500
