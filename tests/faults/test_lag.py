"""The honest limit: an answer is lost and the task is invisible for k settle times. The docs hold the table."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scenario import tally

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
SETTLE = 2.0

LAGS = (
    # k, the id is refused meanwhile, tasks made, made by the first run
    (0.5, True, 1, 1),
    (0.5, False, 1, 1),
    (0.8, True, 1, 1),
    (0.8, False, 1, 1),
    (1.5, True, 1, 1),
    (1.5, False, 2, 1),
    (3.0, True, 1, 1),
    (3.0, False, 2, 1),
    (6.0, True, 1, 0),
    (6.0, False, 2, 1),
)


@pytest.mark.parametrize(("k", "refused", "tasks", "made"), LAGS)
def test_a_second_task_needs_a_lag_longer_than_the_settle_time_and_a_kling_that_takes_ids_twice(
    picture, k, refused, tasks, made
):
    """Where ids are refused there is never a second task; at worst the next run adopts the first."""
    picture.faults(
        {"fault": "answer_lost", "match": {"method": "POST"}, "times": 1},
        {"fault": "invisible", "seconds": k * SETTLE, "refuse_duplicates": refused, "times": 1},
    )
    picture.settings = replace(picture.settings, settle=SETTLE)
    # What the client waits passes at Kling at once, what this machine is slow in hardly counts there.
    picture.clock(mode="scaled", rate=0.1)

    async def sleep(seconds):
        picture.clock(advance=seconds)
        await asyncio.sleep(0)

    picture.seams = replace(picture.seams, sleep=sleep)
    assert picture.run().made == made
    assert tally(picture.run())[2:] == (0, 0)
    assert list(picture.ledger()["creates"].values()) == [tasks]
    picture.assert_whole(1)


def test_the_page_shows_these_lags():
    """Duplicates by k, for both kinds of service."""
    rows = re.findall(r"^\| ([\d.]+) \| (\d) \| (\d) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    extra = {(k, refused): str(tasks - 1) for k, refused, tasks, _ in LAGS}

    assert rows == [(str(k), extra[k, True], extra[k, False]) for k in sorted({k for k, *_ in LAGS})]
