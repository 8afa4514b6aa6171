"""The contact sheet in a real browser: filter, play, pick, keys, themes, accessibility, and a thousand jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.report.contact_sheet import Sheet, compared, written

sys.path.insert(0, str(Path(__file__).parent))

from browser import DESKTOP, PHONE, axe_findings, chromium, opened, until

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture(scope="module")
def address(campaign, tmp_path_factory) -> str:
    """The sheet as a folder on the disk, with a comparison in it."""
    now = campaign.sheet
    shots = (replace(now.cards[1].shots[0], text="another text"), *now.cards[1].shots[1:])
    before = Sheet(now.project, (replace(now.cards[1], key="then", shots=shots), *now.cards[2:]))
    posters = Thumbnails(campaign.workspace.state / "posters")
    target = tmp_path_factory.mktemp("browser")
    return written(now, target, posters, comparison=compared(before, now, "HEAD~1")).as_uri()


@pytest.fixture
def said() -> list[str]:
    """What the browser complained of."""
    return []


@pytest.fixture
def page(browser, address, said) -> Iterator[Any]:
    """The sheet, opened from the disk on a desktop. It must never complain, nor ask another host for anything."""
    yield from opened(browser, address, said)


def shown(page) -> list[str]:
    return page.eval_on_selector_all(".card:not([hidden])", "cards => cards.map(card => card.id)")


def choose(page, name: str, value: str, count: int) -> None:
    page.select_option(f'select[name="{name}"]', value)
    until(page, f"document.querySelectorAll('.card:not([hidden])').length === {count}")


def test_filters_narrow_the_gallery_and_live_in_the_address(page):
    """State, axis and text work together; the address of the page carries them to somebody else."""
    choose(page, "axis:market", "jp", 2)
    choose(page, "axis:ratio", "9:16", 1)
    assert shown(page) == ["video.teaser@jp-9x16"]
    link = page.url
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('.card[hidden]').length === 0")

    page.goto("about:blank")
    page.goto(link)
    assert shown(page) == ["video.teaser@jp-9x16"]


def test_text_finds_prompts_and_says_when_nothing_matches(page):
    """The search looks into prompts, and empty sections disappear."""
    page.fill("input[type=search]", "QUOTED field")
    until(page, "document.querySelectorAll('.card:not([hidden])').length === 2")
    assert page.locator(".recipe:visible").count() == 1

    page.fill("input[type=search]", "zebra")
    page.wait_for_selector(".none:visible")


def test_a_film_plays_where_it_stands_and_lights_up_its_shot(page):
    """A click on the poster plays the film; the shot that is playing is marked; a click on a shot goes there."""
    card = page.locator('[id="video.teaser@jp-16x9"]')
    card.locator("a.video").click()
    until(page, "document.querySelector('video')?.currentTime > 0")
    card.locator(".shots li").nth(1).click()

    until(page, "document.querySelector('video').currentTime >= 1")
    until(page, "document.querySelectorAll('.shots li.now').length === 1")
    assert "fades in" in card.locator(".shots li.now").inner_text()


def test_keys_walk_look_and_pick(page):
    """Without a mouse: to the key frames, look at the first take, and have the command that picks it."""
    choose(page, "kind", "image", 2)
    page.locator("h1").click()
    page.keyboard.press("j")
    page.keyboard.press("1")
    page.keyboard.press("p")

    toast = page.locator(".toast").inner_text()
    assert "kling-pipe pick 'image.keyframe@" in toast
    page.keyboard.press("?")
    assert page.locator("dialog.keys").is_visible()


def test_a_comparison_shows_both_sides_and_the_words_that_changed(page):
    """What changed since the other commit stands first."""
    change = page.locator(".change", has_text="changed").first

    assert change.locator(".difference del").first.inner_text() == "another"
    assert change.locator(".difference ins").count() >= 1
    assert page.locator("#changes .what.added").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_is_wrong_for_axe(page, scheme, size):
    """No finding of axe-core's rules, in both themes, wide and narrow; nothing sticks out sideways."""
    assert axe_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_is_whole_without_scripts(browser, address, said):
    """Every text and every picture is there, a film is a link to its file; filters that could do nothing are not."""
    for page in opened(browser, address, said, java_script_enabled=False):
        assert page.locator(".card").count() == 8
        assert "fades in" in page.locator("main").inner_text()
        assert page.locator("a.video").first.get_attribute("href").endswith(".mp4")
        assert not page.locator(".filters").is_visible()


def test_a_thousand_jobs_stay_smooth(browser, campaign, tmp_path, said):
    """A thousand cells load few files, and a filter touches each card once and lays the page out a few times."""
    now = campaign.sheet
    film = next(card for card in now.cards if card.state == "made")
    many = [replace(film, address=f"video.teaser@{n}", cell={"n": str(n), "half": str(n % 2)}) for n in range(1000)]
    posters = Thumbnails(campaign.workspace.state / "posters")
    address = written(replace(now, cards=tuple(many)), tmp_path, posters).as_uri()

    for page in opened(browser, address, said):
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        before = layouts(session)
        changed = page.evaluate("""() => new Promise(done => {
            const form = document.querySelector('.filters'), changes = [];
            new MutationObserver((found, watch) => {
                changes.push(...found.map(one => one.target.id));
                if (document.querySelectorAll('.card[hidden]').length < 500) return;
                watch.disconnect();
                requestAnimationFrame(() => requestAnimationFrame(() => done(changes)));
            }).observe(document.querySelector('main'), {subtree: true, attributeFilter: ['hidden']});
            form.elements['axis:half'].value = '1';
            form.dispatchEvent(new Event('input'));
        })""")
        assert len(changed) == len(set(changed))
        assert layouts(session) - before < 10
        loaded = page.evaluate("performance.getEntriesByType('resource').length")
        assert loaded < 100
    assert Path(tmp_path, "index.html").stat().st_size < 8_000_000


def layouts(session: Any) -> int:
    """How often the page was laid out since it was opened."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return int(next(one["value"] for one in metrics if one["name"] == "LayoutCount"))
