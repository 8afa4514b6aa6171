"""Every paid file is kept once by its checksum, whatever happens to its names."""

import hashlib
import os

import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef, Output, OutputRef, Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs import LocalOutputs, output_path
from kling_pipe.storage.outputs.sidecar import plain


@pytest.fixture
def outputs(tmp_path):
    return LocalOutputs(tmp_path, tmp_path / "state" / "objects", Effects())


def kept(outputs, content):
    with outputs.incoming() as incoming:
        incoming.write(content)
        return outputs.keep(incoming)


def leftovers(tmp_path):
    return list(tmp_path.rglob("*.part"))


def test_a_result_is_an_object_under_its_checksum(outputs, tmp_path):
    """And leaves nothing else behind."""
    stored = kept(outputs, b"film")
    assert stored.sha256 == hashlib.sha256(b"film").hexdigest()
    assert outputs.object_path(stored.sha256).read_bytes() == b"film"
    assert outputs.has(stored.sha256, 4)
    assert not outputs.has(stored.sha256, 5)
    assert leftovers(tmp_path) == []
    assert kept(outputs, b"film") == stored


def test_a_result_that_breaks_off_leaves_nothing(outputs, tmp_path):
    """Not even when the caller fails."""

    def break_off():
        with outputs.incoming() as incoming:
            incoming.write(b"half a fi")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert leftovers(tmp_path) == []
    assert [path for path in outputs.objects.rglob("*") if path.is_file()] == []


def test_a_name_is_given_and_the_file_that_stood_there_is_kept(outputs, tmp_path):
    """Twice in a row, and again when it is there already."""
    one, two = kept(outputs, b"one"), kept(outputs, b"two")
    for stored, content in ((one, b"one"), (two, b"two"), (two, b"two"), (one, b"one")):
        outputs.place(stored.sha256, "out/video/a.mp4")
        assert (tmp_path / "out/video/a.mp4").read_bytes() == content
    (tmp_path / "out/video/a.mp4").unlink()
    (tmp_path / "out/video/a.mp4").write_bytes(b"mine")
    outputs.place(one.sha256, "out/video/a.mp4")
    assert outputs.object_path(hashlib.sha256(b"mine").hexdigest()).read_bytes() == b"mine"
    assert leftovers(tmp_path) == []


