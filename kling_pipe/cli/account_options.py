"""`[accounts]` of the settings and `--account` as a workspace wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kling_pipe.cli.config_file import settings_for
from kling_pipe.errors import UsageError

EVERY = "*"
"""What `cost --account` says when it names none: all of them."""


def accounts_of(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The accounts that the settings name, or those of them that the command line does, and how jobs are dealt.

    Raises UsageError.
    """
    from kling_pipe.engine.account_settings import account_specs, checked_spread

    wanted = [name for name in names if name != EVERY]
    table = settings.get("accounts") or {}
    if not table and wanted:
        raise UsageError(
            f"there is no account `{wanted[0]}`: kling-pipe.toml names none",
            hint=f"Write [accounts.{wanted[0]}] there, or leave --account out.",
        )
    chosen, every = account_specs(table, wanted), account_specs(table)
    found: dict[str, Any] = {"accounts": chosen, "left_out": tuple(one for one in every if one not in chosen)}
    if spread := settings.get("spread"):
        found["spread"] = checked_spread(spread)
    return found


def accounts_in(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """The same for a verb that works on a folder and no manifest."""
    return accounts_of(settings_for(folder), names)
