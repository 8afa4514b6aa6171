"""Several locks as one: those of a CI matrix, or of two branches. Pure; order and repetition change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kling_pipe.storage.lockfile.blocks import Block, Lock, block_name, split_name

_Place = tuple[str, str]


def merge_locks(locks: Iterable[Lock]) -> Lock:
    """Every block of every lock. Of two for the same job and account the one made later counts.

    Blocks of different accounts stand side by side; the plain name stays with the account that has it (of two, the
    first in order).
    """
    best: dict[_Place, dict[str, Block]] = {}
    plain: dict[_Place, str] = {}
    for lock in locks:
        for name, block in lock.blocks.items():
            address, profile, marked = split_name(name)
            place, account = (address, profile), str(block["account"])
            ours = best.setdefault(place, {})
            ours[account] = _better(ours.get(account), block)
            if not marked:
                plain[place] = min(account, plain.get(place, account))
    return Lock(
        {
            block_name(*place, "" if account == plain.get(place) else account): block
            for place, blocks in best.items()
            for account, block in blocks.items()
        }
    )


def _better(one: Block | None, other: Block) -> Block:
    """The later result, and beside it the later failure: neither may get lost."""
    if one is None:
        return other
    late = max(one, other, key=_made_rank)
    failures = [block["failed"] for block in (one, other) if "failed" in block]
    return {**late, "failed": max(failures, key=_failed_rank)} if failures else late


def _made_rank(block: Block) -> tuple[bool, int, int, str]:
    made = {name: value for name, value in sorted(block.items()) if name != "failed"}
    return ("outputs" in block, block.get("created_at", 0), block.get("attempt", 0), _text(made))


def _failed_rank(failed: dict[str, Any]) -> tuple[int, str]:
    return (failed.get("attempt", 0), _text(failed))


def _text(form: Any) -> str:
    return json.dumps(form, ensure_ascii=False)
