"""A ledger moves from one place to another and back, and two of them become one, without a task getting lost."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program import call

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Output, Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import Learned, PostgresStore, SqliteStore
from kling_pipe.storage.ledger.export import give_out, take_in
from kling_pipe.storage.ledger.record_merge import TwoTasksError, merge_records
from kling_pipe.storage.ledger.rows import encoded
from kling_pipe.storage.ledger.tables import TABLES

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
numbers = st.integers(0, 10**18)
outputs = st.builds(
    Output, index=st.integers(1, 3), url=texts, url_at=numbers, sha256=st.sampled_from(["", "ab" * 32]), size=numbers
)
records = st.builds(
    Record,
    external_task_id=st.sampled_from(["kp1-p-1", "kp1-p-2", "kp1-p-2-a2"]),
    project=st.just("p"),
    key=st.just("c" * 64),
    take=st.just(1),
    attempt=st.just(1),
    operation=st.just("omni-image"),
    account=st.sampled_from(["me", "you"]),
    state=st.sampled_from(["intent", "submitted", "processing", "succeed", "failed"]),
    address=texts,
    task_id=st.sampled_from(["", "7"]),
    message=texts,
    failure=st.sampled_from(["", "moderation", "transient", "refused", "unknown"]),
    outputs=st.lists(outputs, max_size=3, unique_by=lambda one: one.index).map(
        lambda found: tuple(sorted(found, key=lambda one: one.index))
    ),
    units=st.sampled_from(["", "1.8"]),
    created_at=numbers,
    updated_at=numbers,
)
RECORD = Record("kp1-p-1", "p", "c" * 64, 1, 1, "omni-image", "me", "submitted", address="image.a", task_id="7")


@given(records, records, records)
def test_merging_is_a_matter_of_what_is_known_and_of_nothing_else(one, other, third) -> None:
    """Order, grouping and repetition change nothing; a task that one knows is known afterwards."""
    a, b, c = (replace(each, external_task_id="x", account="me") for each in (one, other, third))
    assert merge_records(a, b) == merge_records(b, a)
    assert merge_records(merge_records(a, b), c) == merge_records(a, merge_records(b, c))
    assert merge_records(a, a) == a
    assert merge_records(merge_records(a, b), b) == merge_records(a, b)
    assert merge_records(a, b).task_id == (a.task_id or b.task_id) or "succeed" in (a.state, b.state)
    saved = {output.index for each in (a, b) for output in each.outputs if output.sha256}
    assert {output.index for output in merge_records(a, b).outputs if output.sha256} == saved


def test_two_tasks_under_one_id_are_not_merged() -> None:
    with pytest.raises(TwoTasksError):
        merge_records(RECORD, replace(RECORD, task_id="8"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def place(request, tmp_path):
    """Makes empty ledgers of one sort."""
    stores = []

    def make(name: str):
        if request.param == "sqlite":
            stores.append(SqliteStore(tmp_path / f"{name}-{len(stores)}.sqlite", "me"))
        else:
            stores.append(PostgresStore(request.getfixturevalue("postgres").database(), "me"))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def exported(store) -> str:
    def write(tables) -> str:
        file = io.StringIO()
        give_out(tables, file)
        return file.getvalue()

    return store.whole(write, change=False)


def imported(store, text: str):
    return store.whole(lambda tables: take_in(tables, io.StringIO(text, newline="\n"), "a.jsonl"), change=True)


def filled(store, many) -> None:
    for record in many:
        store.put(record, unlocked=record.state == "succeed")
    store.learn({"omni-image": Learned(3, 1.5, 1.0, 2.25)})
    store.keep_limit("video", 5)


def emptied(*stores) -> None:
    def empty(tables) -> None:
        for name in ("records", "unlocked", "durations", "limits"):
            list(tables._execute(f"DELETE FROM {name} RETURNING 1", ()))

    for store in stores:
        store.whole(empty, change=True)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three ledgers that are emptied between examples: opening one costs more than an example."""
    folder = tmp_path_factory.mktemp("ledgers")
    stores = [SqliteStore(folder / f"{number}.sqlite", "me") for number in range(3)]
    yield stores
    for store in stores:
        store.close()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(records, max_size=5), st.lists(records, max_size=5))
def test_there_and_back_is_the_same_and_the_order_of_two_does_not_matter(three, ours, theirs) -> None:
    """Export and import is identity, twice is once, and of two ledgers either may come first."""
    emptied(*three)
    one, other, third = three
    filled(one, ours)
    filled(other, theirs)
    first, second = exported(one), exported(other)
    imported(third, first)
    assert exported(third) == first
    imported(third, first)
    assert exported(third) == first
    imported(third, second)
    imported(one, second)
    imported(other, first)
    assert exported(one) == exported(other) == exported(third)


def test_a_ledger_moves_between_machine_and_fleet(place, tmp_path) -> None:
    """Every field, ids of 18 digits included, of all accounts, with marks, durations and limits."""
    store, copy = place("one"), place("two")
    made = replace(
        RECORD,
        state="succeed",
        outputs=(Output(1, element_id=860000000000015839), Output(2, url="u", url_at=7, sha256="ab" * 32, size=3)),
        units="1.8",
        message="ключ \u2028 'quoted'",
    )
    filled(store, [made, replace(RECORD, account="somebody", external_task_id="kp1-p-9")])
    text = exported(store)
    assert str(imported(copy, text)) == "2 records: 2 new, 0 brought up to date, 0 known already"
    assert exported(copy) == text
    assert copy.get("kp1-p-1") == made
    assert (copy.unlocked(), copy.learned(), copy.limits()) == (store.unlocked(), store.learned(), store.limits())
    assert str(imported(copy, text)) == "2 records: 0 new, 0 brought up to date, 2 known already"

    home = SqliteStore(tmp_path / "home.sqlite", "me")
    imported(home, text)
    assert exported(home) == text
    home.close()


