"""A lock that says what none may say is refused with its line, before anything is done with it."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Output, Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.lockfile import (
    Lock,
    failed_block,
    failed_record,
    made_block,
    made_record,
    merge_locks,
    parse,
    render_lock,
    split_name,
)
from kling_pipe.storage.outputs import LocalOutputs

DIGEST = "ab" * 32
OUTPUT = {"path": "out/video/a.mp4", "sha256": DIGEST, "size": 3, "duration": "5.041", "id": "9"}
FAILED = {
    "project": "p",
    "key": "d" * 64,
    "take": 1,
    "attempt": 1,
    "external_task_id": "kp1-p-2",
    "failure": "moderation",
    "message": "no",
}
BLOCK = {
    "account": "0123456789abcdef",
    "project": "p",
    "operation": "omni-video",
    "key": "c" * 64,
    "take": 1,
    "attempt": 1,
    "external_task_id": "kp1-p-1",
    "task_id": "88",
    "draft": "kp1-p-3",
    "created_at": 5,
    "units": "1.8",
    "outputs": [OUTPUT],
    "fields": {"prompt": "12345678"},
    "failed": FAILED,
}
LINES = [line.strip().partition(":")[0] for line in render_lock(Lock({"video.a": BLOCK})).splitlines()]


def lock_with(**changes: object) -> str:
    return render_lock(Lock({"video.a": {**BLOCK, **changes}}))


def output_with(**changes: object) -> str:
    return lock_with(outputs=[OUTPUT, {**OUTPUT, **changes}])


def test_what_is_written_is_allowed():
    """Also a block without files, paths of any script, spaces, dots, and keys in a bucket."""
    places = ("out/draft/video/茶@jp-16x9.t2.2.mp4", "out-emulator/a b/.c..d.png", "s3://films/tea/video/a.mp4", "")
    for place in places:
        assert parse(output_with(path=place), "lock").blocks["video.a"]["outputs"][1]["path"] == place
    parse(
        lock_with(outputs=[{"element_id": 860000000000015839, "id": "1"}], units="", task_id="", created_at=0), "lock"
    )


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("account", ["", "../x", "a/b", 7, None, "a\nb", ["a"]]),
        ("project", ["", "A", "a/b", "..", 1, "x" * 99]),
        ("operation", ["", "../omni-video", "omni/video", 5, "Omni", None]),
        ("key", ["", "c" * 63, "C" * 64, "../../" + "c" * 58, 4, None, f"{'c' * 64}\n"]),
        ("take", [0, -1, True, 1.0, "1", None, 1 << 70, 1 << 63]),
        ("attempt", [0, -1, False, 2.5, "2", [], 1 << 64, 10**18]),
        ("external_task_id", ["", "a/b", "a?b", "a b", "kp1\0", 3, None]),
        ("task_id", ["..", ".", "a\0", "a\n", 88, None, "\x1b[2J", "x" * 501]),
        ("draft", ["a/b", 1, None]),
        ("created_at", [-1, 1.5, "5", True, None, 1 << 63, 10**17]),
        ("units", ["one", 1.8, "-1", "nan", "1e9999", None]),
        ("outputs", [{}, "", None, 3, [[]], ["out/a.mp4"], [None]]),
        ("fields", [[], "", None, {"a": 1}, {"a": []}]),
        ("failed", [[], 1, "no", {"key": "d" * 64}, {**FAILED, "failure": "why"}, {**FAILED, "key": "../"}]),
    ],
)
def test_a_field_that_holds_something_else_is_refused(field, values):
    """With the line, what was found, what is allowed, and the way on."""
    for value in values:
        with pytest.raises(LocalStateError) as caught:
            parse(lock_with(**{field: value}), "kling-pipe.lock")
        assert caught.value.message.startswith(f"kling-pipe.lock:{LINES.index(field) + 1} has `")
        assert "of `video.a`; allowed is " in caught.value.message
        assert "nothing was changed" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (
            "path",
            [
                *("/etc/passwd", "../a.mp4", "out/../../a.mp4", "out/..", "out/../a", "out/.. /a", "out/./a", "out//a"),
                *(
                    "out",
                    "out/",
                    "a.mp4",
                    ".git/config",
                    "kling-pipe.yaml",
                    "output/a",
                    "Out/a",
                    ".kling-pipe/objects/a",
                ),
                *("C:\\a.mp4", "C:/a", "out\\..\\a", "out/a\\b", "out/a:b", "out/a\0", "out/a\nb", "//server/out/a"),
                *(
                    "file:///etc/passwd",
                    "http://x/out/a",
                    "s3://",
                    "s3://b",
                    "s3://b/../c",
                    "s3://b/a\0",
                    "s3://b/a\\b",
                ),
                *(7, None, True, [], {}, "out/" + "a" * 5000),
            ],
        ),
        ("sha256", ["ab", "AB" * 32, "../../outside/file", f"ab/../../{DIGEST}", 7, None, f"{DIGEST} ", f"{DIGEST}\n"]),
        ("size", [-1, 1.5, "3", True, None, 1 << 63]),
        ("duration", ["five", "inf", "1e400", 5, None]),
        ("id", [9, None, "\0", "..", ["9"]]),
        ("element_id", [-1, "5", 5.0, True, 1 << 63, None]),
    ],
)
def test_an_output_that_says_something_else_is_refused(field, values):
    """Checksums, places, numbers: what leads out of the outputs, and what is of another type."""
    for value in values:
        with pytest.raises(LocalStateError, match=r"^lock:16 has `.*` as `outputs\[2\]\." + field):
            parse(output_with(**{field: value}), "lock")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (lock_with().replace("video.a:", "video.\x1b[2Ja:"), 4),
        (lock_with().replace("video.a:", "../video.a:"), 4),
        (lock_with(other=0).replace("other: 0", "other: " + "[" * 100_000), 19),
        (lock_with(other=0).replace("other: 0", "other: " + "[" * 400 + "]" * 400), 19),
        (lock_with(other=0).replace("other: 0", "other: NaN"), 19),
        (lock_with(other=0).replace("other: 0", "other: [1e999]"), 19),
        (lock_with(other=0).replace("other: 0", 'other: {"a": "\\ud800"}'), 19),
        (lock_with(take=0).replace("take: 0", "take: " + "9" * 5000), 9),
    ],
)
def test_what_could_not_be_written_again_is_refused(text, line):
    """Names with control characters, depth, numbers that are none, halves of pairs."""
    with pytest.raises(LocalStateError, match=rf"^lock:{line} "):
        parse(text, "lock")


def test_what_kling_says_never_makes_a_lock_that_cannot_be_read():
    """Odd answers are left out of it; where a file is stands there all the same."""
    odd = Output(1, path="out/a.mp4", sha256=DIGEST, size=3, duration="long", id="\0", element_id=1 << 70)
    record = Record(
        *("kp1-p-1", "p", "c" * 64, 1, 1, "omni-video", "me", "succeed"),
        task_id="..",
        units="nan",
        created_at=1 << 70,
        outputs=(odd,),
    )
    failed = Record(
        *("kp1-p-1", "p", "c" * 64, 1, 1, "omni-video", "me", "failed"), failure="moderation", message="no\ud800"
    )
    text = render_lock(Lock({"video.a": made_block(record, {}), "video.b": failed_block(failed, None)}))

    found = parse(text, "lock").blocks
    assert found["video.a"]["outputs"] == [{"path": "out/a.mp4", "sha256": DIGEST, "size": 3}]
    assert found["video.b"]["failed"]["message"] == "no?"


texts = st.text(max_size=8) | st.sampled_from(
    [
        "../outside/kept",
        "out/../../outside/kept",
        "out/a.mp4",
        "out/link/a",
        DIGEST,
        "/",
        "..",
        "\0",
        "\ud800",
        "s3://b/a",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*OUTPUT, *FAILED, "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)
places = st.sampled_from([*BLOCK, "of a newer tool"]).map(lambda name: (name,)) | st.one_of(
    st.sampled_from([*OUTPUT, "index", "x"]).map(lambda name: ("outputs", 0, name)),
    st.sampled_from([*FAILED, "x"]).map(lambda name: ("failed", name)),
)


def tampered(changes: list[tuple[tuple[object, ...], object]]) -> str:
    block = json.loads(json.dumps(BLOCK))
    for (*way, last), value in changes:
        form = block
        for step in way:
            inside = step in form if isinstance(form, dict) else isinstance(form, list) and bool(form)
            form = form[step] if inside else {}
        if isinstance(form, dict):
            form[last] = value
    lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in block.items())
    return f"version: 1\n\nvideo.a:\n{lines}"


def tree(folder: Path) -> dict[str, object]:
    return {str(one): one.read_bytes() if one.is_file() else "" for one in sorted(folder.rglob("*"))}


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(places, values), min_size=1, max_size=3), st.booleans())
@example([(("outputs", 0, "sha256"), "../../../outside/kept")], False)
@example([(("outputs", 0, "path"), "out/link/kept")], True)
@example([(("outputs",), [])], False)
def test_whatever_a_lock_says_nothing_outside_changes(changes, linked):
    """Any JSON in any field: told with a line, or every operation stays inside the folder."""
    with tempfile.TemporaryDirectory() as name:
        root, outside = Path(name, "root"), Path(name, "outside")
        (root / "out").mkdir(parents=True)
        outside.mkdir()
        (outside / "kept").write_bytes(b"mine")
        if linked:
            (root / "out" / "link").symlink_to(outside)
        outputs = LocalOutputs(root, root / ".kling-pipe" / "objects", Effects())
        shelf = root / ".kling-pipe" / "objects" / DIGEST[:2]
        shelf.mkdir(parents=True)
        (shelf / DIGEST).write_bytes(b"damaged")
        before = tree(outside)

        lock, told = read(tampered(changes))
        assert lock is not None or told.startswith("lock:")
        if lock is None:
            return
        assert parse(render_lock(lock), "lock").blocks == lock.blocks
        assert parse(render_lock(merge_locks([lock, lock])), "lock") == merge_locks([lock])
        assert lock.find("video.a", "", str(lock.blocks["video.a"]["account"])) is not None
        for title, block in lock.blocks.items():
            failed_record(block, split_name(title)[0])
            if "outputs" in block:
                for output in made_record(block, split_name(title)[0]).outputs:
                    used(outputs, output)
        assert tree(outside) == before
        assert {one.name for one in Path(name).iterdir()} == {"root", "outside"}


def read(text: str) -> tuple[Lock | None, str]:
    """The lock, or what is told of it."""
    try:
        return parse(text, "lock"), ""
    except LocalStateError as error:
        return None, error.message


def used(outputs: LocalOutputs, output: Output) -> None:
    """What `pull` and `run` do with an output."""
    for step in (
        lambda: outputs.stands(output.path, output.size),
        lambda: outputs.has(output.sha256, output.size),
        lambda: outputs.whole(output.sha256),
        lambda: outputs.place(output.sha256, output.path),
        lambda: outputs.write(f"{output.path}.json", "{}"),
        lambda: outputs.object_path(output.sha256),
    ):
        with suppress(LocalStateError):
            step()
