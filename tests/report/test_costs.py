"""What a campaign costs, cut in every way that it can be cut."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from kling_pipe.catalog.operations import load_operation
from kling_pipe.catalog.pricing import estimate, prices
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


def test_a_price_file_corrects_the_table():
    """Its rows go first, its unit prices count, its date is told; what it does not name stays."""
    row = {"operations": ["omni-image"], "pack": "image", "per": "image", "units": 7}
    by = prices().corrected({"date": "2026-11-01", "unit_usd": {"image": 0.01}, "rows": [row]})
    picture = {"model_name": "kling-v3-omni", "prompt": "a kite"}
    film = {"model_name": "kling-v3-omni", "prompt": "a kite", "mode": "std", "duration": "5"}

    assert estimate(load_operation("omni-image"), picture, by=by) == Cost(7, "image", 0.07)
    assert estimate(load_operation("omni-video"), film, by=by) == estimate(load_operation("omni-video"), film)
    assert by.date == "2026-11-01"


def test_the_verb_takes_a_price_file(campaign, tmp_path):
    """The file's name is the date where it has none; a row without units is refused with its number."""
    from click.testing import CliRunner

    from kling_pipe.cli.main import cli

    file = tmp_path / "prices.yaml"
    file.write_text("unit_usd: {video: 1.0}\n", encoding="utf-8")
    words = ["cost", str(campaign.path), "--emulator", "--price", str(file)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "Prices as of prices.yaml." in done.output

    file.write_text("rows: [{operations: [omni-video]}]\n", encoding="utf-8")
    problems = CliRunner().invoke(cli, words).exception.problems
    assert problems[0].message == "row 1 has no `pack`"
