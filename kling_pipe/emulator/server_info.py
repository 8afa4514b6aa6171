"""An emulator that runs, as its clients need to know it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kling_pipe.emulator.accounts import Account


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Where it answers and with which keys. `pid` is the server's process."""

    base_url: str
    access_key: str
    secret_key: str = field(repr=False)
    api_key: str = field(repr=False)
    pid: int = 0

    @classmethod
    def of(cls, base_url: str, account: Account, pid: int) -> ServerInfo:
        """With the keys of an account."""
        return cls(base_url, account.access_key, account.secret_key, account.api_key, pid)
