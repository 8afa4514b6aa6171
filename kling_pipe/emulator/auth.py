"""Checks the Authorization header: an API key, or a JWT (HS256) of an access key. Codes 1000 to 1004, HTTP 401."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import jwt

from kling_pipe.emulator.accounts import Account, branch
from kling_pipe.emulator.answers import Refusal

CACHED_TOKENS = 4096


class Authenticator:
    """Tells whose request it is. Remembers tokens whose signature was checked: clients send one many times."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        known = tuple(accounts)
        self._by_access_key = {account.access_key: account for account in known}
        self._by_api_key = {account.api_key: account for account in known}
        self._checked: dict[str, tuple[Account, float, float]] = {}

    def account(self, authorization: str, seconds: float, *, plain: bool = False) -> Account:
        """The account of a header at a time (s since 1970). Raises Refusal 1000 to 1004.

        `plain`: an API key opens, and no token.
        """
        if not authorization.strip():
            raise Refusal(1001)
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refusal(1000, "Authorization must be `Bearer <token>`")
        if found := _known(self._by_api_key, token):
            return found
        if plain:
            raise Refusal(1002, "this API takes an API key")
        if token not in self._checked:
            self._remember(token, self._verified(token))
        account, not_before, expires = self._checked[token]
        if seconds < not_before:
            raise Refusal(1003)
        if seconds >= expires:
            raise Refusal(1004)
        return account

    def _remember(self, token: str, found: tuple[Account, float, float]) -> None:
        if len(self._checked) >= CACHED_TOKENS:
            self._checked.clear()
        self._checked[token] = found

    def _verified(self, token: str) -> tuple[Account, float, float]:
        """Whose token it is, from when and until when it is valid."""
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            account = _known(self._by_access_key, issuer) if isinstance(issuer, str) else None
            if account is None:
                raise Refusal(1002, "access key not found")
            claims = _signed_claims(token, account)
            times = float(claims.get("nbf", 0)), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise Refusal(1002) from error
        if not all(map(math.isfinite, times)):
            raise Refusal(1002)
        return account, *times


def _known(accounts: Mapping[str, Account], key: str) -> Account | None:
    """The account of a key; `<key>.<name>` opens a branch of it."""
    stem, point, name = key.rpartition(".")
    if key in accounts or not (point and name and stem in accounts):
        return accounts.get(key)
    return branch(accounts[stem], name)


def _signed_claims(token: str, account: Account) -> dict[str, Any]:
    # Times are compared on every request instead: a token that was good a minute ago may have expired since.
    unchecked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)  # a made-up secret may be short
        claims: dict[str, Any] = jwt.decode(token, account.secret_key, algorithms=["HS256"], options=unchecked)  # type: ignore[arg-type]  # the options' type is closed, and private
    return claims
