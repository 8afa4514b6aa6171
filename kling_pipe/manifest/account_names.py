"""The accounts that recipes ask for against those that the settings name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kling_pipe.core.text import nearest
from kling_pipe.manifest.job_builder import Draft, Drafter


def check_accounts(found: Iterable[Draft], names: Collection[str], drafter: Drafter) -> None:
    """Report every account that nobody named, where a recipe or its defaults ask for it."""
    for draft in found:
        name = draft.recipe.account
        if name and name not in names:
            drafter.case(draft).refuse(
                "KP408",
                draft.recipe.origins["account"],
                f"there is no account `{name}`",
                near=nearest(name, names),
                allowed=", ".join(names),
                hint="Name one that stands under [accounts] in kling-pipe.toml, or add it there.",
            )
