"""A fleet in tests: how its workers are started, and what its board says."""

from __future__ import annotations

import time

WORKER = ("worker", "--takeover", "2", "--concurrency", "8")


def finished(url: str, count: int) -> bool:
    return rows(url, "SELECT count(*) FROM kling_pipe.steps WHERE state = 'done'") == [(count,)]


def change(url: str, query: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute(query)


def rows(url: str, query: str) -> list:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def until(holds, seconds: float = 30.0) -> None:
    ends_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
