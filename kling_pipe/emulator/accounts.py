"""Who may call: the accounts of a state folder, with the keys that open them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """One account: a key pair for JWT and a static API key. `name` is the access key."""

    access_key: str
    secret_key: str = field(repr=False)
    api_key: str = field(repr=False)

    @property
    def name(self) -> str:
        """What the account is called in the emulator's own endpoints."""
        return self.access_key


def fresh() -> Account:
    """An account with random keys that say what they are."""
    return Account(f"emulated-{secrets.token_hex(6)}", secrets.token_hex(16), f"emulated-api-{secrets.token_hex(16)}")


def branch(account: Account, name: str) -> Account:
    """A further account beside another one, `<its access key>.<name>` with the same secret: nobody has to set it up."""
    return Account(f"{account.access_key}.{name}", account.secret_key, f"{account.api_key}.{name}")


def short(account: str) -> str:
    """What options and fault rules call an account of a name: a branch by its own name."""
    return account.rpartition(".")[2]


def share(of: Mapping[str, float], account: str, pack: str) -> float | None:
    """What an account has of a pack: as said for `<name>/<pack>`, a branch by its own name, else for `<pack>`."""
    return of.get(f"{short(account)}/{pack}", of.get(pack))


def named(text: str) -> Account:
    """`ACCESS:SECRET` or `ACCESS:SECRET:APIKEY`."""
    access, _, rest = text.partition(":")
    secret, _, api_key = rest.partition(":")
    return Account(access, secret or access, api_key or f"{access}-api-key")


def credentials(state: Path) -> Account:
    """The first account of a state folder, made on first use; the same for every process, without a server."""
    path = state / "account.json"
    state.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        part = path.with_name(f"account.{os.getpid()}.{secrets.token_hex(4)}.part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(asdict(fresh())), encoding="utf-8")
        _publish(part, path)
    return Account(**json.loads(path.read_text(encoding="utf-8")))


def _publish(part: Path, path: Path) -> None:
    """Give the file its name unless another process was first; never overwrite keys that are already in use."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links: the last one in wins, a race of microseconds
        if not path.exists():
            part.replace(path)
            return
    part.unlink()


def accounts(state: Path, keys: Iterable[str]) -> tuple[Account, ...]:
    """The folder's own account first, then those that were asked for."""
    return (credentials(state), *(named(text) for text in keys))
