"""Small real films and sounds for tests, and a server of files that keeps its word or does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from PIL import Image

RATE = 8000


@cache
def film(
    seconds: float = 4, size: tuple[int, int] = (1280, 720), *, fps: int = 24, sound: bool = False, form: str = "mp4"
) -> bytes:
    """A grey film; its header stands at its end. A picture is encoded once and comes again and again."""
    file = BytesIO()
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream("h264", rate=fps, options={"preset": "ultrafast", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        tone: Any = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        frame = av.VideoFrame.from_image(Image.new("RGB", size, "grey"))
        frame.pts, frame.time_base = 0, Fraction(1, fps)
        picture = bytes(next(iter(stream.encode(frame))))
        for number in range(round(seconds * fps)):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, fps)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
        if tone is not None:
            _tone(container, tone, seconds, 1024)
    return file.getvalue()


@cache
def sound(seconds: float = 3, form: str = "wav") -> bytes:
    """Silence."""
    codecs = {"wav": "pcm_s16le", "mp3": "mp3", "ipod": "aac", "adts": "aac", "ogg": "libopus"}
    file = BytesIO()
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream(codecs[form], rate=RATE, layout="mono")
        _tone(container, stream, seconds, 576 if form == "mp3" else 160 if form == "ogg" else 1000)
    return file.getvalue()


def _tone(container: Any, stream: Any, seconds: float, samples: int) -> None:
    for start in range(0, round(seconds * RATE), samples):
        frame = av.AudioFrame(format=stream.codec_context.format.name, layout="mono", samples=samples)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@cache
def header_first(film: bytes) -> bytes:
    """The same film with its header before the rest."""
    with TemporaryDirectory() as folder, av.open(BytesIO(film)) as old:
        path = Path(folder, "film.mp4")
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as new:
            streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
            for packet in old.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    new.mux(packet)
        return path.read_bytes()


def padded(film: bytes, size: int) -> bytes:
    """The film with an empty box of so many bytes after its first one."""
    first = int.from_bytes(film[:4], "big")
    return film[:first] + (size + 8).to_bytes(4, "big") + b"free" + bytes(size) + film[first:]


class Files:
    """What a server has: content by path. `asked` counts requests, `sent` bytes, `ranges` what was asked for."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.asked: list[str] = []
        self.together = self.most_together = 0
        self.sent = 0
        self.base = ""
        self.ended = threading.Event()

    def put(self, path: str, content: bytes, media_type: str = "") -> str:
        """The link to some content. The first word of a path says how the server behaves."""
        self.content[path] = content
        self.types[path] = media_type
        return f"{self.base}/{path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: Files

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:  # http.server's name
        """One behaviour for each first word of the path."""
        files, path = self.files, self.path.partition("?")[0].strip("/")
        files.asked.append(f"{path} {self.headers.get('Range', '')}")
        files.together += 1
        files.most_together = max(files.most_together, files.together)
        try:
            getattr(self, f"_{path.partition('/')[0]}", self._status)(path)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            files.together -= 1

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        known = {"Content-Length": str(len(content)), "Connection": "close"}
        for name, value in {**known, **{name.replace("_", "-"): value for name, value in headers.items()}}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.files.sent += len(content)

    def _status(self, path: str) -> None:
        self._send(int(path.partition("/")[0]), b"no")

    def _ranges(self, path: str) -> None:
        content = self.files.content[path]
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        if int(first) >= len(content):
            self._send(416, b"", Content_Range=f"bytes */{len(content)}")
            return
        part = content[int(first) : int(last) + 1]
        place = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        self._send(206, part, Content_Range=place, Content_Type=self.files.types[path])

    def _slow(self, path: str) -> None:
        time.sleep(0.05)
        self._ranges(path)

    def _whole(self, path: str) -> None:
        self._send(200, self.files.content[path], Content_Type=self.files.types[path])

    def _more(self, path: str) -> None:
        """More comes than it says there is."""
        self._send(200, self.files.content[path], Content_Length="100")

    def _less(self, path: str) -> None:
        """It says that there is more than comes."""
        self._send(200, self.files.content[path], Content_Length="100000")

    def _lying(self, path: str) -> None:
        """A part with a total that is smaller than the part."""
        content = self.files.content[path]
        self._send(206, content, Content_Range=f"bytes 0-{len(content) - 1}/10")

    def _vague(self, path: str) -> None:
        self._send(206, self.files.content[path])

    def _hangs(self, _: str) -> None:
        self.files.ended.wait(10)

    def _trickle(self, _: str) -> None:
        """A byte now and then, for ever."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.files.ended.wait(0.02):
            self.wfile.write(b".")
            self.wfile.flush()

    def _endless(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.files.ended.is_set():
            self.wfile.write(bytes(1 << 16))
            self.files.sent += 1 << 16

    def _circle(self, path: str) -> None:
        self._send(302, b"", Location=f"/{path}x")

    def _to(self, path: str) -> None:
        self._send(307, b"", Location=path.partition("/")[2])


@contextmanager
def serving() -> Iterator[Files]:
    """A server of files on loopback."""
    files = Files()
    handler = type("Handler", (_Handler,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    files.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        files.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
