"""Local films and large pictures: uploaded once under their checksum, handed to Kling by link, and never in a key."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from urllib.request import urlopen

import obstore
import pytest
from emulators import ended_in
from PIL import Image
from program import call
from s3server import bucket_server

from kling_pipe import api
from kling_pipe.emulator.testing import running
from kling_pipe.engine import Dependencies, Settings
from kling_pipe.errors import LocalStateError, ManifestInvalid, UsageError
from kling_pipe.media.mp4_header import film_facts
from kling_pipe.model import FileRef
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs import BucketLinkStore, Publish, link_store_name
from kling_pipe.storage.outputs.bucket import opened
from tests.media.test_mp4_header import film

PLACE = Publish("s3://inputs/kling")
MANIFEST = """\
version: 1
project: published
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: "1:1" }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: "16:9", duration: 3 }
videos:
  clip: clip.mp4
  ending: { continues: video.clip, prompt: the cup is empty }
"""


@pytest.fixture(scope="module")
def kling(tmp_path_factory):
    with (
        bucket_server("inputs"),
        running(tmp_path_factory.mktemp("kling"), media="tiny", task_seconds=0.02, latency=0) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A film that Kling would take: 3 s, 720 px."""
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", size=(1280, 720), frames=72).read_bytes()


@pytest.fixture
def root(kling, clip, tmp_path):
    """A campaign folder; the bucket is empty, and Kling remembers nothing."""
    for page in obstore.list(opened("s3://inputs")):
        obstore.delete(opened("s3://inputs"), [one["path"] for one in page])
    asked(kling, "POST", "/_emulator/reset")
    (tmp_path / "clip.mp4").write_bytes(clip)
    (tmp_path / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    return tmp_path


def workspace(root: Path, kling, place: Publish | None = PLACE):
    environ = {
        "KLING_BASE_URL": kling.base_url,
        "KLING_ACCESS_KEY": kling.access_key,
        "KLING_SECRET_KEY": kling.secret_key,
    }
    found = api.open_workspace(root / "kling-pipe.yaml", environ=environ)
    return found.publishing(place) if place else found


def run(root: Path, kling, place: Publish | None = PLACE, seams: Dependencies | None = None):
    where = workspace(root, kling, place)
    manifest = api.load(root / "kling-pipe.yaml", workspace=where)
    return api.run(api.plan(manifest, where, seams=seams), where, seams=seams, settings=Settings(settle=0.1))


def asked(kling, method: str, path: str):
    from urllib.request import Request

    with urlopen(Request(kling.base_url + path, method=method, data=b"" if method == "POST" else None)) as answer:
        return json.loads(answer.read() or b"null")


def bodies(kling) -> list[str]:
    """What Kling was sent, as it keeps it."""
    import sqlite3

    (file,) = Path(asked(kling, "GET", "/_emulator/health")["state"]).glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        return [str(row) for row in connection.execute("SELECT * FROM tasks")]


def keys() -> list[str]:
    return sorted(one["path"] for page in obstore.list(opened(PLACE.to)) for one in page)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Observed(Effects):
    """Notes every effect; `breaks` raises at one of them."""

    def __init__(self, breaks: str = "", error: Exception | None = None) -> None:
        self.seen: list[str] = []
        self._breaks, self._error = breaks, error or RuntimeError("stopped")

    def observe(self, name: str, phase: str) -> None:
        self.seen.append(f"{name} {phase}")
        if self.seen[-1] == self._breaks:
            self._breaks = ""
            raise self._error


def test_a_local_film_is_uploaded_and_kling_gets_a_link_that_works(root, kling, clip) -> None:
    """Under its checksum, before the create; the link leads to the very bytes, and stands in no file of ours."""
    effects = Observed()
    result = run(root, kling, seams=Dependencies(effects=effects))

    assert (result.made, result.failed) == (1, 0)
    assert keys() == [f"{digest(clip)}.mp4"]
    assert effects.seen.index("upload after") < effects.seen.index("send POST before")
    (body,) = bodies(kling)
    link = body[body.index("http://127.0.0.1") :].split('"')[0]
    assert f"/inputs/kling/{digest(clip)}.mp4?" in link
    with urlopen(link) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (clip, "video/mp4")
    for file in root.rglob("*"):
        assert not file.is_file() or b"X-Amz-" not in file.read_bytes(), file


def test_the_key_is_that_of_the_bytes_and_of_nothing_else(root, kling, clip) -> None:
    """Neither bucket, nor expiry, nor name, nor time changes it; one byte does."""

    def key(place: Publish) -> str:
        manifest = api.load(root / "kling-pipe.yaml", workspace=workspace(root, kling, place))
        return next(job.key for job in manifest.jobs if job.address == "video.ending")

    first = key(PLACE)
    assert key(Publish("gs://other/prefix", 60.0, 0)) == first
    (root / "clip.mp4").rename(root / "other.mov")
    (root / "kling-pipe.yaml").write_text(MANIFEST.replace("clip.mp4", "other.mov"), encoding="utf-8")
    os.utime(root / "other.mov", (1, 1))
    assert key(PLACE) == first
    (root / "other.mov").write_bytes(clip + b"\0\0\0\x08free")
    assert key(PLACE) != first


def test_a_changed_file_has_a_new_name_and_is_a_new_job(root, kling, clip) -> None:
    """What was uploaded before stays as it was, and what did not change is not uploaded again."""
    run(root, kling)
    effects = Observed()
    assert run(root, kling, seams=Dependencies(effects=effects)).made == 0
    changed = clip + b"\0\0\0\x08free"
    (root / "clip.mp4").write_bytes(changed)
    assert run(root, kling, seams=Dependencies(effects=effects)).made == 1

    assert effects.seen.count("upload before") == 1
    assert keys() == sorted([f"{digest(clip)}.mp4", f"{digest(changed)}.mp4"])


def test_a_hundred_jobs_upload_their_film_once(root, kling) -> None:
    """And each request has a link of its own."""
    films = "".join(f"  e{n}: {{ continues: video.clip, prompt: ending {n} }}\n" for n in range(100))
    (root / "kling-pipe.yaml").write_text(MANIFEST + films, encoding="utf-8")
    effects = Observed()
    result = run(root, kling, seams=Dependencies(effects=effects))

    assert (result.made, result.failed) == (101, 0)
    assert effects.seen.count("upload before") == 1
    assert len(keys()) == 1


def test_a_run_that_is_killed_between_upload_and_create_goes_on_without_either_twice(root, kling) -> None:
    """The file is there, the intent is not: the next run sends the create, and uploads nothing."""
    with pytest.raises(RuntimeError):
        run(root, kling, seams=Dependencies(effects=Observed("upload after")))
    assert len(keys()) == 1
    assert asked(kling, "GET", "/_emulator/ledger")["creates"] == {}

    effects = Observed()
    assert run(root, kling, seams=Dependencies(effects=effects)).made == 1
    assert "upload before" not in effects.seen
    assert list(asked(kling, "GET", "/_emulator/ledger")["creates"].values()) == [1]


def test_an_upload_that_fails_costs_nothing_and_is_told_with_the_next_step(root, kling) -> None:
    """No create was sent, and nothing is left to be looked up."""
    broken = Observed("upload before", OSError("the network is gone"))
    result = run(root, kling, seams=Dependencies(effects=broken))

    assert isinstance(result.error, LocalStateError)
    assert "s3://inputs/kling" in result.error.message
    assert "send POST before" not in broken.seen
    assert workspace(root, kling).store().records().all() == []
    assert run(root, kling).made == 1


def test_pictures_over_the_threshold_go_by_link_and_smaller_ones_inside(root, kling) -> None:
    Image.effect_noise((400, 400), 90).save(root / "large.png")
    Image.new("RGB", (400, 400), "teal").save(root / "small.png")
    text = MANIFEST.partition("videos:\n")[0] + "images:\n"
    text += "".join(f"  {name}_one: {{ prompt: again, references: [{name}.png] }}\n" for name in ("large", "small"))
    (root / "kling-pipe.yaml").write_text(text, encoding="utf-8")
    size = (root / "large.png").stat().st_size
    assert size > 100_000

    assert run(root, kling, Publish(PLACE.to, images_over=size)).made == 2
    assert keys() == []
    asked(kling, "POST", "/_emulator/reset")
    for gone in (root / ".kling-pipe").glob("ledger*"):
        gone.unlink()
    (root / "kling-pipe.lock").unlink()
    assert run(root, kling, Publish(PLACE.to, images_over=size - 1)).made == 2
    assert keys() == [f"{digest((root / 'large.png').read_bytes())}.png"]


@pytest.mark.parametrize("size", [100, 9_000_000])
def test_a_file_that_changes_while_it_is_uploaded_never_gets_the_name(root, size) -> None:
    """Small ones and those that go in parts: what a name promises are the bytes behind it."""
    shelf = BucketLinkStore(PLACE, Effects())
    path = root / "other.mp4"
    path.write_bytes(b"x" * size)
    name = f"{digest(b'y' * size)}.mp4"
    with pytest.raises(LocalStateError, match="changed"):
        shelf.put(name, path, digest(b"y" * size))
    assert not shelf.stands(name)

    name = f"{digest(b'x' * size)}.mp4"
    shelf.put(name, path, digest(b"x" * size))
    shelf.put(name, path, digest(b"x" * size))
    assert (shelf.stands(name), keys()) == (True, [name])
    with urlopen(shelf.link(name)) as answer:
        assert len(answer.read()) == size


@pytest.mark.parametrize(
    ("name", "kind", "content", "suffix"),
    [
        ("a.MP4", "video", b"", ".mp4"),
        ("a", "video", b"", ".mp4"),
        ("a", "image", b"\xff\xd8\xff\xe0", ".jpg"),
        ("a", "image", b"\x89PNG\r\n\x1a\n", ".png"),
        ("a.tmp", "audio", b"RIFF", ".wav"),
    ],
)
def test_a_name_tells_what_sort_of_file_it_is(tmp_path, name, kind, content, suffix) -> None:
    """Objects have no suffix of their own; Kling looks at it."""
    (tmp_path / name).write_bytes(content)
    assert link_store_name(FileRef(str(tmp_path / name), "0" * 64, 1, kind)) == "0" * 64 + suffix


def test_without_a_place_a_local_film_is_refused_with_the_ways_on(root, kling) -> None:
    with pytest.raises(ManifestInvalid) as caught:
        run(root, kling, place=None)
    (problem,) = caught.value.problems
    assert (problem.id, "[publish]" in problem.hint) == ("KP309", True)
    with pytest.raises(UsageError, match="no bucket"):
        workspace(root, kling, Publish("ftp://x"))


def test_what_is_wrong_with_a_film_is_said_before_anything_is_uploaded(root, kling) -> None:
    """Where it is used: what it may be depends on what it is for."""
    film(root / "clip.mp4", size=(64, 36), frames=24)
    with pytest.raises(ManifestInvalid) as caught:
        run(root, kling)
    assert {one.id for one in caught.value.problems} == {"KP330"}
    assert all(one.position and one.position.line == 8 for one in caught.value.problems)
    assert keys() == []


def test_a_plan_says_what_will_be_uploaded_and_uploads_nothing(root, kling) -> None:
    """Each file once, with its size; and nothing once it is made."""
    from kling_pipe.cli.publish_settings import uploads
    from kling_pipe.report.upload_text import uploads_form, uploads_text

    films = "".join(f"  e{n}: {{ continues: video.clip, prompt: ending {n} }}\n" for n in range(3))
    (root / "kling-pipe.yaml").write_text(MANIFEST + films, encoding="utf-8")
    where = workspace(root, kling)
    found = api.plan(api.load(root / "kling-pipe.yaml", workspace=where), where, refresh=False)
    told = uploads(found, where)
    size = (root / "clip.mp4").stat().st_size

    kilobytes = f"{round(size / 1000)} kB"
    assert uploads_text(*told) == (
        f"Uploads: 1 file, {kilobytes}, to s3://inputs/kling unless it has them already\n  ^ clip.mp4  {kilobytes}"
    )
    assert [(one["file"], one["bytes"], one["to"]) for one in uploads_form(*told)] == [
        ("clip.mp4", size, "s3://inputs/kling")
    ]
    assert keys() == []
    run(root, kling)
    again = api.plan(api.load(root / "kling-pipe.yaml", workspace=where), where, refresh=False)
    assert uploads_text(*uploads(again, where)) == ""


def test_a_link_that_kling_quotes_is_told_without_its_signature(root, kling) -> None:
    """In the ledger, and in what the run says."""
    rule = {
        "fault": "error",
        "code": 1201,
        "http": 400,
        "match": {"method": "POST"},
        "message": f"cannot read {SIGNED}",
    }
    put(kling, "/_emulator/faults", [rule])
    result = run(root, kling)
    (failed,) = [one for one in result.outcomes if one.ending == "failed"]
    assert "s3.example.com/clip.mp4" in failed.message
    assert "Signature" not in failed.message + str(workspace(root, kling).store().records().all())
    put(kling, "/_emulator/faults", [])


def test_an_old_film_without_a_url_goes_on_from_its_saved_file(root, kling) -> None:
    """Kling forgets a result after 30 days; what is saved here is published, and nothing is made again."""
    text = MANIFEST.replace("  clip: clip.mp4\n", "  clip: { prompt: steam rises }\n")
    (root / "kling-pipe.yaml").write_text(text.partition("  ending")[0], encoding="utf-8")
    assert run(root, kling).made == 1
    asked(kling, "POST", "/_emulator/reset")  # it is known here alone now
    lock = root / "kling-pipe.lock"
    for gone in (root / ".kling-pipe").glob("ledger*"):
        gone.unlink()
    (root / "kling-pipe.yaml").write_text(text, encoding="utf-8")
    result = run(root, kling)

    assert (result.made, result.reused, result.failed) == (1, 1, 0), [one.message for one in result.outcomes]
    (saved,) = (root / "out").glob("video/clip.mp4")
    assert keys() == [f"{digest(saved.read_bytes())}.mp4"]
    assert "X-Amz" not in lock.read_text(encoding="utf-8")


SIGNED = "https://s3.example.com/clip.mp4?X-Amz-Expires=60&X-Amz-Signature=0badc0de"


def put(kling, path: str, form) -> None:
    from urllib.request import Request

    request = Request(kling.base_url + path, method="PUT", data=json.dumps(form).encode())
    with urlopen(request):
        pass


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('to = "s3://b/x"\nexpires = "8d"', "7d at most"),
        ('to = "s3://b/x"\nexpires = "soon"', "no time"),
        ('too = "s3://b/x"', "Did you mean `to`"),
        ('expires = "1d"', "does not say where"),
        ("to = 3", "wants text"),
        ('to = "s3://b/x"\nimages_over_mb = true', "megabytes"),
        ('to = "ftp://b/x"', "no bucket"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_with_the_next_step(tmp_path, table, said) -> None:
    (tmp_path / "kling-pipe.toml").write_text(f"[publish]\n{table}\n", encoding="utf-8")
    (tmp_path / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    done = call("validate", folder=tmp_path)
    assert done.code == 64, done
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_rehearsal_needs_no_bucket_and_sees_the_film(kling, clip, tmp_path) -> None:
    """With `--emulator` the film is handed to the emulator, which knows how long it is; `[publish]` is left alone."""
    text = MANIFEST.replace("continues: video.clip", "edits: video.clip").replace("duration: 3", "duration: 5")
    (tmp_path / "kling-pipe.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "clip.mp4").write_bytes(clip)
    (tmp_path / "kling-pipe.toml").write_text('[publish]\nto = "s3://no-such-bucket/x"\n', encoding="utf-8")
    with ended_in(tmp_path):
        planned = call("plan", "--emulator", folder=tmp_path)
        assert "to the emulator" in planned.out, planned
        done = call("run", "--emulator", "-y", folder=tmp_path)
        assert (done.code, done.out.split(";")[0]) == (0, "1 made, 0 reused, 0 failed, 0 waiting"), done
        (made,) = (tmp_path / "out-emulator").rglob("ending.mp4")
        facts = film_facts(made)
        assert facts is not None
        assert (round(facts.seconds), facts.width, facts.height) == (3, 1280, 720)
        assert call("validate", folder=tmp_path).code == 0
    for file in tmp_path.rglob("*.json"):
        assert "signature=" not in file.read_text(encoding="utf-8", errors="replace"), file
