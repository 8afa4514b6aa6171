"""Who is let in, and with which code the others are turned away."""

import time

import httpx
import jwt
import pytest

from tests.emulator.conftest import VIDEO, Kling, clip

SECRET = "a-secret-that-is-long-enough-for-hs256"


def token(key: str, secret: str, **claims: float) -> str:
    now = time.time()
    return jwt.encode({"iss": key, "exp": now + 1800, "nbf": now - 5, **claims}, secret, "HS256")


def answer(kling: Kling, authorization: str | None) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return httpx.get(f"{kling.running.base_url}{VIDEO}", headers=headers, trust_env=False)


def test_a_signed_token_and_an_api_key_are_let_in(kling):
    """Both ways of Kling work on the same account."""
    signed = token(kling.running.access_key, kling.running.secret_key)
    kling.post(VIDEO, clip("mine"))
    found = answer(kling, f"Bearer {signed}").json()
    assert [task["task_info"]["external_task_id"] for task in found["data"]] == ["mine"]


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, 1001),
        ("", 1001),
        ("Bearer", 1000),
        ("Basic abc", 1000),
        ("Bearer nonsense", 1002),
        ("Bearer a.b.c", 1002),
        ("Bearer \xe9\xff", 1002),
        ("Bearer " + "x" * 5000, 1002),
        (f"Bearer {jwt.encode({'iss': 'nobody', 'exp': 9e9}, SECRET, 'HS256')}", 1002),
        (f"Bearer {jwt.encode({'iss': '', 'exp': 9e9}, SECRET, 'HS256')}", 1002),
    ],
)
def test_a_bad_header_is_refused_with_its_code(kling, authorization, code):
    """Every malformed header is an answer of 401, never an error of the server."""
    found = answer(kling, authorization.encode("latin-1") if authorization else authorization)
    assert (found.status_code, found.json()["code"]) == (401, code)
    assert isinstance(found.json()["message"], str)


@pytest.mark.parametrize(
    ("claims", "code"), [({"exp": 1.0}, 1004), ({"nbf": 9e9}, 1003), ({"exp": "soon"}, 1002), ({"exp": 1e400}, 1002)]
)
def test_a_token_is_only_good_in_its_time(kling, claims, code):
    """Expired is 1004, not yet valid 1003."""
    found = answer(kling, f"Bearer {token(kling.running.access_key, kling.running.secret_key, **claims)}")
    assert (found.status_code, found.json()["code"]) == (401, code)


def test_a_wrong_signature_is_refused(kling):
    """The access key alone opens nothing, and the token without a signature neither."""
    assert answer(kling, f"Bearer {token(kling.running.access_key, SECRET)}").json()["code"] == 1002
    unsigned = jwt.encode({"iss": kling.running.access_key, "exp": 9e9}, None, "none")
    assert answer(kling, f"Bearer {unsigned}").json()["code"] == 1002


def test_accounts_do_not_see_each_other(start):
    """Another account may use the same external id, and finds only its own tasks."""
    kling = start(media="tiny", keys=["other:short"])
    kling.post(VIDEO, clip("same"))
    headers = {"Authorization": "Bearer other-api-key"}
    assert kling.http.get(f"{VIDEO}/same", headers=headers).json()["code"] == 1201
    assert kling.http.post(VIDEO, json=clip("same"), headers=headers).status_code == 200
    assert len(kling.http.get(VIDEO, headers=headers).json()["data"]) == 1
    assert len(kling.ledger()["accounts"]) == 2


def test_no_key_shows_in_the_emulators_own_pages(kling):
    """The ledger, the health page and the inspector name accounts, never their secrets."""
    for page in ("ledger", "health", ""):
        text = kling.http.get(f"/_emulator/{page}").text
        assert kling.running.secret_key not in text
        assert kling.running.api_key not in text
