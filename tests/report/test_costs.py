"""What a campaign costs, cut in every way that it can be cut."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from kling_pipe.model import Cost
from kling_pipe.report.costs import costs_json, costs_text, cuts, rows, surprises


def changed(sheet, **facts):
    """The sheet with other facts for the first take of its last made video."""
    card = next(one for one in sheet.cards if one.state == "made")
    other = replace(card, takes=(replace(card.takes[0], **facts), *card.takes[1:]))
    return replace(sheet, cards=tuple(other if one is card else one for one in sheet.cards)), card.takes[0]


def test_a_campaign_is_cut_by_its_own_axes(campaign):
    """Kind, model and tag always, then what its matrices name."""
    assert cuts(campaign.sheet) == ["kind", "model", "tag", "market", "ratio"]


def totals(sheet, by):
    """Units by pack, estimated and charged."""
    found = Counter()
    for row in rows(sheet, by):
        found.update({f"{row.pack} estimated": row.sum.estimated, f"{row.pack} charged": row.sum.charged})
    return dict(found)


@pytest.mark.parametrize("by", ["kind", "model", "market", "ratio"])
def test_every_cut_adds_up_to_the_same(campaign, by):
    """Whatever the groups, estimate and charge of each pack stay what they are."""
    assert totals(campaign.sheet, by) == pytest.approx(totals(campaign.sheet, "nothing"))


def test_nothing_is_surprising_where_kling_charges_what_was_estimated(campaign):
    """The emulator bills by the price table; what failed costs nothing and is no surprise."""
    assert surprises(campaign.sheet) == []


def test_another_charge_is_told(campaign):
    """The task, what was expected and what it became."""
    sheet, take = changed(campaign.sheet, charged=99.5)
    text = costs_text(sheet, "kind")

    assert f"charged 99.5 units for {take.address}, estimated were {take.estimated.units:g}" in text


def test_an_unknown_price_is_called_unknown(campaign):
    """It stands beside the sum of what is known, and is no zero."""
    sheet, _ = changed(campaign.sheet, estimated=Cost(None, "video", None, "no price is known"))

    assert "+ unknown" in costs_text(sheet, "kind")
    assert "1 of unknown cost" in costs_text(sheet, "kind")
    assert sum(row["unknown"] for row in json.loads(costs_json(sheet, "kind"))["rows"]) == 1
