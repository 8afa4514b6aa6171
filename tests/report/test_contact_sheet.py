"""The contact sheet without a browser: its values, its text, its files."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.model import Cost
from kling_pipe.report.contact_sheet import Card, Picture, Reference, Sheet, Shot, Take, compared, written
from kling_pipe.report.contact_sheet.asset_urls import FolderAssets
from kling_pipe.report.contact_sheet.compare import difference
from kling_pipe.report.contact_sheet.page import environment, page
from kling_pipe.report.contact_sheet.timeline import sessions


class Reader(HTMLParser):
    """What a page refers to, which ids it has, and the text that it shows."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.names: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.links += [named[name] for name in ("href", "src", "poster") if named.get(name)]
        self.ids += [named["id"]] if "id" in named else []
        self.open.append(tag)
        self.names += [name for name, _ in attrs]

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


@pytest.fixture(scope="module")
def folder(campaign, tmp_path_factory):
    """The sheet as a folder."""
    target = tmp_path_factory.mktemp("sheet")
    written(campaign.sheet, target, Thumbnails(campaign.workspace.state / "posters"))
    return target


def test_every_link_of_the_page_leads_somewhere_inside(folder):
    """No other host is asked, no picture is missing, and every anchor exists."""
    reader = Reader((folder / "index.html").read_text(encoding="utf-8"))
    anchors = {link[1:] for link in reader.links if link.startswith("#")}
    files = {link for link in reader.links if not link.startswith(("#", "data:"))}

    assert anchors - set(reader.ids) == set()
    assert [name for name in files if not (folder / name).is_file()] == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {Path(name).suffix for name in files} == {".png", ".webp", ".mp4"} or {
        Path(n).parent.name for n in files
    } == {
        "media",
        "posters",
    }


def test_every_cell_has_its_place_and_its_text(campaign, folder):
    """What the campaign says can be read in the page without any script."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    reader = Reader(page)

    for card in campaign.sheet.cards:
        assert card.address in reader.ids
    assert 'in a field <b>&amp;</b> "quoted"' in reader.text
    assert "<b>&amp;amp;" not in page.replace("&lt;b&gt;", "")
    assert "1–3 s" in reader.text
    assert "image 2" in reader.text


def test_what_failed_stands_first_with_its_place_and_reason(campaign, folder):
    """A reader finds the failure, why, and the line in the manifest."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    line = campaign.path.read_text(encoding="utf-8").split("  refused:")[0].count("\n") + 1
    failures = page[page.index('id="failures"') : page.index('id="gallery"')]

    assert "video.refused" in failures
    assert "risk control" in failures
    assert f"kling-pipe.yaml:{line}" in failures


