"""Results in a bucket: the same promises as in a folder, on a real S3 server's protocol."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import obstore
import pytest
from emulators import ended_in
from program import call
from s3server import bucket_server

from kling_pipe import api
from kling_pipe.errors import LocalStateError, UsageError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs import BucketOutputs, LocalOutputs
from kling_pipe.storage.outputs.bucket import opened

BASE = "s3://results/tea"
MANIFEST = """\
version: 1
project: bucket
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: "1:1" }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: "16:9", duration: 3 }
images: { kite: { prompt: a red kite } }
videos: { film: { first_frame: image.kite, prompt: it rises } }
"""


@pytest.fixture(scope="module")
def server():
    """An S3 with one empty bucket, `results`, named by the environment as for any program."""
    with bucket_server("results"), pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
def store(server, tmp_path):
    """Outputs in the bucket, which is emptied first."""
    for page in obstore.list(opened("s3://results")):
        obstore.delete(opened("s3://results"), [one["path"] for one in page])
    return another(tmp_path)


def another(folder: Path, effects: Effects | None = None) -> BucketOutputs:
    effects = effects or Effects()
    return BucketOutputs(BASE, LocalOutputs(folder, folder / "objects", effects), effects)


def kept(store: BucketOutputs, *chunks: bytes) -> str:
    with store.incoming() as incoming:
        for chunk in chunks:
            incoming.write(chunk)
        return store.keep(incoming).sha256


def keys() -> dict[str, bytes]:
    bucket = opened(BASE)
    return {
        one["path"]: bytes(obstore.get(bucket, one["path"]).bytes()) for page in obstore.list(bucket) for one in page
    }


@pytest.mark.parametrize("size", [5, 20_000_000])
def test_a_result_is_kept_once_by_checksum_and_named(store, tmp_path, size) -> None:
    """A small one goes out at once, a large one in parts; no upload is left behind."""
    data = b"x" * size
    sha256 = kept(store, *(data[at : at + 1_000_000] for at in range(0, size, 1_000_000)))
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert kept(store, data) == sha256
    store.place(sha256, f"{BASE}/video/film.mp4")

    fresh = another(tmp_path)
    assert keys() == {f".objects/{sha256[:2]}/{sha256}": data, "video/film.mp4": data}
    assert fresh.stands(f"{BASE}/video/film.mp4", size)
    assert not fresh.stands(f"{BASE}/video/film.mp4", size + 1)
    assert (fresh.has(sha256, size), fresh.whole(sha256), fresh.whole("0" * 64)) == (True, True, False)
    assert fresh.object_path(sha256).read_bytes() == data
    assert fresh.inside(f"{BASE}/video/film.mp4").read_bytes() == data


def test_a_remake_never_destroys_what_stood_at_the_name(store) -> None:
    """Not even a file that somebody put there by hand."""
    obstore.put(opened(BASE), "image/a.png", b"by hand")
    store.place(kept(store, b"one"), "image/a.png")
    store.place(kept(store, b"two"), "image/a.png")
    store.place(kept(store, b"two"), "image/a.png")

    found = keys()
    assert found["image/a.png"] == b"two"
    assert sorted(found.values()) == sorted([b"by hand", b"one", b"one", b"two", b"two"])


def test_an_upload_that_breaks_off_leaves_nothing(store) -> None:
    def breaks_off() -> None:
        with store.incoming() as incoming:
            incoming.write(b"x" * 9_000_000)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert keys() == {}


def test_what_a_local_run_recorded_has_the_same_place_in_the_bucket(store) -> None:
    """`pull --out s3://...` puts it where a run with `--out` would."""
    sha256 = kept(store, b"one")
    store.place(sha256, "out/image/a.png")
    store.place(sha256, f"{BASE}/out/b.png")
    assert sorted(keys()) == [f".objects/{sha256[:2]}/{sha256}", "image/a.png", "out/b.png"]
    assert another(store.object_path(sha256).parent).stands(f"{BASE}/image/a.png", 3)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "s3://results/other/x", "a/../../b"])
def test_names_stay_below_the_base(store, name) -> None:
    with pytest.raises(LocalStateError, match="outside"):
        store.stands(name, 1)


def test_what_cannot_be_reached_is_said_with_the_next_step(server, tmp_path) -> None:
    """And `--out` refuses what is no bucket before anything is sent."""
    outputs = BucketOutputs("s3://nobodys", LocalOutputs(tmp_path, tmp_path, Effects()), Effects())
    with pytest.raises(LocalStateError, match="s3://nobodys") as caught:
        kept(outputs, b"x")
    assert "nothing is paid twice" in caught.value.hint
    workspace = api.open_workspace(tmp_path / "kling-pipe.yaml", environ={})
    with pytest.raises(UsageError, match="no bucket"):
        workspace.kept_in("ftp://somewhere/x")
    with pytest.raises(LocalStateError, match="in a bucket"):
        LocalOutputs(tmp_path, tmp_path, Effects()).inside(f"{BASE}/image/a.png")


@pytest.fixture
def campaign(tmp_path):
    """A folder whose emulator ends with the test."""
    root = tmp_path / "campaign"
    root.mkdir()
    with ended_in(root):
        yield root


def test_a_campaign_keeps_its_results_in_the_bucket(store, campaign) -> None:
    """Made, reused, fetched again after somebody emptied the bucket; the lock names the full places."""
    (campaign / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    run(campaign, "2 made, 0 reused")
    found = keys()
    assert json.loads(found["emulator/video/film.mp4.json"])["sha256"] == sha(found["emulator/video/film.mp4"])
    assert f"{BASE}/emulator/image/kite.png" in (campaign / ".kling-pipe/emulator/kling-pipe.lock").read_text()
    assert not (campaign / "out-emulator").exists()

    run(campaign, "0 made, 2 reused")
    obstore.delete(opened(BASE), [name for name in found if not name.endswith(".json")])
    run(campaign, "0 made, 2 reused")
    again = keys()
    assert sorted(again) == sorted(found)
    assert again["emulator/video/film.mp4"] == found["emulator/video/film.mp4"]


def test_the_contact_sheet_shows_what_is_in_the_bucket(store, campaign) -> None:
    """The report fetches what it draws; nothing needs to be pulled by hand."""
    (campaign / "kling-pipe.yaml").write_text(MANIFEST.partition("\nvideos: {")[0], encoding="utf-8")
    (campaign / "kling-pipe.toml").write_text(f'out = "{BASE}"\n')
    assert call("run", "--emulator", "-y", "-q", folder=campaign).out.startswith("1 made")

    done = call("report", "--emulator", "--single-file", folder=campaign)
    assert done.code == 0, done.err
    assert "data:image" in (campaign / "out-emulator" / "contact-sheet.html").read_text(encoding="utf-8")


def run(root: Path, said: str) -> None:
    done = call("run", "--emulator", "-y", "-q", "--out", BASE, folder=root)
    assert done.out.startswith(said), done


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
