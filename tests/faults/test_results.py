"""Results that are hard to get: dead links, answers in doubt, other bytes; what is paid is fetched in the end."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace

import pytest
from scenario import HEAD, many, tally

from kling_pipe.storage.outputs.local import file_sha256

LOOKS = {"match": {"method": "GET", "path": "/v1/*"}}
UNKNOWN = {"fault": "error", "code": 1201, "message": "Task not found by id/external id: x", **LOOKS}
DEAD = {"fault": "expired_url"}
NO_FILE = {"fault": "error", "code": 1103, "http": 403, "match": {"path": "/media/*"}}
FILM = "videos: { film: { first_frame: image.kite, prompt: it flies } }\n"


def noted(stage) -> list[str]:
    """What a person was told beside the endings."""
    found = [event.data["reason"] for event in stage.events if event.type == "noted"]
    stage.events.clear()
    return found


def without_files(stage):
    """Results and objects are deleted; lock and ledger stay."""
    shutil.rmtree(stage.root / "out")
    shutil.rmtree(stage.root / ".kling-pipe" / "objects")
    return stage


def everything(stage) -> bytes:
    """All that lies in the campaign's folder, ledger and its journal included, but for the results themselves."""
    paths = [path for path in stage.root.rglob("*") if path.is_file() and path.suffix not in (".png", ".mp4")]
    return b"\n".join(path.read_bytes() for path in paths if "objects" not in path.parts)


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_dead_links_in_a_row_are_not_the_end_of_a_result(picture, times):
    """Each is followed by a fresh one, after a pause: made by one create."""
    picture.faults({**DEAD, "times": times})
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)
    picture.assert_whole(1)
    assert picture.posts == 1


def test_links_that_stay_dead_leave_the_job_to_the_next_run(picture):
    """75 with what is known, other jobs are made, and the next run fetches it without a create."""
    picture.write(many(3))
    first = next(iter(step.external_task_id for step in picture.plan().steps))
    picture.faults({**DEAD, "match": {"external_id": first}})
    result = picture.run()
    assert tally(result) == (2, 0, 0, 1)
    assert result.exit_code == 75
    told = next(one.message for one in result.outcomes if one.ending == "waiting")
    assert "HTTP 403 for its result, also for fresh links" in told

    picture.faults()
    assert tally(picture.run()) == (1, 2, 0, 0)
    picture.assert_paid_once(3)
    picture.assert_whole(3)
    assert picture.posts == 3


@pytest.mark.parametrize("http", [404, 410, 500, 302])
def test_a_file_that_its_host_does_not_give_is_that_jobs_trouble(picture, http):
    """Whatever its status: the other jobs are sent and made, and the next run fetches it."""
    picture.settings = replace(picture.settings, limits={"image": 1})
    picture.write(many(3))
    first = next(iter(step.external_task_id for step in picture.plan().steps))
    picture.faults({**NO_FILE, "http": http, "match": {"path": "/media/*", "external_id": first}})
    result = picture.run()
    assert (tally(result), result.exit_code) == ((2, 0, 0, 1), 75)
    picture.faults()
    assert tally(picture.run()) == (1, 2, 0, 0)
    picture.assert_paid_once(3)
    assert picture.posts == 3


@pytest.mark.parametrize("times", [1, 2])
def test_a_task_that_is_unknown_for_a_moment_is_waited_for(picture, times):
    """At any age: here every age is beyond the patience."""
    picture.settings = replace(picture.settings, patience=0.0)
    picture.faults({**UNKNOWN, "match": {**UNKNOWN["match"], "path": "/v1/images/omni-image/*"}, "times": times})
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)
    assert picture.posts == 1


def test_a_task_that_stays_unknown_keeps_its_id(picture):
    """Reported as not known, never posted again; when Kling knows it again the next run makes it."""
    picture.settings = replace(picture.settings, patience=0.2)
    picture.faults(UNKNOWN)
    result = picture.run(refresh=False)
    assert tally(result) == (0, 0, 1, 0)
    assert "has not known task" in result.outcomes[0].message
    assert tally(picture.run(refresh=False)) == (0, 0, 1, 0)
    assert picture.posts == 1

    picture.faults()
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)
    assert picture.posts == 1


