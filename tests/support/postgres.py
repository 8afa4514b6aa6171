"""A PostgreSQL of the tests' own: a fresh cluster on a private port, under an unprivileged user, gone at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

SETTINGS = "-c fsync=off -c full_page_writes=off -c max_connections=60 -c listen_addresses=127.0.0.1"


@dataclass
class Server:
    """A running server. `database` makes an empty database and gives its URL."""

    folder: Path
    port: int
    count: int = 0

    def start(self) -> None:
        options = f"{SETTINGS} -p {self.port} -k {self.folder}"
        as_user(program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-o", options, "-l", str(self.log), "start")

    def stop(self, mode: str = "immediate") -> None:
        as_user(program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def database(self) -> str:
        import psycopg

        self.count += 1
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test{self.count}")
        return self.url(f"test{self.count}")

    def dump(self, url: str, file: Path) -> None:
        as_user(program("pg_dump"), "-Fc", "-f", str(file), url)

    def restore(self, url: str, file: Path) -> None:
        """What a dump holds in place of what is there, under the feet of whoever is connected."""
        as_user(program("pg_restore"), "--clean", "--single-transaction", "-d", url, str(file))

    def url(self, name: str) -> str:
        return f"postgresql://kling@127.0.0.1:{self.port}/{name}"


@contextmanager
def running() -> Iterator[Server]:
    """A server as long as the block lasts."""
    folder = Path(mkdtemp(prefix="kling-pg"))
    if os.name == "posix" and os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(folder, free_port())
    try:
        as_user(program("initdb"), "-D", str(folder / "data"), "-U", "kling", "-A", "trust", "-E", "UTF8", "--no-sync")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(one) for one in sorted(Path("/").glob(f"usr/lib/postgresql/*/bin/{name}"))), ""
    )
    assert found, name
    return found


def as_user(*words: str) -> None:
    """Run a program of PostgreSQL, which refuses to work for root."""
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", timeout=60, **user)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
