"""Every fault alone: one picture, one fault, one run. What Kling counted afterwards stands in the table.

The table in `docs/guarantees.md` is this one; a test below keeps them the same.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from scenario import CHAIN, tally

from kling_pipe.engine import Dependencies

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guarantees.md"
POST = {"match": {"method": "POST"}, "times": 1}
GET = {"match": {"method": "GET", "path": "/v1/*"}}


@dataclass(frozen=True)
class Case:
    """A fault, and how many creates Kling saw and how many of them it refused because the id was taken."""

    name: str
    rules: tuple[dict, ...]
    posts: int
    refused: int = 0


def case(name, *rules, posts, refused=0):
    return Case(name, rules, posts, refused)


CASES = (
    case("answer lost, task created", {"fault": "answer_lost", **POST}, posts=1),
    case("reset before the request is read", {"fault": "reset_before", **POST}, posts=2),
    case("reset in the middle of the answer", {"fault": "reset_during", **POST}, posts=1),
    case("time-out, task created", {"fault": "timeout", "seconds": 0.6, "created": True, **POST}, posts=1),
    case("time-out, no task", {"fault": "timeout", "seconds": 0.6, "created": False, **POST}, posts=2),
    case("500 (5000), task created", {"fault": "internal_error", "created": True, **POST}, posts=1),
    case("500 (5000), no task", {"fault": "internal_error", "created": False, **POST}, posts=2),
    case("503 (5001), task created", {"fault": "unavailable", "created": True, **POST}, posts=1),
    case("503 (5001), no task", {"fault": "unavailable", "created": False, **POST}, posts=2),
    case("504 (5002), task created", {"fault": "internal_timeout", "created": True, **POST}, posts=1),
    case("504 (5002), no task", {"fault": "internal_timeout", "created": False, **POST}, posts=2),
    case("502 that is not JSON, task created", {"fault": "bad_gateway", "created": True, **POST}, posts=1),
    case("502 that is not JSON, no task", {"fault": "bad_gateway", "created": False, **POST}, posts=2),
    case("429 (1302), three times", {"fault": "rate_limited", **POST, "times": 3}, posts=4),
    case("200 with 1302, three times", {"fault": "rate_limited", "http": 200, **POST, "times": 3}, posts=4),
    case("429 (1303), twice", {"fault": "over_limit", **POST, "times": 2}, posts=3),
    case("200 with 1303, twice", {"fault": "over_limit", "http": 200, **POST, "times": 2}, posts=3),
    case("token expired at the POST", {"fault": "token_expired", **POST}, posts=2),
    case("token expired at a look", {"fault": "token_expired", **GET, "times": 1}, posts=1),
    case("looks lose their answers", {"fault": "answer_lost", **GET, "times": 3}, posts=1),
    case("looks meet 503", {"fault": "unavailable", **GET, "times": 3}, posts=1),
    case("looks meet 502 that is not JSON", {"fault": "bad_gateway", **GET, "times": 3}, posts=1),
    case("looks meet 1302", {"fault": "rate_limited", **GET, "times": 3}, posts=1),
    case("answer lost, and the looks after it too", {"fault": "answer_lost", "match": {"nth": [2, 3, 4]}}, posts=1),
    case("download cut off", {"fault": "truncated", "times": 2}, posts=1),
    case("download URL expired", {"fault": "expired_url", "times": 1}, posts=1),
    case("download reset", {"fault": "reset_before", "match": {"path": "/media/*"}, "times": 2}, posts=1),
    case("download meets 503", {"fault": "unavailable", "match": {"path": "/media/*"}, "times": 2}, posts=1),
    case("not yet visible, id refused", {"fault": "invisible", "seconds": 0.3}, posts=1),
    case("answer lost and not yet visible, within the settle time",
         {"fault": "answer_lost", **POST}, {"fault": "invisible", "seconds": 0.1, "refuse_duplicates": False}, posts=1),
    case("answer lost and not yet visible beyond it, id refused",
         {"fault": "answer_lost", **POST}, {"fault": "invisible", "seconds": 0.5}, posts=2, refused=1),
    case("the task takes long", {"fault": "slow", "seconds": 1}, posts=1),
)  # fmt: skip


WIRE = {"answer_lost", "reset_before", "reset_during", "timeout", "bad_gateway", "truncated", "expired_url"}
"""Faults that the HTTP library meets: these are tried with each of them, the others with the client's own choice."""