def test_a_result_whose_task_is_unknown_for_a_moment_is_fetched(picture):
    """The link is dead and the first two questions for another meet 1201: fetched all the same."""
    picture.run()
    without_files(picture).faults({**UNKNOWN, "times": 2})
    assert tally(picture.run(refresh=False)) == (0, 1, 0, 0)
    picture.assert_whole(1)
    assert picture.posts == 1


@pytest.mark.parametrize("provenance", [True, False])
def test_a_file_in_other_bytes_is_kept_as_it_is_and_told_once(picture, provenance):
    """The lock says what is there now, and the runs after that have nothing to do or to say."""
    picture.settings = replace(picture.settings, provenance=provenance)
    picture.run()
    before = picture.blocks()["image.kite"]["outputs"][0]
    noted(picture)
    without_files(picture).faults({"fault": "encoded_anew"})
    assert tally(picture.run()) == (0, 1, 0, 0)
    after = picture.blocks()["image.kite"]["outputs"][0]
    assert after["sha256"] != before["sha256"]
    assert len(noted(picture)) == 1
    picture.assert_whole(1)

    requests = picture.ledger()["requests"]
    assert tally(picture.run()) == (0, 1, 0, 0)
    assert noted(picture) == []
    assert picture.ledger()["requests"] == requests
    picture.assert_paid_once(1)


