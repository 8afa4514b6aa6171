"""Workers that reserve attempts at once never go over the budget together, and never pay for one attempt twice."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_pipe.effects import Effects
from kling_pipe.fleet.purse import reserved
from kling_pipe.ledger.session import Session

pytestmark = pytest.mark.needs("postgres")
ADDRESSES = ("image.a", "image.b", "image.c")


@pytest.fixture(scope="module")
def sessions(postgres):
    """Four workers' connections to one database."""
    url = postgres.database()
    found = [Session(url, Effects()) for _ in range(4)]
    yield found
    for session in found:
        session.close()


def campaign(session, purse: dict, usd: float | None = 0.5) -> None:
    """A campaign of three jobs whose attempts cost 2 image units each, of which the plan has spent 6."""
    planned = {"video": 0.0, "image": 6.0, "usd": 1.5}
    form = {"purse": {"planned": planned, "allow_unknown": False, **purse}} if purse else {}
    cost = {"cost": {"units": 2.0, "pack": "image", "usd": usd}}

    def action(cursor) -> None:
        cursor.execute("DELETE FROM campaigns")
        cursor.execute(
            "INSERT INTO campaigns (id, account, project, form) VALUES ('c', 'a', 'p', %s)", [json.dumps(form)]
        )
        for address in ADDRESSES:
            values = [address, json.dumps(cost)]
            cursor.execute("INSERT INTO steps VALUES ('c', %s, %s, 0, 'queued', 'x', '')", values)

    session.step(action)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 6),
    st.lists(st.tuples(st.sampled_from(ADDRESSES), st.integers(2, 4)), min_size=1, max_size=12),
)
def test_together_they_spend_what_the_budget_allows_and_no_more(sessions, extra, wanted) -> None:
    """Whoever asks, in whatever order, and however often for the same attempt."""
    campaign(sessions[0], {"budget": {"image": 6 + 2 * extra}})
    with ThreadPoolExecutor(len(sessions)) as pool:
        asked = [
            pool.submit(reserved, sessions[number % 4], "c", address, attempt)
            for number, (address, attempt) in enumerate(wanted)
        ]
        said = [one.result() for one in asked]
    granted = {one for one, why_not in zip(wanted, said, strict=True) if not why_not}
    assert len(granted) == min(extra, len(set(wanted)))
    for address, attempt in wanted:
        assert (reserved(sessions[0], "c", address, attempt) == "") == ((address, attempt) in granted)


def test_one_jobs_attempts_are_bounded_by_its_own_budget(sessions) -> None:
    """The first attempt counts."""
    campaign(sessions[0], {"budget": {"per_job": {"image": 6}}})
    said = Counter(bool(reserved(sessions[0], "c", "image.a", attempt)) for attempt in range(2, 6))
    assert said == {False: 2, True: 2}
    assert reserved(sessions[0], "c", "image.b", 2) == ""


def test_what_has_no_price_is_refused_where_there_is_a_budget(sessions) -> None:
    campaign(sessions[0], {"budget": {"usd": 100}}, usd=None)
    assert "price is not known" in reserved(sessions[0], "c", "image.a", 2)
    campaign(sessions[0], {"budget": {"usd": 100}, "allow_unknown": True}, usd=None)
    assert reserved(sessions[0], "c", "image.a", 2) == ""


def test_without_a_budget_nothing_is_bounded(sessions) -> None:
    campaign(sessions[0], {})
    assert [reserved(sessions[0], "c", "image.a", attempt) for attempt in range(2, 9)] == [""] * 7