def carriers():
    """Every case with aiohttp, which is installed here, and those of the wire with httpx too."""
    for case in CASES:
        name = re.sub(r"\W+", "-", case.name)
        yield pytest.param(None, case, id=name)
        if any(rule["fault"] in WIRE for rule in case.rules):
            import httpx

            yield pytest.param(httpx, case, id=f"{name}-httpx")


@pytest.mark.parametrize(("http", "case"), list(carriers()))
def test_a_fault_ends_in_one_task_and_one_file(picture, http, case):
    """Made in this very run, created once, billed once, and the file is what Kling gave."""
    impatient = picture
    impatient.seams = replace(picture.seams, read_seconds=0.3, http=http)
    impatient.faults(*case.rules)
    result = impatient.run()
    ledger = impatient.ledger()

    assert tally(result) == (1, 0, 0, 0), [one.message for one in result.outcomes]
    assert impatient.assert_paid_once(1) == {"image": 8.0}
    assert impatient.posts == case.posts
    assert sum(ledger["duplicates_refused"].values()) == case.refused
    assert any(rule["fired"] for rule in ledger["rules"])
    impatient.assert_whole(1)
    assert tally(impatient.run()) == (0, 1, 0, 0)
    assert impatient.posts == case.posts


def test_the_page_shows_this_very_table():
    """Name, creates that arrived, refused ids: as above, in this order."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \| 1 \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(case.name, str(case.posts), str(case.refused)) for case in CASES]


def test_a_token_that_expires_in_the_middle_of_a_campaign_is_signed_anew(chain):
    """Six requests meet an expired token, each once, far apart for those beside them: three tasks and results."""
    chain.faults({"fault": "token_expired", "match": {"nth": [2, 7, 12, 17, 22, 27]}})
    assert tally(chain.run()) == (3, 0, 0, 0)
    chain.assert_paid_once(3)
    chain.assert_whole(3)


def test_a_token_that_is_refused_for_good_stops_the_run_and_loses_nothing(chain):
    """After the first create nothing is let in any more: exit 4; with good credentials the next run goes on."""
    chain.faults({"fault": "token_expired", "match": {"method": "POST", "path": "*/omni-image"}})
    result = chain.run()
    assert (result.exit_code, result.made, result.failed) == (4, 1, 2)
    assert chain.posts == 3
    chain.faults()
    assert tally(chain.run()) == (2, 1, 0, 0)
    chain.assert_paid_once(3)


def test_a_look_that_is_refused_leaves_the_task_as_under_way(picture):
    """Credentials withdrawn after the create: the job is not failed, its task is named, the next run takes it up."""
    picture.faults({"fault": "error", "code": 1002, "http": 401, "match": {"method": "GET", "path": "*/[0-9]*"}})
    result = picture.run()
    assert (result.exit_code, result.waiting, result.at_kling) == (4, 1, 1)
    picture.faults()
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)


def test_retry_after_is_heeded(picture):
    """A second asked for by Kling is waited before the next create (here in haste)."""
    waits = []

    async def noted(seconds):
        waits.append(seconds)
        await asyncio.sleep(0)

    picture.seams = Dependencies(sleep=noted)
    picture.faults({"fault": "rate_limited", "retry_after": 7, **POST})
    assert tally(picture.run()) == (1, 0, 0, 0)
    assert waits == [7.0]


def test_an_unreachable_kling_is_exit_69_and_the_next_run_goes_on(chain):
    """Patience ends, the state is kept, the next run looks first."""
    chain.faults({"fault": "reset_before", "match": {"method": "POST"}})
    result = chain.run(settings=replace(chain.settings, patience=0.5, settle=0.1))
    assert result.exit_code == 69
    chain.faults()
    assert tally(chain.run()) == (3, 0, 0, 0)
    chain.assert_paid_once(3)


def test_the_second_campaign_on_a_lagging_kling_waits_its_turn(chain):
    """Every task of a chain is invisible at first: each is found, none is made twice."""
    chain.write(CHAIN)
    chain.faults({"fault": "invisible", "seconds": 0.2}, {"fault": "answer_lost", "match": {"method": "POST"}})
    assert tally(chain.run()) == (3, 0, 0, 0)
    chain.assert_paid_once(3)
    chain.assert_whole(3)