def test_names_are_copies_where_there_are_no_links(tmp_path):
    """Another disk, or a file system without them."""

    class NoLinks(Effects):
        def link(self, source, target):
            raise OSError("no links here")

    outputs = LocalOutputs(tmp_path, tmp_path / "objects", NoLinks())
    stored = kept(outputs, b"film")
    outputs.place(stored.sha256, "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"film"
    assert (tmp_path / "a.mp4").stat().st_ino != outputs.object_path(stored.sha256).stat().st_ino


def test_a_damaged_object_is_not_trusted(outputs):
    """Moved aside, so that the result is fetched again."""
    stored = kept(outputs, b"film")
    assert outputs.whole(stored.sha256)
    outputs.object_path(stored.sha256).write_bytes(b"f1lm")
    assert not outputs.whole(stored.sha256)
    assert not outputs.has(stored.sha256, 4)


def test_names_stay_inside_the_root(outputs):
    """Whatever a manifest or a lock says."""
    stored = kept(outputs, b"film")
    for name in ("../a.mp4", "out/../../a.mp4", "/tmp/a.mp4"):
        with pytest.raises(LocalStateError, match="outside"):
            outputs.place(stored.sha256, name)


@pytest.mark.parametrize("name", ["", "ab", "../../mine", "/etc/hosts", "AB" * 32, "ab/../../mine", f"{'ab' * 32}\n"])
def test_an_object_is_named_by_a_checksum_and_by_nothing_else(outputs, tmp_path, name):
    """So that no text from elsewhere becomes a path, to be read, moved aside or linked."""
    (tmp_path / "mine").write_bytes(b"mine")
    for use in (outputs.object_path, outputs.whole, lambda text: outputs.place(text, "out/a.mp4")):
        with pytest.raises(LocalStateError, match="is no checksum"):
            use(name)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["mine"]


@pytest.mark.parametrize("link", ["out/video", "out/video/a.mp4", "out/video/a.mp4.json"])
def test_a_link_that_leads_out_is_named_and_not_followed(outputs, tmp_path, link):
    """Neither to write nor to look; one that stays inside is followed."""
    stored = kept(outputs, b"film")
    outside = tmp_path / "mine"
    outside.mkdir()
    for name in ("a.mp4", "a.mp4.json"):
        (outside / name).write_bytes(b"mine")
    (tmp_path / link).parent.mkdir(parents=True)
    (tmp_path / link).symlink_to(outside if link == "out/video" else outside / link.rpartition("/")[2])
    name = "out/video/a.mp4"
    assert not outputs.stands(link if link != "out/video" else name, 4)
    with pytest.raises(LocalStateError, match=f"the link `{tmp_path / link}` leads out of `{tmp_path / 'out'}`"):
        _ = outputs.write(name, "{}") if not link.endswith(".json") else outputs.write(f"{name}.json", "{}")
    if not link.endswith(".json"):
        with pytest.raises(LocalStateError, match="leads out"):
            outputs.place(stored.sha256, name)
    assert {one.read_bytes() for one in outside.iterdir()} == {b"mine"}


def test_a_link_to_an_object_is_none(outputs, tmp_path):
    """A shelf or an object that is a link is not read, not moved aside, and replaced when the result comes."""
    stored = kept(outputs, b"film")
    path = outputs.object_path(stored.sha256)
    (tmp_path / "mine").write_bytes(b"mine")
    path.unlink()
    path.symlink_to(tmp_path / "mine")
    assert not outputs.has(stored.sha256, 4)
    with pytest.raises(LocalStateError, match="leads out"):
        outputs.whole(stored.sha256)
    kept(outputs, b"film")
    assert outputs.whole(stored.sha256)
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_full_disk_is_one_clear_error(tmp_path):
    """With the way on."""

    class Full(Effects):
        def fsync(self, file):
            raise OSError(28, "No space left on device")

    outputs = LocalOutputs(tmp_path, tmp_path / "objects", Full())
    with pytest.raises(LocalStateError, match="No space left") as caught:
        kept(outputs, b"film")
    assert "nothing is paid twice" in caught.value.hint
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "output", "expected"),
    [
        ("video/a", Output(1), "video/a.mp4"),
        ("video/a@jp-16x9.t2", Output(3), "video/a@jp-16x9.t2.3.mp4"),
        ("jp/teaser.mp4", Output(1), "jp/teaser.mp4"),
        ("jp/teaser.mp4", Output(2), "jp/teaser.2.mp4"),
        ("image/a", Output(1, url="https://x/y/z.JPG?sign=a.png"), "image/a.jpg"),
        ("image/a", Output(2, url="https://x/z.jpg", path="out/image/a.2.png"), "image/a.2.png"),
    ],
)
def test_names_follow_the_pattern(place, output, expected):
    """Place, output from the second on, suffix."""
    assert output_path(place, output, "mp4") == expected


def test_a_sidecar_request_has_references_and_hashes_in_place_of_content():
    """Never base64, never a full local path."""
    source = Record(
        "kp1-p-2", "p", "k", 1, 1, "element", "me", "succeed", task_id="7", outputs=(Output(1, element_id=5),)
    )
    request = {"a": [OutputRef("element.hana", "element")], "b": FileRef(os.sep + "home" + os.sep + "x.png", "ff", 3)}
    assert plain(request, {"element.hana": source}) == {
        "a": [{"$ref": "element.hana", "output": 1, "external_task_id": "kp1-p-2", "task_id": "7", "element_id": 5}],
        "b": {"file": "x.png", "sha256": "ff", "size": 3},
    }
