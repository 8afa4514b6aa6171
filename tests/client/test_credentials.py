"""Credentials are found, signed lazily, and never shown."""

import jwt
import pytest

from kling_pipe.client.credentials import LIFETIME, AccessKey, ApiKey, Signer, account_id, credentials_from
from kling_pipe.errors import CredentialsError

KEY = AccessKey("ak-1234567890", "s3cret-s3cret-s3cret-s3cret-s3cret")


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def claims(header):
    token = header.removeprefix("Bearer ")
    return jwt.decode(token, KEY.secret_key, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})


def test_a_token_has_the_claims_that_kling_wants():
    """Verified with a library of somebody else."""
    assert claims(Signer(KEY, Clock()).header()) == {"iss": "ak-1234567890", "exp": 1_001_800, "nbf": 999_995}


def test_a_token_is_kept_and_replaced_before_its_end():
    """One signature serves many requests; a run longer than a token signs again in time."""
    clock = Clock()
    signer = Signer(KEY, clock)
    first = signer.header()
    clock.now += LIFETIME - 121
    assert signer.header() == first
    clock.now += 2
    assert claims(signer.header())["exp"] > claims(first)["exp"]


def test_a_refused_token_is_signed_anew_and_a_static_key_cannot_be():
    """What 1003 and 1004 ask for."""
    clock = Clock()
    signer = Signer(KEY, clock)
    first = signer.header()
    clock.now += 10
    assert signer.renew()
    assert signer.header() != first
    assert not Signer(ApiKey("k"), clock).renew()


@pytest.mark.parametrize("prefix", ["KLING", "KLINGAI"])
def test_both_spellings_of_the_environment_count(prefix):
    """A pair beats an API key."""
    environ = {f"{prefix}_API_KEY": "x"}
    assert credentials_from(environ) == ApiKey("x")
    environ |= {f"{prefix}_ACCESS_KEY": "a", f"{prefix}_SECRET_KEY": "b"}
    assert credentials_from(environ) == AccessKey("a", "b")
    assert credentials_from({}) is None


def test_half_a_pair_is_an_error_that_names_the_other_half():
    """The names, not the values."""
    with pytest.raises(CredentialsError, match="KLING_SECRET_KEY"):
        credentials_from({"KLING_ACCESS_KEY": "ak-visible"})


def test_no_secret_is_ever_shown():
    """Not by repr, not by str, not inside other values."""
    shown = repr([KEY, ApiKey("api-s3cret")]) + str(KEY) + str(ApiKey("api-s3cret"))
    assert "s3cret" not in shown
    assert "api-s3cret" not in ApiKey("api-s3cret").key_id


def test_an_account_is_its_host_and_key():
    """Case and port do not matter, everything else does."""
    one = account_id("https://API.example.com", "k")
    assert one == account_id("https://api.example.com:443/", "k")
    assert len({one, account_id("https://api.example.com", "l"), account_id("https://other.example.com", "k")}) == 3
