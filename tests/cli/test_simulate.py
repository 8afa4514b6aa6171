"""A campaign on paper, and a price table of one's own: told as a person sees it. Offline, in this process."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from kling_pipe.cli.main import cli
from kling_pipe.storage.ledger import Learned, SqliteStore

MANIFEST = """\
version: 1
project: paper
limits: { video: 4 }
budget: { usd: 3 }
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9, duration: 5 }
elements:
  hana:
    element_name: Hana
    element_description: A farmer
    reference_type: image_refer
    frontal: https://example.com/front.png
    views: [https://example.com/left.png]
images:
  key: { prompt: "{{ element.hana }} on a hill" }
videos:
  film: { first_frame: image.key, prompt: the mist lifts }
  clouds: { takes: 2, retries: 1, prompt: clouds }
"""
PRICES = "unit_usd: { video: 1.0 }\n"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the command line says in a campaign's folder: exit code, output, or the error."""
    (tmp_path / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    (tmp_path / "prices.yaml").write_text(PRICES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def tell(*words: str):
        done = CliRunner().invoke(cli, words)
        return done.exit_code, done.stdout if done.exception is None else str(done.exception)

    return tell


def test_a_campaign_many_times_over_on_two_accounts(told):
    """Time, what binds, who does what, the sum, and what is not known."""
    assert told("simulate", "--scale", "100", "--accounts", "2", "--slots", "image=9") == (
        0,
        """\
Simulated: 500 tasks (5 x 100) on 2 accounts, 5 runs
Time: about 57 min
Bound by: slots of video; with slots for all it would take about 2 min for element.hana > image.key > video.film
  account  pool     slots     in use  tasks  units  USD
  1        no pack  no limit          50     0      $0.00
  1        image    9         4 %     50     400    $1.40
  1        video    4         97 %    148    444    $62.16
  2        no pack  no limit          50     0      $0.00
  2        image    9         4 %     50     400    $1.40
  2        video    4         100 %   152    456    $63.84
Sum: 900 video units, 800 image units ($128.80)
Never seen here: 4 sorts of tasks, such as element reference_type=image_refer; usual times stand in
""",
    )


def test_what_was_learned_spreads_the_time_and_failures_cost_tries(told, tmp_path):
    """As JSON, the same for the same seed."""
    sort = "omni-video aspect_ratio=16:9 duration=5 mode=std model_name=kling-v3-omni sound=off"
    (tmp_path / ".kling-pipe").mkdir()
    store = SqliteStore(tmp_path / ".kling-pipe" / "ledger.sqlite", "me")
    store.learn({sort: Learned(9, 50.0, 40.0, 60.0)})
    store.close()
    words = ("simulate", "-s", "video.clouds*", "--scale", "500", "--failures", "0.1", "--runs", "9", "--json")
    told_once, told_twice = told(*words), told(*words)
    assert told_once == told_twice
    found = json.loads(told_once[1])
    assert (found["tasks"], found["accounts"], found["runs"], found["bound_by"]) == (1000, 1, 9, "video")
    assert found["unknown"] == {"prices": [], "times": []}
    assert 12_500 < found["seconds"]["p50"] < found["seconds"]["p90"] < 15_000
    assert 80 < found["retried"] < 120
    assert 2 < found["failed"] < 20
    assert found["shares"][0]["tasks"] == pytest.approx(1000 - found["failed"])
    assert found["critical_path"] == {"addresses": ["video.clouds"], "seconds": 50.0}
    assert found["totals"]["units"]["video"] == pytest.approx(3 * found["shares"][0]["tasks"])


def test_accounts_of_the_settings_have_slots_of_their_own(told, tmp_path):
    """By their names; `--slots` goes before both."""
    (tmp_path / "kling-pipe.toml").write_text(
        '[accounts.main]\napi_key_env = "MAIN_KEY"\nlimits = { video = 20 }\n'
        '[accounts.second]\napi_key_env = "SECOND_KEY"\n',
        encoding="utf-8",
    )
    slots = {}
    for words in ((), ("--slots", "video=7")):
        code, text = told("simulate", "-s", "video.clouds", "--json", *words)
        assert code == 0, text
        slots[words] = {one["account"]: one["slots"] for one in json.loads(text)["shares"]}
    assert list(slots.values()) == [{"main": 20, "second": 4}, {"main": 7, "second": 7}]


def test_a_job_that_asks_for_an_account_is_made_there(told, tmp_path):
    """And what it uses with it; accounts alike are nobody's in particular."""
    (tmp_path / "kling-pipe.toml").write_text(
        '[accounts.main]\napi_key_env = "MAIN_KEY"\n[accounts.second]\napi_key_env = "SECOND_KEY"\n', encoding="utf-8"
    )
    pinned = MANIFEST.replace("takes: 2, retries: 1,", "account: second, takes: 2, retries: 1,")
    (tmp_path / "kling-pipe.yaml").write_text(pinned, encoding="utf-8")
    made = {}
    for words in ((), ("--accounts", "2")):
        code, text = told("simulate", "-s", "video.clouds*", "--scale", "50", "--json", *words)
        assert code == 0, text
        made[words] = {one["account"]: one["tasks"] for one in json.loads(text)["shares"]}
    assert list(made.values()) == [{"main": 0, "second": 100}, {"1": 50, "2": 50}]


def test_what_uses_what_is_made_goes_where_that_is(told, tmp_path):
    """An element lives in one account: so does what is made of it, also on paper."""
    (tmp_path / "kling-pipe.toml").write_text(
        '[accounts.main]\napi_key_env = "MAIN_KEY"\n[accounts.second]\napi_key_env = "SECOND_KEY"\n', encoding="utf-8"
    )
    code, text = told("run", "--emulator", "-y", "-q", "--account", "second", "-s", "element.hana")
    assert code == 0, text
    found = json.loads(told("simulate", "--emulator", "-s", "image.key", "--scale", "9", "--json")[1])
    assert {one["account"]: one["tasks"] for one in found["shares"]} == {"main": 0, "second": 9}


def test_slots_that_one_account_alone_tells_bind_all(told, tmp_path):
    """The manifest says nothing of images: the other account has the usual ones, and neither is without bound."""
    (tmp_path / "kling-pipe.toml").write_text(
        '[accounts.main]\napi_key_env = "MAIN_KEY"\nlimits = { image = 20 }\n'
        '[accounts.second]\napi_key_env = "SECOND_KEY"\n',
        encoding="utf-8",
    )
    code, text = told("simulate", "--json", "--scale", "100")
    assert code == 0, text
    shares = [one for one in json.loads(text)["shares"] if str(one["pool"]).startswith("image")]
    assert [(one["account"], one["pool"], one["slots"]) for one in shares] == [
        ("main", "image", 20),
        ("second", "image", 9),
    ]
    assert all(one["tasks"] for one in shares)


def test_prices_of_ones_own_count_everywhere(told, tmp_path):
    """In the plan, at the budget's gate, in the simulation and in the sums; by flag or by the settings."""
    assert "($1.29)" in told("plan")[1]
    assert "($9.03)" in told("plan", "--price", "prices.yaml")[1]
    assert json.loads(told("simulate", "--price", "prices.yaml", "--json")[1])["totals"]["usd"] == 9.028
    code, why = told("run", "--emulator", "-y", "--price", "prices.yaml")
    assert (code, why) == (1, "over budget; nothing was sent")
    assert not (tmp_path / ".kling-pipe" / "emulator" / "ledger.sqlite").exists()
    (tmp_path / "kling-pipe.toml").write_text('price = "prices.yaml"\n', encoding="utf-8")
    assert "($9.03)" in told("plan")[1]
    assert "Prices as of prices.yaml" in told("cost")[1]
    assert json.loads(told("plan", "--json")[1])["time"]["learned"] is False


def test_what_is_made_takes_no_time_unless_it_counts_anew(told):
    """And what it took is known from then on."""
    code, text = told("run", "--emulator", "-y", "-q", "-s", "image.key", "-s", "element.hana")
    assert code == 0, text
    chosen = ("simulate", "--emulator", "-s", "image.key")
    assert told(*chosen) == (0, "Nothing to simulate: the plan sends nothing.\n")
    found = json.loads(told(*chosen, "--anew", "--json")[1])
    assert (found["tasks"], found["unknown"]["times"]) == (1, [])
    assert 0.3 < found["seconds"]["p50"] < 10


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--slots", "video=x"), "`--slots video=x` does not say how many slots there are"),
        (("--slots", "film=3"), "`--slots film=3` does not say how many slots there are"),
        (("--price", "gone.yaml"), "1 problem; nothing was sent"),
        (("--account", "other"), "there is no account `other`: kling-pipe.toml names none"),
    ],
)
def test_what_makes_no_sense_is_refused(told, words, why):
    """With what it should be."""
    assert told("simulate", *words) == (1, why)


def test_a_price_table_that_is_none_is_told_place_by_place(told, tmp_path):
    """All at once, with what is allowed."""
    (tmp_path / "prices.yaml").write_text(
        "unit_usd: { video: cheap }\nrows:\n  - { operations: [omni-vidoe], pack: film, per: second, units: 1 }\n"
        "  - { operations: [omni-video], pack: video, per: year, by: [mode], units: 1, when: { propertis: {} } }\n"
        "  - 7\nprice: 3\n",
        encoding="utf-8",
    )
    done = CliRunner().invoke(cli, ["plan", "--price", "prices.yaml"])
    assert [(one.id, one.position.line, one.message) for one in done.exception.problems] == [
        ("KP407", 6, "unknown word `price`: there are date, source, unit_usd, rows"),
        ("KP407", 1, "`cheap` is no price"),
        ("KP407", 3, "there is no operation `omni-vidoe`; did you mean `omni-video`?"),
        ("KP407", 3, "there is no pack `film`: it is video or image"),
        ("KP407", 4, "`per: year` is none of second, clip, image, call"),
        ("KP407", 4, "`units` is a number, or with `by` a mapping of that field's values to numbers"),
        ("KP407", 4, "`when` is no condition: `propertis` is not one of the keywords that a condition may use"),
        ("KP407", 5, "row 3 is no mapping"),
    ]


def test_nothing_to_send_is_nothing_to_simulate(told, tmp_path):
    """A manifest of what exists already."""
    manifest = "version: 1\nproject: paper\nimages: { logo: https://example.com/logo.png }\n"
    (tmp_path / "kling-pipe.yaml").write_text(manifest, encoding="utf-8")
    assert told("simulate") == (0, "Nothing to simulate: the plan sends nothing.\n")
