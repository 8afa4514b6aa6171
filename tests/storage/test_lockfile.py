"""The lock is readable, merges, and says where it is broken."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Output, Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.lockfile import (
    Lock,
    LockFile,
    failed_block,
    failed_record,
    made_block,
    made_record,
    parse,
    render_lock,
)

RECORD = Record(
    "kp1-p-1",
    "p",
    "c" * 64,
    1,
    1,
    "omni-video",
    "me",
    "succeed",
    address="video.a",
    task_id="88",
    units="1.8",
    created_at=5,
    outputs=(Output(1, path="out/video/a.mp4", sha256="ab" * 32, size=3, duration="5.041", id="9"),),
    source="lock",
)
BLOCK = made_block(RECORD, {"prompt": "12345678"})

names = st.from_regex(r"[a-z]+\.[a-z_]+(@[a-zäé0-9-]+)?(#[2-9])?(%[a-z]+)?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(names, st.tuples(texts, texts)))
def test_what_is_written_is_read_again(found):
    """Any text in any field that holds text, line separators of any script included."""
    failed = {name: BLOCK[name] for name in ("project", "key", "take", "attempt", "external_task_id")}
    blocks = {
        name: {**BLOCK, "failed": {**failed, "failure": "moderation", "message": one}, "of_a_newer_tool": two}
        for name, (one, two) in found.items()
    }
    text = render_lock(Lock(blocks))
    assert parse(text, "lock").blocks == blocks
    assert render_lock(parse(text, "lock")) == text


def test_a_lock_is_yaml_with_sorted_blocks():
    """So that every tool can read it, and two branches merge."""
    lock = Lock().with_blocks([("video.b@16x9#2", "draft", BLOCK), ("image.a", "", BLOCK)])
    read = yaml.safe_load(render_lock(lock))
    assert list(read) == ["version", "image.a", "video.b@16x9#2%draft"]
    assert read["image.a"]["outputs"] == [
        {"path": "out/video/a.mp4", "sha256": "ab" * 32, "size": 3, "duration": "5.041", "id": "9"}
    ]


def test_a_record_survives_the_lock():
    """Everything that reuse needs."""
    assert made_record(BLOCK, "video.a") == RECORD


def test_a_failure_stands_beside_what_was_made_before():
    """Making it clears the failure."""
    failed = replace(RECORD, state="failed", key="f" * 64, failure="moderation", message="no", outputs=())
    block = failed_block(failed, BLOCK)
    assert made_record(block, "video.a") == RECORD
    assert failed_record(block, "video.a").identity == failed.identity
    lock = Lock().with_blocks([("video.a", "", block)]).with_blocks([("video.a", "", BLOCK)])
    assert "failed" not in lock.blocks["video.a"]


def test_two_accounts_live_side_by_side():
    """Neither overwrites the other, each finds its own."""
    other = {**BLOCK, "account": "you"}
    lock = Lock().with_blocks([("video.a", "", BLOCK)]).with_blocks([("video.a", "", other)])
    assert set(lock.blocks) == {"video.a", "video.a!you"}
    assert lock.find("video.a", "", "me") == BLOCK
    assert lock.find("video.a", "", "you") == other
    assert lock.find("video.a", "", "nobody") is None
    assert set(lock.made("you")) == {RECORD.identity}
    assert parse(render_lock(lock), "lock") == lock


def test_the_last_attempt_counts():
    """Where two blocks show the same content."""
    second = made_block(replace(RECORD, attempt=2), {})
    lock = Lock().with_blocks([("video.a", "", BLOCK), ("video.b", "", second)])
    assert lock.made("me")[RECORD.identity].attempt == 2


def test_fields_of_a_newer_tool_are_kept():
    """Also when the block is written anew."""
    text = render_lock(Lock({"video.a": {**BLOCK, "colour": "blue"}}))
    lock = parse(text, "lock").with_blocks([("video.a", "", {**BLOCK, "units": "2"})])
    assert lock.blocks["video.a"]["colour"] == "blue"
    assert lock.blocks["video.a"]["units"] == "2"


GOOD = render_lock(Lock({"image.a": BLOCK, "image.b": BLOCK}))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GOOD.replace("image.b:", "<<<<<<< HEAD\nimage.b:"), 18, "merge conflict"),
        (GOOD.replace("image.b:", "image.a:"), 18, "second block"),
        (GOOD.replace("  take: 1", "  take: 1\n  take: 1", 1), 10, "twice"),
        (GOOD.replace("  take: 1", "  take: one", 1), 9, "not JSON"),
        (GOOD.replace("  take: 1", "take 1", 1), 9, "no part of a block"),
        ("<html>", 1, "no part of a block"),
    ],
)
def test_a_broken_lock_says_where(text, line, message):
    """File, line, what, and what to do."""
    with pytest.raises(LocalStateError, match=message) as caught:
        parse(text, "kling-pipe.lock")
    assert caught.value.message.startswith(f"kling-pipe.lock:{line} ")
    assert caught.value.hint


def test_a_block_without_its_key_is_refused():
    """Cut off in the middle."""
    with pytest.raises(LocalStateError, match=r"^lock:18 .*`image\.b` has no `attempt`"):
        parse(GOOD[: GOOD.rindex("  key")] + '  task_id: "1"\n', "lock")


def test_a_newer_lock_is_refused():
    """Before anything else is looked at."""
    with pytest.raises(LocalStateError, match="version 2"):
        parse(GOOD.replace("version: 1", "version: 2"), "lock")


def test_ten_thousand_blocks_are_read():
    """As they were written, in their order."""
    lock = Lock({f"video.a@{n:05}": BLOCK for n in range(10_000)})
    assert parse(render_lock(lock), "lock") == lock


class Alone:
    def __call__(self):
        return self

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


def test_the_file_is_written_only_when_it_changes_and_merged_with_what_others_wrote(tmp_path):
    """Another process may have added its blocks since we read."""
    seen = []

    class Watching(Effects):
        def observe(self, name, phase):
            seen.append(name)

    mine, theirs = (LockFile(tmp_path / "kling-pipe.lock", Watching(), Alone()) for _ in range(2))
    mine.update([("video.a", "", BLOCK)])
    theirs.update([("video.b", "", BLOCK)])
    mine.update([("video.c", "", BLOCK)])
    assert set(mine.read().blocks) == {"video.a", "video.b", "video.c"}
    count = len(seen)
    mine.update([("video.c", "", BLOCK)])
    assert len(seen) == count
    assert [one.name for one in tmp_path.iterdir()] == ["kling-pipe.lock"]


def test_windows_line_ends_are_read(tmp_path):
    """As git may check them out."""
    path = tmp_path / "kling-pipe.lock"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert LockFile(path, Effects(), Alone()).read() == parse(GOOD, "lock")
