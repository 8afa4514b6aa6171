"""`kling-pipe.lock`: what was made, one block per job, committed with the manifest and made to merge.

    version: 1

    video.teaser@jp-16x9%draft:
      account: "3f0c..."
      key: "9a1b..."
      outputs: [{"path": "out/draft/video/teaser@jp-16x9.mp4", "sha256": "..."}]

A block is named `<address>[%profile]`. A second account's block for the same job stands beside the first as
`<address>[%profile]!<account>`, so that neither overwrites the other. Another account's block is kept, never believed.
Every line is valid YAML with a JSON value; fields that this version does not know are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from kling_pipe.errors import LocalStateError
from kling_pipe.lock.blocks import FIELDS, Block, Lock

VERSION = 1
_HEADER = f"# Written by kling-pipe. Commit this file: it says what was made, and for whom.\nversion: {VERSION}\n"
_RANK = {name: rank for rank, name in enumerate(FIELDS)}
_BLOCK = re.compile(r"([^\s:\"\\#][^\s:\"\\]*):")
_VERSION = re.compile(r"version: (\d+)")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_NEEDED = frozenset(("account", "operation"))
_MADE = _NEEDED | {"project", "key", "take", "attempt", "external_task_id", "outputs"}
_RESTORE = "restore the file from version control, or delete it and run `kling-pipe sync`"
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # `raw_decode` without its frame: a tenth of a start


def written(lock: Lock) -> str:
    """The file's text: blocks sorted by name, fields in a fixed order."""
    return _HEADER + "".join(_block_text(name, lock.blocks[name]) for name in sorted(lock.blocks))


@lru_cache(maxsize=2)
def parse(text: str, where: str) -> Lock:
    """Read a lock file's text. Raises LocalStateError with the line for anything that is not a lock file."""
    if not text.strip():
        return Lock()
    version = re.search(r"^version: (\d+)", text, re.MULTILINE)
    if version and int(version[1]) > VERSION:
        raise LocalStateError(
            f"{where} is of version {version[1]}, this kling-pipe knows up to {VERSION}",
            hint="update kling-pipe; nothing was changed",
        )
    return Lock(_parse_lines(text, where))


def _parse_lines(text: str, where: str) -> dict[str, Block]:
    """By line, and quick: 10,000 blocks are read at every start."""
    blocks: dict[str, Block] = {}
    block: dict[str, Any] | None = None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.startswith("  ") and block is not None:
            name, _, value = line[2:].partition(": ")
            if name in block:
                _refuse(where, number, f"has the field `{name}` twice in one block", "keep one of the two lines")
            try:
                block[name], end = _scan(value, 0)
            except (ValueError, StopIteration):
                end = -1
            if end != len(value):
                _refuse(where, number, f"has a value that is not JSON: `{line[:60]}`", _RESTORE)
        elif line and not line.startswith("#") and not _VERSION.fullmatch(line):
            block = blocks[_new_name(line, blocks, where, number)] = {}
    for name, one in blocks.items():
        if lacking := _lacks(one):
            raise LocalStateError(f"{where}: the block `{name}` has no `{lacking}`", hint=_RESTORE)
    return blocks


def _new_name(line: str, blocks: Mapping[str, Block], where: str, number: int) -> str:
    if line.startswith(_CONFLICT):
        _refuse(where, number, "has a merge conflict", "keep the blocks of both sides and drop the marker lines")
    found = _BLOCK.fullmatch(line)
    if not found:
        _refuse(where, number, f"has a line that is no part of a block: `{line[:60]}`", _RESTORE)
    if found[1] in blocks:
        _refuse(where, number, f"has a second block `{found[1]}`", "keep one of the two")
    return found[1]


def _lacks(block: Block) -> str:
    needed = _MADE if "outputs" in block or "failed" not in block else _NEEDED
    return "" if needed <= block.keys() else min(needed - block.keys())


def _refuse(where: str, number: int, what: str, hint: str) -> NoReturn:
    raise LocalStateError(f"{where}:{number} {what}", hint=hint)


def _block_text(name: str, block: Block) -> str:
    names = sorted(block, key=lambda one: (_RANK.get(one, len(_RANK)), one))
    return f"\n{name}:\n" + "".join(f"  {one}: {json.dumps(block[one], ensure_ascii=False)}\n" for one in names)
