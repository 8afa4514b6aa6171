"""The address of a database: no part of a password is shown, wherever its writer put it, and however."""

import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.pg_connection import PgConnection
from kling_pipe.storage.ledger.pg_url import is_whole, without_password

WHOLE = [
    "postgresql://u:cret@127.0.0.1/db",
    "postgres://u@h:5432/db?application_name=x",
    "postgresql://h1:1,h2:2/db?password=cret&sslmode=require",
    "postgresql://u:a%40cret@[::1]:5432/db",
    "postgresql://u:a:b#cret@h/db",
    "postgresql:///db?host=/run/pg",
]
BROKEN = [
    "postgresql://u:se/cret@h/db",
    "postgresql://u:s@cret@h/db",
    "postgresql://u:se?cret@h/db",
    "postgresql://u:s@a/cret@h/db",
    "postgresql://u:s@a?cret@h/db",
    "postgresql://u:cret/db",
    "postgresql://u:12cret@[::1/db",
    "mysql://u:cret@h/db",
]


@pytest.mark.parametrize("url", WHOLE)
def test_an_address_that_means_what_it_says_is_taken(url):
    """And it is printed without the password, wherever that stands."""
    assert is_whole(url)
    assert "cret" not in without_password(url)


@pytest.mark.parametrize("url", BROKEN)
def test_a_password_that_is_not_encoded_is_refused_unseen(url):
    """Its rest would count as host, port or database, and stand in the error."""
    with pytest.raises(LocalStateError, match="the store's URL is none") as refused:
        PgConnection(url, Effects())
    assert "cret" not in f"{refused.value.message} {refused.value.hint}"
    assert "%2F" in refused.value.hint


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgresql://u:cret@h/db?a=b", "postgresql://u@h/db?a=b"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("postgresql://h/db?password=cret&a=b", "postgresql://h/db?a=b"),
        ("postgresql://h/db?a=b&password=cret", "postgresql://h/db?a=b"),
        ("postgresql://h/db?password=cret", "postgresql://h/db"),
    ],
)
def test_the_rest_of_an_address_stays_as_it_is(url, printed):
    """A command that is printed can be pasted, with the password in the environment."""
    assert without_password(url) == printed
