"""A lock that came with a branch nobody trusts: every verb refuses it with the line, and not a byte changes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from scenario import CHAIN

VERBS = (
    ("pull",),
    ("plan",),
    ("run", "-y", "-q"),
    ("status",),
    ("sync",),
    ("report",),
    ("wait", "-q"),
    ("retry", "image.key", "-y", "-q"),
    ("promote", "-s", "video.film", "-y", "-q"),
    ("plan", "--refresh"),
    ("merge-lock", "kling-pipe.lock", "--into", "other.lock"),
)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that a person could miss: not the ledger's own, which is opened to be read."""
    return {
        str(one): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file() and not one.name.startswith("ledger.sqlite")
    }


def tampered(path: Path, pattern: str, by: str) -> int:
    """The lock with the first match replaced; returns its line."""
    text = path.read_text(encoding="utf-8")
    found = re.search(pattern, text)
    assert found is not None
    path.write_text(text[: found.start()] + by + text[found.end() :], encoding="utf-8")
    return text.count("\n", 0, found.start()) + 1


@pytest.mark.parametrize(
    ("pattern", "by"),
    [
        (r'"sha256": "[0-9a-f]{64}"', '"sha256": "../../../secret"'),
        (r'"path": "out/[^"]*"', '"path": "../secret"'),
        (r'"path": "out/[^"]*"', '"path": ".kling-pipe/ledger.sqlite"'),
        (r'operation: "[^"]*"', 'operation: "../../x"'),
        (r'external_task_id: "[^"]*"', 'external_task_id: ".."'),
        (r'\btask_id: "[^"]*"', 'task_id: ".."'),
        (r"attempt: 1", "attempt: 9223372036854775807"),
        (r"created_at: \d+", "created_at: 9223372036854775807"),
    ],
)
def test_every_verb_refuses_it_and_nothing_changes(chain, pattern, by):
    """Exit 74 with file and line; no file inside or outside is touched, nothing is sent."""
    chain.write(CHAIN + "profiles: { draft: { videos: { mode: std } } }\n").run()
    secret = chain.root.parent / "secret"
    secret.write_bytes(b"mine")
    line = tampered(chain.workspace.lock_path, pattern, by)
    shutil.rmtree(chain.root / "out")
    before, posts = tree(chain.root.parent), chain.posts

    for words in VERBS:
        done = chain.cli(*words)
        assert (words, done.returncode) == (words, 74), done.stderr
        assert f"kling-pipe.lock:{line} " in done.stderr
        assert "Traceback" not in done.stderr
        assert "allowed is" in done.stderr
    assert tree(chain.root.parent) == before
    assert chain.posts == posts
    chain.assert_paid_once(3)


def test_an_operation_that_nobody_knows_is_no_crash(chain):
    """It looks like a name, so a newer version may have written it: told, exit 74 or 1, no traceback."""
    chain.run()
    tampered(chain.workspace.lock_path, r'operation: "[^"]*"', 'operation: "of-tomorrow"')
    shutil.rmtree(chain.root / "out")
    for words in VERBS:
        done = chain.cli(*words)
        assert done.returncode != 70, (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_link_below_the_outputs_is_not_followed(chain):
    """A folder, a file, a shelf of objects, the contact sheet: each is told by name, and nothing outside changes."""
    chain.run()
    posts = chain.posts
    outside = chain.root.parent / "outside"
    (outside / "media").mkdir(parents=True)
    (outside / "film.mp4").write_bytes(b"mine")
    (outside / "media" / "x.png.1-abcdef-0.part").write_bytes(b"mine")
    digest = next(
        output["sha256"] for block in chain.blocks().values() for output in block["outputs"] if "path" in output
    )
    (outside / digest).write_bytes(b"mine")
    before = tree(outside)
    for place in ("out/image", "out/video/film.mp4", "out/contact-sheet", f".kling-pipe/objects/{digest[:2]}"):
        link = chain.root / place
        if link.is_dir():
            shutil.rmtree(link)
        link.unlink(missing_ok=True)
        link.symlink_to(outside / "film.mp4" if link.suffix == ".mp4" else outside)
        for verb in (("pull",), ("run", "-y", "-q"), ("report",)):
            done = chain.cli(*verb)
            assert "Traceback" not in done.stderr
            assert tree(outside) == before, verb
        assert f"{link}" in "".join(
            one for words in (("pull",), ("run", "-y", "-q"), ("report",)) for one in _said(chain, words)
        )
        link.unlink()
    shutil.rmtree(chain.root / ".kling-pipe" / "objects")
    shutil.rmtree(chain.root / "out")
    assert chain.run().failed == 0
    chain.assert_whole(3)
    assert chain.posts == posts


def test_the_folder_itself_may_be_a_link(chain, tmp_path):
    """Films on a large disk: somebody made that link on purpose."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (chain.root / "out").symlink_to(disk)
    assert chain.run().failed == 0
    chain.assert_whole(3)
    assert list(disk.rglob("*.mp4"))
    assert chain.run().reused == 3


def test_a_sidecar_is_believed_as_little(chain):
    """`explain` tells the line, deep JSON included; one odd sidecar keeps nobody from finding the others."""
    chain.run()
    film = chain.root / "out" / "video" / "film.mp4"
    sidecar = film.with_name("film.mp4.json")
    text = sidecar.read_text(encoding="utf-8")
    form = json.loads(text)
    for name, value in {"created_at": 1 << 70, "take": "1", "sha256": "../x", "operation": 5, "output": []}.items():
        sidecar.write_text(json.dumps({**form, name: value}, indent=2), encoding="utf-8")
        done = chain.cli("explain", str(film))
        assert done.returncode == 74, done.stderr
        lines = sidecar.read_text(encoding="utf-8").splitlines()
        number = next(number for number, one in enumerate(lines, 1) if f'"{name}"' in one)
        assert f"film.mp4.json:{number} has" in done.stderr
        assert chain.cli("explain", "image.key").returncode == 0
    sidecar.write_text('{"external_task_id": ' * 50_000, encoding="utf-8")
    assert chain.cli("explain", str(film)).returncode == 74
    sidecar.write_text(json.dumps({**form, "path": "../secret"}), encoding="utf-8")
    assert chain.cli("explain", str(film)).returncode == 74


def test_what_stands_in_the_way_is_kept_as_itself(chain):
    """A link to another result is replaced, and what it led to is kept as bytes, not as a link."""
    chain.run()
    film, other = chain.root / "out" / "video" / "film.mp4", chain.root / "out" / "video" / "other.mp4"
    other.write_bytes(b"another")
    film.unlink()
    film.symlink_to("other.mp4")
    assert chain.run().failed == 0
    chain.assert_whole(3)
    digest = hashlib.sha256(b"another").hexdigest()
    kept = chain.root / ".kling-pipe" / "objects" / digest[:2] / digest
    assert kept.is_file()
    assert not kept.is_symlink()


def _said(chain, words: tuple[str, ...]) -> tuple[str, str]:
    done = chain.cli(*words)
    return done.stdout, done.stderr
