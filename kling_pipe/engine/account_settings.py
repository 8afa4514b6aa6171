"""The accounts that `kling-pipe.toml` names: the environment variables of their credentials, never these.

[accounts.main]
api_key_env = "KLING_MAIN_KEY"
limits = { video = 10 }
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import urlsplit

from kling_pipe.client.credentials import AccessKey, ApiKey, Credentials
from kling_pipe.core.text import nearest
from kling_pipe.errors import CredentialsError, UsageError

FILE = "kling-pipe.toml"
SPREADS = ("steady", "free")
"""How jobs without a place of their own are dealt: by their id alone, or by who has a free slot."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LONGEST_WITHOUT_BREAK = 24
"""A name of so many characters without an underscore is rather a key that stands where a name should."""

_VARIABLES = ("api_key_env", "access_key_env", "secret_key_env")
_WORDS = (*_VARIABLES, "base_url", "limits")
_SECRETS = ("key", "secret", "token", "password", "credential")


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """One account as the file has it. `limits` are its slots per pack type, `base_url` "" where it says none."""

    name: str
    api_key_env: str = ""
    access_key_env: str = ""
    secret_key_env: str = ""
    base_url: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)

    def credentials(self, environ: Mapping[str, str]) -> Credentials | None:
        """What the environment holds for it; None where it holds nothing."""
        values = {name: environ.get(name, "").strip() for name in self.variables}
        if not all(values.values()):
            return None
        if self.api_key_env:
            return ApiKey(values[self.api_key_env])
        return AccessKey(values[self.access_key_env], values[self.secret_key_env])

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it needs."""
        return (self.api_key_env,) if self.api_key_env else (self.access_key_env, self.secret_key_env)

    def missing(self, environ: Mapping[str, str]) -> CredentialsError:
        """The error for an account whose credentials are not there."""
        unset = [name for name in self.variables if not environ.get(name, "").strip()]
        names = " and ".join(f"`{name}`" for name in unset)
        hint = f"set {' and '.join(unset)}"
        return CredentialsError(f"account `{self.name}` has no credentials: {names} not set", hint=hint)


def account_specs(table: Mapping[str, Any], only: Sequence[str] = ()) -> tuple[AccountSpec, ...]:
    """The accounts of a file's `[accounts]`, in its order; `only` those named. Raises UsageError, with no value."""
    found = {name: _spec(name, written) for name, written in table.items()}
    for name in only:
        if name not in found:
            near = nearest(name, found)
            there = f"There are {', '.join(found)}." if found else f"`{FILE}` names none: add [accounts.{name}]."
            raise UsageError(f"there is no account `{name}`", hint=f"Did you mean `{near}`?" if near else there)
    return tuple(spec for name, spec in found.items() if not only or name in only)


def must_differ(accounts: Iterable[tuple[str, str]]) -> None:
    """Raises UsageError for two names of one account (names and ids): it would be given twice the slots."""
    names: dict[str, str] = {}
    for name, account in accounts:
        other = names.setdefault(account or name, name)
        if other != name:
            raise UsageError(
                f"the accounts `{other}` and `{name}` are one and the same",
                hint="Their credentials are equal: name another environment variable, or remove one of the two.",
            )


def checked_spread(value: str) -> str:
    """`spread` as the file says it. Raises UsageError."""
    if value not in SPREADS:
        raise UsageError(f"`spread` in `{FILE}` is none of {', '.join(SPREADS)}", hint='Write spread = "steady".')
    return value


def _spec(name: str, written: Any) -> AccountSpec:
    if not _NAME.fullmatch(name):
        _refuse(name[:32], "is no name for an account", "Use a to z, 0 to 9, _ and -, a letter first.")
    if not isinstance(written, Mapping):
        _refuse(name, "wants a table", f"Write [accounts.{name}] and below it {_VARIABLES[0]} = ...")
    for word, value in written.items():
        _check(name, word, value)
    told = {word: str(written[word]) for word in (*_VARIABLES, "base_url") if word in written}
    pair = [word for word in _VARIABLES[1:] if word in told]
    if len(pair) == 1 or bool(pair) == ("api_key_env" in told):
        hint = "Write api_key_env, or access_key_env and secret_key_env: names of environment variables."
        _refuse(name, "does not say where its credentials are", hint)
    return AccountSpec(name=name, limits=dict(_limits(name, written.get("limits", {}))), **told)


def _check(name: str, word: str, value: Any) -> None:
    if word not in _WORDS:
        near = nearest(word, _WORDS)
        if any(part in word.lower() for part in _SECRETS):
            hint = f'Put it into an environment variable, and write `{near or "api_key_env"} = "ITS_NAME"`.'
            _refuse(name, f"has `{word}`: credentials do not belong into a file", hint)
        _refuse(name, f"has an unknown setting `{word}`", f"It may say {', '.join(_WORDS)}.")
    if word in _VARIABLES and not (isinstance(value, str) and _is_variable(value)):
        hint = "It wants the variable's name, such as KLING_MAIN_KEY. If a key stands there, take it out."
        _refuse(name, f"`{word}` is no name of an environment variable (not shown: it may be a secret)", hint)
    if word == "base_url" and not (isinstance(value, str) and _is_host(value)):
        _refuse(name, "`base_url` is no URL of a host", 'Write base_url = "https://api-singapore.klingai.com".')


def _is_variable(value: str) -> bool:
    return bool(_VARIABLE.fullmatch(value)) and ("_" in value or len(value) < _LONGEST_WITHOUT_BREAK)


def host_from(environ: Mapping[str, str], names: Sequence[str]) -> str:
    """The base URL under the first of these names that is set, or "". Raises UsageError for what is none."""
    name = next((name for name in names if environ.get(name)), "")
    value = environ.get(name, "")
    if value and not _is_host(value):
        shown = "" if "@" in value else f" (`{value[:80]}`)"  # there may be a password before it
        hint = f"Write {name}=https://api-singapore.klingai.com; what comes after the host is added."
        raise UsageError(f"`{name}` is no URL of a host{shown}", hint=hint)
    return value


def _is_host(value: str) -> bool:
    """Whether this can be a base URL: scheme and host, no password, and no `/v1`, with which each path begins."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for what is no number
    except ValueError:
        return False
    begun = parts.path.rstrip("/").endswith("/v1")
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and not begun


def _limits(name: str, written: Any) -> Iterator[tuple[str, int]]:
    if not isinstance(written, Mapping):
        _refuse(name, "`limits` wants a table", "Write limits = { video = 10, image = 20 }.")
    for pack, slots in written.items():
        if type(slots) is not int or slots < 1:
            _refuse(name, f"`limits` has no number of slots for `{pack}`", "Write limits = { video = 10, image = 20 }.")
        yield str(pack), slots


def _refuse(name: str, what: str, hint: str) -> NoReturn:
    raise UsageError(f"`{FILE}`: account `{name}` {what}", hint=hint)