def test_a_pull_that_gets_other_bytes_keeps_them_says_so_once_and_changes_no_lock(picture, tmp_path):
    """0, with a note at the first time alone; the file is kept under its own checksum."""
    picture.run()
    teammate = picture.elsewhere(tmp_path / "teammate")
    shutil.copy(picture.root / "kling-pipe.lock", teammate.root)
    teammate.faults({"fault": "encoded_anew"})
    lock = (teammate.root / "kling-pipe.lock").read_bytes()
    first = teammate.cli("pull")
    assert (first.returncode, first.stdout) == (0, "1 fetched, 0 here already, 0 failed\n"), first
    assert "another file now than was recorded" in first.stderr
    second = teammate.cli("pull")
    assert (second.returncode, second.stdout, second.stderr) == (0, "0 fetched, 1 here already, 0 failed\n", "")
    (teammate.root / "out" / "image" / "kite.png").unlink()
    third = teammate.cli("pull")
    assert (third.returncode, third.stderr) == (0, "")
    assert (teammate.root / "kling-pipe.lock").read_bytes() == lock
    kept = [path for path in (teammate.root / ".kling-pipe" / "objects").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == [file_sha256(kept[0])]
    assert teammate.posts == 1


def test_no_signature_of_a_link_lies_in_the_folder(picture):
    """Neither of what is saved nor of what is not saved yet; that is fetched by the next run without a create."""
    picture.write(HEAD + "images: { kite: { prompt: a red kite }, other: { prompt: a blue one } }\n")
    names = [step.external_task_id for step in picture.plan().steps]
    picture.faults({**NO_FILE, "match": {"path": "/media/*", "external_id": names[0]}})
    done = picture.cli("run", "-y", "--log-file", "log.jsonl")
    assert done.returncode == 75, done
    assert picture.cli("ledger", "export", "ledger.jsonl").returncode == 0
    for words in (everything(picture), done.stdout.encode(), done.stderr.encode()):
        assert b"signature=" not in words
        assert b"expires=" not in words
    assert b"/media/" in everything(picture)

    picture.faults()
    assert tally(picture.run()) == (1, 1, 0, 0)
    assert b"signature=" not in everything(picture)
    picture.assert_paid_once(2)
    assert picture.posts == 2


@pytest.mark.needs("postgres")
def test_no_signature_of_a_link_lies_in_the_database(picture, postgres):
    """The same for a store that a fleet shares: no column of any table has one."""
    import psycopg

    url = postgres.database()
    picture.write(many(2))
    names = [step.external_task_id for step in picture.plan().steps]
    picture.faults({**NO_FILE, "match": {"path": "/media/*", "external_id": names[0]}})
    assert picture.cli("run", "-y", "-q", "--store", url).returncode == 75
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT to_jsonb(r)::text FROM kling_pipe.records r").fetchall()
    assert len(rows) == 2
    assert all("signature=" not in row[0] for row in rows)
    assert any("/media/" in row[0] for row in rows)
    picture.faults()
    assert picture.cli("run", "-y", "-q", "--store", url).returncode == 0
    picture.assert_paid_once(2)
    picture.assert_whole(2)


def test_a_picture_of_an_earlier_run_is_handed_on_by_a_fresh_link(picture):
    """The ledger has none: the film is made by one create, with a link that works."""
    picture.run()
    picture.write((picture.root / "kling-pipe.yaml").read_text(encoding="utf-8") + FILM)
    before = picture.ledger()["requests"]["kinds"].get("get", 0)
    assert tally(picture.run()) == (1, 1, 0, 0)
    assert picture.ledger()["requests"]["kinds"]["get"] > before
    picture.assert_paid_once(2)


def test_what_an_older_version_kept_of_a_link_is_cut_when_it_is_read(picture):
    """A row with a whole link gives none, and is fetched by a fresh one."""
    picture.run()
    without_files(picture)
    ledger = picture.root / ".kling-pipe" / "ledger.sqlite"
    connection = sqlite3.connect(ledger)
    (text,) = connection.execute("SELECT outputs FROM records").fetchone()
    (form,) = json.loads(text)
    old = {**form, "url": f"{form['url']}?expires=1&signature=abc", "url_at": 9_999_999_999_999}
    connection.execute("UPDATE records SET outputs = ?", (json.dumps([old]),))
    connection.commit()
    connection.close()
    store = picture.workspace.store()
    (record,) = store.records().all()
    store.close()
    assert (record.outputs[0].url, record.outputs[0].url_at) == (form["url"], 0)
    assert tally(picture.run()) == (0, 1, 0, 0)
    assert b"signature=abc" not in everything(picture)
    assert picture.posts == 1


SPEECH = "audios: { line: { text: good morning, voice_id: oversea_male1, voice_language: en } }\n"


def test_a_link_that_cannot_be_asked_for_again_is_kept_until_its_file_is(picture):
    """An answer that comes at once has the only link: unsaved it is fetched later, saved it is cut."""
    picture.write(HEAD + SPEECH)
    picture.faults(NO_FILE)
    assert picture.run().exit_code in (69, 75)
    picture.faults()
    assert tally(picture.run()) == (1, 0, 0, 0)
    assert picture.posts == 1
    picture.assert_paid_once(1)
    store = picture.workspace.store()
    (record,) = store.records().all()
    store.close()
    assert "signature=" not in record.outputs[0].url
    assert b"signature=" not in everything(picture)


EVIL = (
    "Failure \x1b[31mred\x1b]0;title\x07\r\n::error file=x::owned\n##[group]x\u202e ##vso[task.setvariable]y\x00\x9b2J"
)


def test_words_of_the_vendor_are_shown_and_not_obeyed(picture):
    """On the terminal, in events, JUnit, Markdown, JSON, lock and ledger: no control characters, no commands of CI."""
    picture.faults({"fault": "task_failure", "message": EVIL})
    words = ("--progress", "plain", "--log-file", "log.jsonl", "--junit-into", "junit.xml")
    done = picture.cli("run", "-y", *words, environ={"GITHUB_STEP_SUMMARY": str(picture.root / "run.md")})
    assert done.returncode == 1, done
    files = [(picture.root / name).read_text(encoding="utf-8") for name in ("log.jsonl", "junit.xml", "run.md")]
    other = picture.cli("status", "--json")
    for text in (done.stdout, done.stderr, other.stdout, other.stderr, *files):
        assert all(line.isprintable() for line in text.splitlines())
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
        assert "##[" not in text
        assert "##vso[" not in text
        assert "\u202e" not in text
    assert "Failure red" in done.stderr
