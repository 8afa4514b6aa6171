"""Credentials: an API key, or an access key whose secret signs short-lived tokens. Never shown, never stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kling_pipe.errors import CredentialsError

LIFETIME = 1800
"""Seconds that a token is valid (general information page, 2026-03)."""

MARGIN = 120
"""Seconds before its end from which a token is replaced: an upload must end within the token's life."""

SKEW = 5
"""Seconds that `nbf` lies in the past, for clocks that differ a little."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key and its secret: tokens are signed here (JWT HS256).

    `api_key` is the same account's API key where it is known for sure, for calls that take no signed token.
    """

    access_key: str
    secret_key: str = field(repr=False)
    api_key: str = field(default="", repr=False)

    @property
    def key_id(self) -> str:
        """What names the key without giving it away."""
        return self.access_key

    def __repr__(self) -> str:
        return f"AccessKey({self.access_key[:4]}…)"


def branch(key: AccessKey, name: str) -> AccessKey:
    """The key of a further account beside another one, as the emulator has them."""
    return AccessKey(f"{key.access_key}.{name}", key.secret_key, f"{key.api_key}.{name}" if key.api_key else "")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One opaque string, sent as it is."""

    api_key: str = field(repr=False)

    @property
    def key_id(self) -> str:
        """A digest: the key itself is the secret."""
        return hashlib.sha256(self.api_key.encode()).hexdigest()

    def __repr__(self) -> str:
        return "ApiKey(…)"


Credentials = AccessKey | ApiKey


def credentials_from(environ: Mapping[str, str]) -> Credentials | None:
    """What the environment holds: `KLING_ACCESS_KEY` with `KLING_SECRET_KEY`, else `KLING_API_KEY`, else None.

    Each `KLING_` name may be spelt `KLINGAI_`. Half a pair raises CredentialsError.
    """
    access, secret, api_key = (_value(environ, name) for name in ("ACCESS_KEY", "SECRET_KEY", "API_KEY"))
    if access and secret:
        return AccessKey(access, secret)
    if api_key:
        return ApiKey(api_key)
    if access or secret:
        missing = "KLING_SECRET_KEY" if access else "KLING_ACCESS_KEY"
        raise CredentialsError(f"`{missing}` is not set, only its other half", hint=f"set {missing}, or KLING_API_KEY")
    return None


def api_key_from(environ: Mapping[str, str]) -> ApiKey | None:
    """The API key, also where an access key stands beside it: some calls take nothing else."""
    key = _value(environ, "API_KEY")
    return ApiKey(key) if key else None


def missing_credentials() -> CredentialsError:
    """The error for verbs that talk to Kling; names both ways on."""
    return CredentialsError(
        "no Kling credentials found",
        hint="set KLING_ACCESS_KEY and KLING_SECRET_KEY (or KLING_API_KEY), or try it free of charge with --emulator",
    )


def missing_key(account: str = "") -> CredentialsError:
    """The error for an access key where only an API key is taken; `account` is its name in the settings."""
    step = f"give [accounts.{account}] an `api_key_env`" if account else "set KLING_API_KEY"
    return CredentialsError(
        "the second standard takes an API key and no signed token",
        hint=f"{step}, or go by the first one with --standard v1",
    )


def account_id(base_url: str, key_id: str) -> str:
    """16 hex digits for one account: the host and the key's id. A host on this machine counts without its port."""
    host = (urlsplit(base_url).hostname or base_url).lower()
    return hashlib.sha256(f"{host}\n{key_id}".encode()).hexdigest()[:16]


_TELLING = 8
"""A secret of fewer letters is one of a test, and may be a word of any text."""


class Signer:
    """Gives the Authorization header: signed when first needed, kept until shortly before its end."""

    def __init__(self, credentials: Credentials, clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._until = 0.0

    @property
    def has_key(self) -> bool:
        """Whether there is an API key for calls that take no signed token."""
        return bool(self._credentials.api_key)

    def header(self, *, uses_api_key: bool = False) -> str:
        """`Bearer <token>`; with `uses_api_key` the API key, where there is one."""
        if isinstance(self._credentials, ApiKey) or (uses_api_key and self._credentials.api_key):
            return f"Bearer {self._credentials.api_key}"
        now = self._clock()
        if now >= self._until - MARGIN:
            self._sign(self._credentials, now)
        return f"Bearer {self._token}"

    def renew(self) -> bool:
        """Forget the token, so that the next header is signed anew. False when there is nothing to sign."""
        self._until = 0.0
        return isinstance(self._credentials, AccessKey)

    def hidden(self, text: str) -> str:
        """The text without our key, secret and token: who refuses a request may quote what came with it."""
        key = self._credentials
        secrets = (key.api_key, key.secret_key if isinstance(key, AccessKey) else "", self._token)
        for secret in secrets:
            text = text.replace(secret, "***") if len(secret) >= _TELLING else text
        return text

    def _sign(self, key: AccessKey, now: float) -> None:
        import warnings

        import jwt

        claims = {"iss": key.access_key, "exp": int(now) + LIFETIME, "nbf": int(now) - SKEW}
        with warnings.catch_warnings():
            # The vendor decides how long its secrets are; a warning about them helps nobody here.
            warnings.simplefilter("ignore")
            token = jwt.encode(claims, key.secret_key, algorithm="HS256")
        self._token, self._until = token, now + LIFETIME


def _value(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(f"KLING_{name}") or environ.get(f"KLINGAI_{name}") or "").strip()