def test_the_picked_take_is_marked(campaign, folder):
    """`pick: 2` shows on the second take of every cell and nowhere else."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    takes = re.findall(r'<figure class="take( picked)?" data-take="(\d)" data-address="image.keyframe@', page)

    assert sorted(takes) == [("", "1"), ("", "1"), (" picked", "2"), (" picked", "2")]


def test_units_are_charged_units_and_packs_stay_apart(campaign, folder):
    """The head says what Kling charged, per pack, beside what was estimated."""
    charged = {"video": 0.0, "image": 0.0}
    for take in campaign.sheet.takes:
        if take.estimated.pack:
            charged[take.estimated.pack] += take.charged or 0.0
    text = Reader((folder / "index.html").read_text(encoding="utf-8")).text

    assert f"{charged['video']:g} of" in text
    assert f"{charged['image']:g} of" in text


def test_one_file_holds_everything(campaign, tmp_path):
    """The single file refers to nothing beside it."""
    target = tmp_path / "sheet.html"
    written(campaign.sheet, target, Thumbnails(campaign.workspace.state / "posters"), single=True)
    reader = Reader(target.read_text(encoding="utf-8"))

    assert [link[:30] for link in reader.links if not link.startswith(("#", "data:"))] == []
    assert list(tmp_path.iterdir()) == [target]


def test_a_sheet_is_written_again_over_itself(campaign, tmp_path):
    """A second report into the same folder changes nothing but the page."""
    posters = Thumbnails(campaign.workspace.state / "posters")
    written(campaign.sheet, tmp_path, posters)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.name != "index.html"}
    written(campaign.sheet, tmp_path, posters)

    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.name != "index.html"}


def test_a_sheet_compared_with_itself_has_no_changes(campaign):
    """Comparing is quiet where there is nothing to say."""
    comparison = compared(campaign.sheet, campaign.sheet, "HEAD")

    assert comparison.changes == ()
    assert comparison.same == len(campaign.sheet.cards)


def test_a_change_an_addition_and_a_removal_are_told_apart(campaign):
    """Cells are matched by address and compared by what they ask for."""
    now = campaign.sheet
    first, second, *rest = now.cards
    before = Sheet(now.project, (replace(first, key="other"), *rest, replace(second, address="video.gone")))
    found = {change.address: change.what for change in compared(before, now, "HEAD").changes}

    assert found == {first.address: "changed", second.address: "added", "video.gone": "removed"}


@given(st.text(), st.text())
def test_a_difference_holds_both_texts(before, now):
    """What stood there and what does now make the two texts again, word by word."""
    pairs = list(difference(before, now))

    assert "".join(old for old, _ in pairs) == before
    assert "".join(new for _, new in pairs) == now


def saying(words: str) -> str:
    """A page that says these words wherever a manifest, a file name, a person or Kling can put some."""
    picture = Picture(Path(f"film.{words}"), "0" * 64, "video")
    times = {"created_at": 1, "updated_at": 2000}
    takes = tuple(
        Take(f"video.{words}#{n}", n, state, (words, words), Cost(1.0, "video", 0.1), 1.0, pictures, words, words,
             account=words, **times)
        for n, (state, pictures) in enumerate([("made", (picture,)), ("failed", ())], start=1)
    )  # fmt: skip
    facts = (("model_name", words), (words, words))
    shots = (Shot(f"<<<image_1>>> {words}", 1.0), Shot(words, 2.0))
    inputs = (Reference(words, words, words, picture), Reference("", words))
    film = Card(f"video.{words}", "video", f"video.{words}", {words: words}, takes, 1, (words, "tag"), shots, inputs,
                facts, (), f"{words}.yaml:1", "k")  # fmt: skip
    still = replace(film, address="image.still", kind="image", recipe="image.still", cell={}, shots=(), takes=takes[:1],
                    tags=(), needs=(film.address,))  # fmt: skip
    then = replace(film, shots=(Shot(f"once {words}"),), facts=(("model_name", f"old {words}"),), key="then")
    now = Sheet(words, (film, still), words, True, 1.0, words, price_date=words)
    return page(now, FolderAssets({}), compared(Sheet(words, (then,)), now, words))


PLAIN = Reader(saying("a plain z"))


@pytest.mark.parametrize(
    "words",
    [
        "a <script>alert(1)</script> z",
        "a \" onclick=\"alert(1) ' onclick='alert(1) z",
        "a {{ 7 * 7 }}{% include 'page.html.jinja' %}{# gone #} z",
        "a </title></style></p><!-- z",
        "a &lt;b&gt; &amp; z",
    ],
)
def test_hostile_text_is_inert(words):
    """Prompts, names of files and what Kling says are text, in elements and in attributes: no tag, no template."""
    reader = Reader(saying(words))

    assert reader.open == PLAIN.open
    assert reader.names == PLAIN.names
    assert reader.text.count(words) > 50
    assert f"video.{words}" in reader.ids


@given(st.text().filter(lambda text: "<<<" not in text))
def test_no_text_becomes_markup(text):
    """Whatever a manifest says, the page has the same elements with the same attributes."""
    reader = Reader(saying(f"a {text} z"))

    assert (reader.open, reader.names) == (PLAIN.open, PLAIN.names)


def test_a_template_has_no_name_that_nobody_gave():
    """A mistake in a template is an error, not a hole in the page."""
    with pytest.raises(UndefinedError):
        environment().from_string("{{ sheet.project }}").render()


def test_a_long_pause_begins_a_new_session(campaign):
    """The time line shows sittings, not the nights between them."""
    takes = [take for take in campaign.sheet.takes if take.updated_at]
    later = [replace(take, created_at=take.created_at + 10**8, updated_at=take.updated_at + 10**8) for take in takes]

    assert [len(one.tasks) for one in sessions([*later, *takes])] == [len(takes), len(takes)]


def test_a_file_that_is_no_picture_has_no_poster(tmp_path):
    """The page does without, rather than not be made."""
    (tmp_path / "film.mp4").write_bytes(b"not a film")

    assert Thumbnails(tmp_path / "posters").of([("00", tmp_path / "film.mp4"), ("11", tmp_path / "gone.png")]) == {}
