"""Accounts by name: what the settings may say, where jobs go, and that no secret is ever told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.client.credentials import AccessKey, ApiKey
from kling_pipe.core.keys import ExistingId
from kling_pipe.engine.account_settings import account_specs, checked_spread
from kling_pipe.engine.workspace import open_workspace
from kling_pipe.errors import CredentialsError, UsageError
from kling_pipe.model import Job, OutputRef, Record
from kling_pipe.planning import Account, Accounts, MultiAccount, Snapshot, make_plan
from kling_pipe.planning.account_ranking import FREE, ranked
from kling_pipe.storage.lockfile import Lock

A, B, C = Account("main", "aaaa"), Account("second", "bbbb"), Account("third", "cccc")
SECRET = "sk9fXq-77verysecret77"


# -- the settings ------------------------------------------------------------------------------------------------


def test_an_account_names_variables_and_nothing_else() -> None:
    """Either of the two forms; the credentials come from the environment, and only from there."""
    main, second = account_specs(
        {
            "main": {"api_key_env": "KLING_MAIN_KEY", "limits": {"video": 10}},
            "second": {"access_key_env": "A", "secret_key_env": "S", "base_url": "https://api-beijing.klingai.com"},
        }
    )
    assert (main.credentials({"KLING_MAIN_KEY": "x"}), main.credentials({})) == (ApiKey("x"), None)
    assert second.credentials({"A": "a", "S": "s"}) == AccessKey("a", "s")
    assert second.credentials({"A": "a"}) is None
    told = second.missing({"A": "a"})
    assert isinstance(told, CredentialsError)
    assert told.message == "account `second` has no credentials: `S` not set"
    assert main.limits == {"video": 10}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"main": {"api_key": SECRET}}, "account `main` has `api_key`: credentials do not belong into a file"),
        ({"main": {"secret": SECRET}}, "account `main` has `secret`: credentials do not belong into a file"),
        ({"main": {"api_key_env": SECRET}}, "account `main` `api_key_env` is no name of an environment variable"),
        ({"main": {"api_key_env": "A" * 32}}, "account `main` `api_key_env` is no name of an environment variable"),
        ({"main": {"api_key_env": 7}}, "account `main` `api_key_env` is no name of an environment variable"),
        ({"main": {"api_key_env": "K", "base_url": f"https://u:{SECRET}@host"}}, "`base_url` is no URL of a host"),
        ({"main": {"acess_key_env": "K"}}, "account `main` has `acess_key_env`"),
        ({"main": {"region": SECRET}}, "account `main` has an unknown setting `region`"),
        ({"main": {}}, "account `main` does not say where its credentials are"),
        ({"main": {"access_key_env": "A"}}, "account `main` does not say where its credentials are"),
        ({"main": {"api_key_env": "K", "access_key_env": "A", "secret_key_env": "S"}}, "does not say where"),
        ({"main": {"api_key_env": "K", "limits": {"video": 0}}}, "`limits` has no number of slots for `video`"),
        ({"main": SECRET}, "account `main` wants a table"),
        ({"Main": {"api_key_env": "K"}}, "account `Main` is no name for an account"),
    ],
)
def test_what_is_wrong_is_said_without_a_value(table, says: str) -> None:
    """Anything there may be a secret that somebody pasted."""
    with pytest.raises(UsageError) as caught:
        account_specs(table)
    assert says in caught.value.message
    assert caught.value.hint
    assert SECRET not in caught.value.message + caught.value.hint


def test_a_name_that_is_not_there_gets_the_nearest() -> None:
    """`--account mian`."""
    with pytest.raises(UsageError) as caught:
        account_specs({"main": {"api_key_env": "K"}}, ["mian"])
    assert (caught.value.message, caught.value.hint) == ("there is no account `mian`", "Did you mean `main`?")
    with pytest.raises(UsageError):
        checked_spread("evenly")


def test_two_names_of_one_account_are_refused(tmp_path) -> None:
    """It would be asked twice, and given twice the slots."""
    specs = account_specs({"main": {"api_key_env": "K"}, "second": {"api_key_env": "L"}})
    with pytest.raises(UsageError, match="the accounts `main` and `second` are one and the same"):
        open_workspace(tmp_path, environ={"K": "x", "L": "x"}, accounts=specs)
    assert len(open_workspace(tmp_path, environ={"K": "x", "L": "y"}, accounts=specs).each) == 2


# -- where jobs go -----------------------------------------------------------------------------------------------

names = st.text("0123456789abcdef", min_size=4, max_size=20)


@given(names, st.permutations([A, B, C]))
def test_the_home_of_a_job_does_not_depend_on_the_order(name: str, places: list[Account]) -> None:
    """So two machines whose settings name the accounts in another order send it to the same one."""
    assert ranked(places, name, "video") == ranked([A, B, C], name, "video")


@given(names)
def test_without_its_home_a_job_goes_to_the_next_and_no_other_job_moves(name: str) -> None:
    """An account that goes away, or comes, moves only what is its own."""
    first, *others = ranked([A, B, C], name, "video")
    assert ranked([place for place in (A, B, C) if place != first], name, "video") == others


def test_jobs_are_dealt_in_proportion_to_slots() -> None:
    """Five slots and fifteen: a quarter, and three quarters; slots that are told for one alone count for both."""
    few, more = replace(A, limits={"video": 5}), replace(B, limits={"video": 15})
    homes = [Accounts((few, more)).home(f"kp1-x-{number}", "video").name for number in range(2000)]
    assert homes.count("main") == pytest.approx(500, abs=80)
    homes = [Accounts((few, B)).home(f"kp1-x-{number}", "video").name for number in range(2000)]
    assert homes.count("main") == pytest.approx(1000, abs=120)


def job(address: str, *, operation: str = "omni-image", account: str = "", **request: object) -> Job:
    kind, _, name = address.partition(".")
    needs = tuple(dict.fromkeys(_references(request)))
    return Job(
        address=address,
        base=address,
        kind=kind,  # type: ignore[arg-type]
        name=name,
        take=1,
        operation=operation,
        request={"model_name": "kling-v3-omni", **request},
        key=(address.encode().hex() * 8)[:64],
        project="p",
        needs=needs,
        account=account,
        place="" if kind == "element" else address.replace(".", "/"),
    )


def _references(value: object) -> list[str]:
    if isinstance(value, OutputRef):
        return [value.address]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [address for one in inner for address in _references(one)]


def using(address: str, account: str = "") -> Job:
    """A picture of hana."""
    return job(address, account=account, element_list=[{"element_id": OutputRef("element.hana", "element")}])


HANA = job("element.hana", operation="element")


def made(one: Job, account: str, *, state: str = "succeed") -> Record:
    return Record(
        external_task_id=f"kp1-p-{one.key[:20]}",
        project="p",
        key=one.key,
        take=1,
        attempt=1,
        operation=one.operation,
        account=account,
        state=state,  # type: ignore[arg-type]
        address=one.address,
        task_id="1",
        source="account",
    )


def known(*records: Record, silent=(), places: tuple[Account, ...] = (A, B), spread: str = "steady") -> MultiAccount:
    parts = []
    for place in places:
        own = {one.identity: (one,) for one in records if one.account == place.account}
        parts.append(Snapshot(account=place.account, account_records=own))
    errors = {account: CredentialsError("no") for account in silent}
    return MultiAccount.of(parts, Accounts(places, spread), errors)


def where(plan) -> dict[str, tuple[str, str]]:
    return {step.job.address: (step.action, step.account) for step in plan.steps}


def test_what_is_made_or_under_way_stays_where_it_is() -> None:
    """Whatever the pin says, and wherever it would be sent today."""
    one, two = job("image.one", account="second"), job("image.two")
    plan = make_plan([one, two], known(made(one, "aaaa"), made(two, "bbbb", state="processing")))
    assert where(plan) == {"image.one": ("reuse", "aaaa"), "image.two": ("resume", "bbbb")}


def test_everything_follows_an_element_that_is_not_made_yet() -> None:
    """To its home, or to the account of a job that is pinned."""
    one, two = using("image.one"), using("image.two")
    found = where(make_plan([HANA, one, two], known()))
    assert len({account for _, account in found.values()}) == 1
    found = where(make_plan([HANA, one, using("image.two", "second")], known()))
    assert {account for _, account in found.values()} == {"bbbb"}


def test_a_pin_elsewhere_makes_the_element_again() -> None:
    """A step of its own, before the job that needs it; the job asks for that one, under the key that it had."""
    plan = make_plan([HANA, using("image.one"), using("image.two", "second")], known(made(HANA, "aaaa")))
    assert where(plan) == {
        "element.hana": ("reuse", "aaaa"),
        "image.one": ("create", "aaaa"),
        "element.hana!second": ("create", "bbbb"),
        "image.two": ("create", "bbbb"),
    }
    steps = {step.job.address: step for step in plan.steps}
    assert steps["image.two"].job.needs == ("element.hana!second",)
    assert steps["element.hana!second"].job.key == HANA.key
    again = make_plan([HANA, using("image.two", "second")], known(made(HANA, "aaaa"), made(HANA, "bbbb")))
    assert where(again)["element.hana!second"] == ("reuse", "bbbb")


def test_what_costs_is_not_made_again_for_a_pin() -> None:
    """A film that another call takes by its id cannot be used in a second account: the job is blocked, and says why."""
    film = job("video.film", operation="omni-video")
    longer = job("video.longer", operation="video-extend", account="second", video_id=OutputRef("video.film", "video"))
    plan = make_plan([film, longer], known(made(film, "aaaa")))
    (step,) = (step for step in plan.steps if step.job.address == "video.longer")
    assert step.action == "blocked"
    assert step.reasons[0] == (
        "`video.film` is in the account `main`, and Kling takes it by its id there: it cannot be used in `second`"
    )
    assert where(make_plan([film, replace(longer, account="")], known(made(film, "aaaa"))))["video.longer"] == (
        "create",
        "aaaa",
    )


def test_an_id_by_hand_wants_a_pin_and_a_picture_by_url_does_not() -> None:
    """An id means something in one account alone."""
    by_hand = job("image.one", element_list=[{"element_id": ExistingId(123)}])
    plan = make_plan([by_hand], known())
    assert plan.steps[0].action == "blocked"
    assert "say in which with `account:`" in plan.steps[0].reasons[0]
    assert where(make_plan([replace(by_hand, account="second")], known())) == {"image.one": ("create", "bbbb")}
    by_url = job("image.two", image_list=[{"image": "https://example.com/a.png"}])
    assert make_plan([by_url], known()).steps[0].action == "create"


def test_an_unknown_account_blocks_its_job() -> None:
    """With the nearest name; and where there are no accounts at all, too."""
    plan = make_plan([job("image.one", account="secnd")], known())
    assert plan.steps[0].reasons[0] == "it asks for the account `secnd`: did you mean `second`?"
    plan = make_plan([job("image.one", account="second")], Snapshot())
    assert plan.steps[0].reasons[0] == "it asks for the account `second`, and `kling-pipe.toml` names no accounts"


def test_an_account_that_is_silent_blocks_what_it_may_have() -> None:
    """What is known to be made elsewhere is used; the rest is not sent, and the plan carries the error."""
    one, two = job("image.one"), job("image.two")
    plan = make_plan([one, two], known(made(one, "aaaa"), silent=["bbbb"]))
    assert [step.action for step in plan.steps] == ["reuse", "blocked"]
    assert plan.steps[1].reasons[0] == "the account `second` cannot be asked whether it has it"
    (error,) = plan.silent
    assert isinstance(error, CredentialsError)
    assert str(error) == "account `second` cannot be asked: no"


def test_with_free_slots_a_job_has_no_place_before_it_is_sent() -> None:
    """An element has: it takes no slot, and others have to find it."""
    plan = make_plan([HANA, job("image.one"), using("image.two")], known(spread=FREE))
    found = where(plan)
    assert found["image.one"] == ("create", "")
    assert found["image.two"][1] == found["element.hana"][1] != ""


# -- the lock ----------------------------------------------------------------------------------------------------


def block(account: str, key: str, made_at: int = 1) -> dict[str, object]:
    return {
        "account": account,
        "project": "p",
        "key": key,
        "take": 1,
        "attempt": 1,
        "outputs": [],
        "created_at": made_at,
    }


def test_what_a_changed_job_made_in_another_account_leaves_the_lock() -> None:
    """Two blocks of one job would quarrel about one file; an element that stands in both has one key, and stays."""
    lock = Lock({"image.one": block("aaaa", "old"), "element.hana": block("aaaa", "same")})
    changes = [("image.one", "", block("bbbb", "new")), ("element.hana", "", block("bbbb", "same"))]
    changed = lock.with_blocks(changes, ours={"aaaa", "bbbb"})
    assert {name: one["account"] for name, one in changed.blocks.items()} == {
        "image.one": "bbbb",
        "element.hana": "aaaa",
        "element.hana!bbbb": "bbbb",
    }
    assert len(lock.with_blocks(changes).blocks) == 4  # a stranger's block is not ours to remove


def test_of_two_blocks_of_a_job_the_one_made_last_counts() -> None:
    """For frozen jobs, and for what `plan --why` compares with."""
    lock = Lock({"image.one": block("aaaa", "old"), "image.one!bbbb": block("bbbb", "new", 2)})
    assert (lock.latest("image.one", "", ["aaaa", "bbbb"]) or {})["key"] == "new"
    assert (lock.latest("image.one", "", ["aaaa"]) or {})["key"] == "old"


pins = st.sampled_from(["", "main", "second"])
states = st.sampled_from(["", "aaaa", "bbbb"])


@given(
    st.lists(st.tuples(pins, states, st.booleans()), min_size=1, max_size=6), states, st.sampled_from(["steady", FREE])
)
def test_whatever_is_pinned_and_made_each_job_finds_what_it_uses(forms, element_in: str, spread: str) -> None:
    """Nothing made is made again, a pin holds, and what is sent uses only elements of the account that it goes to."""
    jobs = [HANA]
    jobs += [
        using(f"image.i{n}", pin) if uses else job(f"image.i{n}", account=pin) for n, (pin, _, uses) in enumerate(forms)
    ]
    records = [made(one, where_) for one, (_, where_, _) in zip(jobs[1:], forms, strict=True) if where_]
    records += [made(HANA, element_in)] if element_in else []
    plan = make_plan(jobs, known(*records, spread=spread))
    steps = {step.job.address: step for step in plan.steps}
    for n, (pin, there, _) in enumerate(forms):
        step = steps[f"image.i{n}"]
        assert step.action == ("reuse" if there else "create")
        assert step.account == there or not there
        if not there:
            assert step.account == {"main": "aaaa", "second": "bbbb"}.get(pin, step.account)
            assert {steps[need].account for need in step.job.needs} <= {step.account}
    copies = [step for address, step in steps.items() if "!" in address]
    assert len(copies) <= 1
    assert all(step.account != steps["element.hana"].account for step in copies)
