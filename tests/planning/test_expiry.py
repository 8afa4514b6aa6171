"""Results that Kling takes for 30 days only, and links that run out, are told when the plan is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from kling_pipe.api import load
from kling_pipe.manifest import Manifest
from kling_pipe.model import Job, Output, Plan, Record
from kling_pipe.planning import Snapshot, make_plan
from kling_pipe.planning.expiry import expiry
from kling_pipe.storage.lockfile import Lock, block_name
from kling_pipe.storage.lockfile.blocks import made_block

DAY = 24 * 3600 * 1000
NOW = 1_790_000_000_000
FILM = "film: { api: text2video, model_name: kling-v1-6, mode: std, duration: 5, prompt: a river }"
MORE = "more: { api: video-extend, extends: video.film, prompt: on }"
AFTER = "after: { model_name: kling-v3-omni, continues: video.film, mode: std, prompt: more, aspect_ratio: 16:9 }"


def compiled(folder: Path, *entries: str, kind: str = "videos") -> Manifest:
    Image.new("RGB", (640, 360)).save(folder / "hana.png")
    path = folder / "kling-pipe.yaml"
    lines = "".join(f"  {entry}\n" for entry in entries)
    path.write_text(f"project: ages\n{kind}:\n{lines}", encoding="utf-8")
    return load(path)


def made(job: Job, days: float) -> Record:
    output = Output(1, id="840000000000000001", path="out/film.mp4", sha256="0" * 64, size=3)
    return Record(
        "kp1-ages-0", job.project, job.key, job.take, 1, job.operation, "us", "succeed", job.address,
        outputs=(output,), created_at=NOW - round(days * DAY),
    )  # fmt: skip


def planned(manifest: Manifest, days: float, address: str = "video.film", **seams: bool) -> Plan:
    jobs = [job for job in manifest.jobs if job.address == address]
    blocks = {block_name(job.address, account=""): made_block(made(job, days), {}) for job in jobs}
    snapshot = Snapshot(
        account="us",
        lock=Lock(blocks),
        stands=lambda _path, _size: True,
        kept=lambda _sha, _size: True,
        now=NOW,
        **seams,
    )
    return make_plan(manifest.jobs, snapshot)


def step(plan: Plan, address: str) -> tuple[str, str]:
    found = next(one for one in plan.steps if one.job.address == address)
    return found.action, found.reasons[0]


@pytest.mark.parametrize("entry", [MORE, AFTER])
@pytest.mark.parametrize(("days", "action"), [(1, "create"), (29.9, "create"), (30.1, "blocked"), (400, "blocked")])
def test_a_source_that_is_too_old_blocks_its_user(tmp_path: Path, entry: str, days: float, action: str) -> None:
    """By its id and by its URL: Kling keeps neither for longer."""
    manifest = compiled(tmp_path, FILM, entry)
    name = f"video.{entry.partition(':')[0]}"
    assert step(planned(manifest, days), name)[0] == action


def test_the_reason_names_both_places_the_age_and_the_way_out(tmp_path: Path) -> None:
    """Who is too old, where it is written, since when, for which field, and what to do."""
    _, reason = step(planned(compiled(tmp_path, FILM, MORE), 51), "video.more")
    assert "`video.film` (" in reason
    assert "kling-pipe.yaml:3:3)" in reason
    assert "2026-08-01, 51 days ago" in reason
    assert "kling-pipe.yaml:4:3) takes what is at most 30 days old" in reason
    assert "`video_id` (" in reason
    assert "--replace video.film remakes it" in reason


def test_what_is_made_anew_is_not_old(tmp_path: Path) -> None:
    """`--replace` is the way out."""
    manifest = compiled(tmp_path, FILM, MORE)
    (film,) = [job for job in manifest.jobs if job.address == "video.film"]
    block = made_block(made(film, 51), {})
    snapshot = Snapshot(
        account="us", lock=Lock({"video.film": block}), stands=lambda _path, _size: True, now=NOW
    )  # fmt: skip
    plan = make_plan(manifest.jobs, snapshot, replace_addresses=["video.film"])
    assert [one.action for one in plan.steps] == ["create", "create"]


def test_an_id_that_the_lock_knows_is_as_old_as_its_record(tmp_path: Path) -> None:
    """Written by hand, it is still the same result."""
    by_hand = "by_hand: { api: video-extend, video_id: '840000000000000001', prompt: on }"
    action, reason = step(planned(compiled(tmp_path, FILM, by_hand), 40), "video.by_hand")
    assert action == "blocked"
    assert "`840000000000000001` (" in reason
    assert "--replace video.film" in reason


def test_a_film_that_we_can_publish_ourselves_does_not_grow_old(tmp_path: Path) -> None:
    """The saved bytes go out by a link of ours; an id cannot."""
    plan = planned(compiled(tmp_path, FILM, MORE, AFTER), 40, publishes=True)
    assert step(plan, "video.after")[0] == "create"
    assert step(plan, "video.more")[0] == "blocked"


def test_pictures_and_elements_do_not_grow_old(tmp_path: Path) -> None:
    """A picture goes out as its saved bytes, an element stays in the library."""
    manifest = compiled(
        tmp_path,
        "frame: { model_name: kling-v3-omni, prompt: a cup }",
        "again: { model_name: kling-v3-omni, prompt: 'the {{ image.frame }} is empty' }",
        kind="images",
    )
    assert step(planned(manifest, 400, "image.frame"), "image.again")[0] == "create"


@pytest.mark.parametrize(("days", "words"), [(26.9, []), (28.5, ["1.5 days more"]), (29.5, ["12 hours more"])])
def test_what_will_soon_be_too_old_is_a_warning(tmp_path: Path, days: float, words: list[str]) -> None:
    """While there is still time to act."""
    plan = planned(compiled(tmp_path, FILM, MORE), days)
    assert [one.id for one in plan.warnings] == ["KP406"] * len(words)
    for warning, said in zip(plan.warnings, words, strict=True):
        assert said in warning.message
        assert warning.address == "video.more"
        assert warning.position


SIGNED = "https://a.example/x.mp4?X-Amz-Date=20260919T000000Z&X-Amz-Expires={}&X-Amz-Signature=secret"


@pytest.mark.parametrize(
    ("life", "action", "warned"), [(604800, "create", 0), (240000, "create", 1), (600, "blocked", 0)]
)
def test_a_link_that_ran_out_blocks_and_its_signature_stays_secret(
    tmp_path: Path, life: int, action: str, warned: int
) -> None:
    """Its own query says until when it is good."""
    entry = AFTER.replace("video.film", f'"{SIGNED.format(life)}"')
    plan = planned(compiled(tmp_path, FILM, entry), 1)
    found, reason = step(plan, "video.after")
    assert found == action
    assert len(plan.warnings) == warned
    assert "secret" not in repr(plan.warnings) + reason
    assert "ran out on 2026-09-19" in reason or action == "create"


@pytest.mark.parametrize(("query", "until"), [
    ("X-Amz-Date=20260102T030405Z&X-Amz-Expires=60&X-Amz-Signature=a", 1767323105000),
    ("X-Goog-Date=20260102T030405Z&X-Goog-Expires=60&X-Goog-Signature=a", 1767323105000),
    ("Expires=1767323105&OSSAccessKeyId=a&Signature=b", 1767323105000),
    ("issued=1&expires=1767323105000&signature=a", 1767323105000),
    ("sv=2024-01-01&se=2026-01-02T03:05:05Z&sig=a", 1767323105000),
    ("X-Amz-Date=soon&X-Amz-Expires=60", None),
    ("X-Amz-Date=20269999T030405Z&X-Amz-Expires=60", None),
    ("X-Amz-Date=20260102T030405Z&X-Amz-Expires=99999999", 1867323044000),
    ("expires=never", None),
    ("se=x", None),
    ("", None),
])  # fmt: skip
def test_signed_links_say_until_when_they_are_good(query: str, until: int | None) -> None:
    """In the ways of those who sign them."""
    assert expiry(f"https://a.example/x.mp4?{query}") == until
    assert expiry(f"not a link?{query}") is None
