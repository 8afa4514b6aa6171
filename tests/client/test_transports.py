"""Each HTTP library carries requests in the same way: the same answers, the same doubts, no secret in a reason."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from kling_pipe.client.body import body_of
from kling_pipe.client.http import Http, library
from kling_pipe.client.transport import NoAnswerError
from kling_pipe.client.transport_aiohttp import ByAiohttp
from kling_pipe.client.transport_httpx import ByHttpx
from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef
from kling_pipe.storage.outputs.local import file_sha256

SIGNATURE = "Signature=do-not-show"


def httpx_carrier():
    import httpx

    return ByHttpx(httpx, lambda: None, None, 0.2)


def httpx2_carrier():
    return ByHttpx(library(), lambda: None, None, 0.2)


def aiohttp_carrier():
    return ByAiohttp(lambda: None, 0.2)


each = pytest.mark.parametrize("carrier", [httpx_carrier, httpx2_carrier, aiohttp_carrier])


@asynccontextmanager
async def server(*answers) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Gives each connection's requests the next answer: bytes, b"" to hang up, None to say nothing."""
    seen, waiting, talks = [], list(answers), set()

    async def serve(reader, writer):
        talks.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def talk(reader, writer):
        while head := await _head(reader):
            sized = re.search(rb"content-length: (\d+)", head.lower())
            seen.append(head + await reader.readexactly(int(sized[1]) if sized else 0))
            answer = waiting.pop(0)
            if answer is None:
                await asyncio.sleep(5)
            writer.write(answer or b"")
            await writer.drain()
            if not answer or b"Connection: close" in answer:
                break

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        listening.close()
        for one in talks:
            one.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _head(reader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""


def ok(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{one}\r\n" for one in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


def carried(carrier, work, *answers):
    """What `work(carrier, base)` gives, and the requests as they arrived."""

    async def talk():
        async with server(*answers) as (base, seen):
            one = carrier()
            try:
                return await work(one, base), seen
            finally:
                await one.close()

    return asyncio.run(talk())


async def post(one, base):
    return await one.send("POST", f"{base}/v1/x?{SIGNATURE}", {"Authorization": "Bearer t"}, body_of({"a": "ü"}))


async def fetched(one, base):
    async with one.stream(f"{base}/media/a%2Fb?{SIGNATURE}%3D") as (status, chunks):
        return status, b"".join([chunk async for chunk in chunks])


def failed(carrier, work, *answers) -> NoAnswerError:
    async def told(one, base):
        with pytest.raises(NoAnswerError) as caught:
            await work(one, base)
        return caught.value

    error, _ = carried(carrier, told, *answers)
    assert SIGNATURE not in error.reason
    return error


@each
def test_a_request_arrives_as_it_was_given(carrier):
    """Path and query as they were signed, a length, no chunks; header names of the answer in lower case."""
    answer, seen = carried(carrier, post, ok(b"{}", "Retry-After: 7"))
    assert (answer.status, answer.content, answer.headers["retry-after"]) == (200, b"{}", "7")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v1/x?{SIGNATURE} HTTP/1.1".encode())
    assert b"authorization: Bearer t" in head.replace(b"Authorization", b"authorization")
    assert b"chunked" not in head
    assert body == '{"a":"ü"}'.encode()


@each
def test_files_are_streamed_with_a_length(carrier, tmp_path):
    """Base64 in between the text, read while it is sent."""
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 3000)
    file = FileRef(str(path), file_sha256(path), path.stat().st_size)

    async def upload(one, base):
        body = body_of({"image": file})
        return await one.send("POST", f"{base}/v1/x", {"Content-Length": str(body.length)}, body)

    _, seen = carried(carrier, upload, ok(b"{}"))
    assert b"chunked" not in seen[0]
    assert len(seen[0].partition(b"\r\n\r\n")[2]) == body_of({"image": file}).length


@each
def test_a_file_that_goes_away_while_it_is_sent_is_told_as_such(carrier, tmp_path):
    """Not as trouble with the network."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 10)
    body = body_of({"image": FileRef(str(path), file_sha256(path), path.stat().st_size)})
    path.unlink()

    async def upload(one, base):
        with pytest.raises((OSError, LocalStateError)) as caught:
            await one.send("POST", f"{base}/v1/x", {"Content-Length": str(body.length)}, body)
        return caught.value

    error, _ = carried(carrier, upload, ok(b"{}"))
    assert isinstance(error, FileNotFoundError | LocalStateError)


@each
@pytest.mark.parametrize("answer", [b"", None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{}"])
def test_a_post_that_reached_the_server_is_in_doubt_and_sent_once(carrier, answer):
    """Hung up, silent, or cut off."""

    async def told(one, base):
        with pytest.raises(NoAnswerError) as caught:
            await post(one, base)
        return caught.value

    error, seen = carried(carrier, told, answer)
    assert error.sent
    assert len(seen) == 1
    assert SIGNATURE not in error.reason


@each
def test_a_post_on_a_connection_that_died_is_not_sent_again_by_the_library(carrier):
    """The library may not decide that: the second request on a kept connection meets a server that hangs up."""

    async def twice(one, base):
        await post(one, base)
        with pytest.raises(NoAnswerError):
            await post(one, base)

    _, seen = carried(carrier, twice, ok(b"{}"), b"", ok(b"{}"))
    assert len(seen) == 2


@each
def test_what_never_left_was_not_sent(carrier):
    """Nobody listens, or there is no such name."""
    for base in ("http://127.0.0.1:9", "http://127.0.0.1:0"):

        async def told(one, _, base=base):
            with pytest.raises(NoAnswerError) as caught:
                await post(one, base)
            return caught.value

        error, _ = carried(carrier, told)
        assert not error.sent
        assert SIGNATURE not in error.reason
        assert "127.0.0.1" in error.reason
        assert "ssl" not in error.reason  # aiohttp tells the address of an object there


@each
def test_a_redirect_of_a_post_is_an_answer(carrier):
    """A create goes where it was sent, and nowhere else."""
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    answer, seen = carried(carrier, post, moved)
    assert answer.status == 307
    assert len(seen) == 1


@each
def test_a_download_follows_redirects_and_keeps_what_was_signed(carrier):
    """The quoting of a signed URL is not touched, and no credentials go along."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: /next?{SIGNATURE}%2B\r\nContent-Length: 0\r\n\r\n".encode()
    (status, content), seen = carried(carrier, fetched, moved, ok(b"film"))
    assert (status, content) == (200, b"film")
    assert seen[0].startswith(f"GET /media/a%2Fb?{SIGNATURE}%3D ".encode())
    assert seen[1].startswith(f"GET /next?{SIGNATURE}%2B ".encode())
    assert b"authorization" not in b"".join(seen).lower()


@each
def test_a_long_redirect_is_followed(carrier):
    """Signed media may have a longer address than a library thinks proper."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: /next?{'x' * 20_000}\r\nContent-Length: 0\r\n\r\n".encode()
    (status, _), _ = carried(carrier, fetched, moved, ok(b"film"))
    assert status == 200


@each
def test_a_download_that_goes_round_in_circles_ends(carrier):
    """With a reason that shows no address."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: /next?{SIGNATURE}\r\nContent-Length: 0\r\n\r\n".encode()
    assert failed(carrier, fetched, *[moved] * 40)


@each
def test_a_download_that_ends_early_is_no_file(carrier):
    """Neither by its length nor in the middle of its chunks."""
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nfilm"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\nfilm"
    assert failed(carrier, fetched, short).sent
    assert failed(carrier, fetched, chunked).sent


@each
def test_a_packed_answer_is_unpacked(carrier):
    """Both ask for it."""
    packed = gzip.compress(b'{"code": 0}')
    answer, _ = carried(carrier, post, ok(packed, "Content-Encoding: gzip"))
    assert answer.content == b'{"code": 0}'


@each
def test_no_http_and_no_url_at_all_are_told_apart_from_a_doubt(carrier):
    """A result whose address is none."""
    error = failed(carrier, lambda one, _: one.send("POST", f"nonsense?{SIGNATURE}", {}, None))
    assert not error.sent


def test_a_proxy_is_for_httpx(monkeypatch):
    """It knows every kind of proxy; aiohttp is for the straight way."""
    assert isinstance(Http()._carrier, ByAiohttp)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    assert isinstance(Http()._carrier, ByHttpx)