def test_what_conflicts_is_told_and_changes_nothing(place) -> None:
    """Both tasks are named, with what each is; the rows beside it stay out, too."""
    store, other = place("one"), place("two")
    filled(store, [RECORD])
    filled(other, [replace(RECORD, task_id="8", state="succeed"), replace(RECORD, external_task_id="kp1-p-2")])
    before = exported(store)
    with pytest.raises(LocalStateError) as caught:
        imported(store, exported(other))
    assert "kp1-p-1 (image.a): here task 7, submitted; in the file task 8, succeed" in caught.value.message
    assert exported(store) == before


def test_an_import_that_is_killed_has_brought_nothing_and_the_next_brings_all(tmp_path) -> None:
    """The last step is one commit: before it nothing is there, whatever was written."""

    class Killed(Effects):
        def observe(self, name: str, phase: str) -> None:
            if (name, phase) == ("commit", "before") and self.armed:
                raise RuntimeError

        armed = False

    effects, path = Killed(), tmp_path / "a.sqlite"
    store, other = SqliteStore(path, "me", effects=effects), SqliteStore(tmp_path / "b.sqlite", "me")
    other.whole(lambda tables: tables.put(TABLES["records"], thousand()), change=True)
    text = exported(other)
    effects.armed = True
    with pytest.raises(RuntimeError):
        imported(store, text)
    effects.armed = False
    assert len(store.records()) == 0
    assert imported(store, text).new == 1000
    assert exported(store) == text
    store.close()
    other.close()


def thousand():
    return (encoded(replace(RECORD, external_task_id=f"kp1-p-{number:04}")) for number in range(1000))


def tampered(text: str) -> dict[str, str]:
    lines = text.splitlines(keepends=True)
    header = json.loads(lines[0])
    return {
        "it ends early": "".join(lines[:-1]),
        "checksum": text.replace("image.a", "image.b"),
        "was cut": "".join([*lines[:1], *lines[2:]]),
        "behind the end": text + lines[1],
        "no JSON": text[:200],
        "no exported ledger": '{"format": "kling-pipe plan"}\n',
        "format 2.0": text.replace('"1.0"', '"2.0"', 1),
        "state is 'done'": text.replace('"submitted"', '"done"', 1),
        "take is '1'": text.replace('"take":1', '"take":"1"', 1),
        "no row of a ledger": "".join([lines[0], '{"record": {"account": "me"}}\n', *lines[1:]]),
        "of a rehearsal": json.dumps({**header, "emulated": True}) + "\n" + "".join(lines[1:]),
    }


@pytest.mark.parametrize(
    "said",
    [
        "it ends early",
        "checksum",
        "was cut",
        "behind the end",
        "no JSON",
        "no exported ledger",
        "format 2.0",
        "state is 'done'",
        "take is '1'",
        "no row of a ledger",
        "of a rehearsal",
    ],
)
def test_a_file_that_is_not_whole_changes_nothing(place, said) -> None:
    """Cut, edited, of another program or version: told with the line, and nothing of it is kept."""
    store, other = place("one"), place("two")
    filled(other, [RECORD, replace(RECORD, external_task_id="kp1-p-2")])
    with pytest.raises(LocalStateError, match=said):
        imported(store, tampered(exported(other))[said])
    assert store.records().all() == []


leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | texts | st.just([]) | st.just({}) | st.just([7])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_stands_in_a_row_it_is_taken_or_refused(three, data) -> None:
    """A line in which one thing is another one: told with its number, never with a traceback."""
    outputs = (Output(1, url="u", sha256="ab" * 32, size=3), Output(2))
    made = replace(RECORD, state="succeed", outputs=outputs, units="1")
    emptied(*three)
    filled(three[0], [made])
    lines = [json.loads(line) for line in exported(three[0]).splitlines()]
    row = data.draw(st.sampled_from(lines[1:-1]))
    place = row
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not place[key] or not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(leaves)
    text = "".join(json.dumps(line) + "\n" for line in lines[:-1])
    end = {"end": len(lines) - 2, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    with suppress(LocalStateError):
        imported(three[0], text + json.dumps(end) + "\n")


def test_the_verbs_move_a_rehearsal_and_refuse_what_is_wrong(tmp_path) -> None:
    """As a user would: export, import elsewhere, import again; another folder has no ledger to export."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    store = SqliteStore(one / ".kling-pipe" / "ledger.sqlite", "me")
    filled(store, [RECORD])
    store.close()

    done = call("ledger", "export", "../moved.jsonl", folder=one)
    assert (done.code, done.out) == (0, "../moved.jsonl: 1 record\n"), done
    done = call("ledger", "import", "../moved.jsonl", folder=other)
    assert done.out == "../moved.jsonl: 1 record: 1 new, 0 brought up to date, 0 known already\n", done
    assert call("ledger", "export", "../back.jsonl", folder=other).code == 0
    assert (tmp_path / "back.jsonl").read_bytes() == (tmp_path / "moved.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.jsonl", "moved.jsonl", "one", "other"]

    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\n")
    assert call("ledger", "import", "../bad.jsonl", folder=other).code == 74
    assert call("ledger", "import", "../moved.jsonl", "--emulator", folder=other).code == 74
    assert call("ledger", "export", "x.jsonl", folder=tmp_path).code == 74
    assert call("ledger", "export", "x.jsonl", "--store", "mysql://x", folder=one).code == 64
