"""`kling-pipe.lock`: what was made, one block per job, committed with the manifest and made to merge.

    version: 1

    video.teaser@jp-16x9%draft:
      account: "3f0c..."
      key: "9a1b..."
      outputs: [{"path": "out/draft/video/teaser@jp-16x9.mp4", "sha256": "..."}]

A block is named `<address>[%profile]`. A second account's block for the same job stands beside the first as
`<address>[%profile]!<account>`, so that neither overwrites the other. Another account's block is kept, never believed.
Every line is valid YAML with a JSON value; fields that this version does not know are kept. What a field may hold is
said in `storage.lockfile.lock_check`, and what holds something else is refused before anything is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.lockfile.blocks import FIELDS, Block, Lock
from kling_pipe.storage.lockfile.lock_check import MADE, NEEDED, USUAL, field_fault, is_usual, refuse

VERSION = 1
_HEADER = f"# Written by kling-pipe. Commit this file: it says what was made, and for whom.\nversion: {VERSION}\n"
_RANK = {name: rank for rank, name in enumerate(FIELDS)}
_BLOCK = re.compile(r"(?!#)([^\s:\"\\/\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+):")
_VERSION = re.compile(r"version: ([0-9]{1,9})")
_CONFLICT = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_RESTORE = "restore the file from version control, or delete it and run `kling-pipe sync`"


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)  # NaN and Infinity are no JSON


_decoder = json.JSONDecoder(parse_constant=_no_number)
_scan = _decoder.scan_once  # type: ignore[attr-defined]  # `raw_decode` without its frame: a tenth of a start


def render_lock(lock: Lock) -> str:
    """The file's text: blocks sorted by name, fields in a fixed order."""
    return _HEADER + "".join(_block_text(name, lock.blocks[name]) for name in sorted(lock.blocks))


@lru_cache(maxsize=2)
def parse(text: str, where: str) -> Lock:
    """Read a lock file's text. Raises LocalStateError with the line for anything that is not a lock file."""
    if not text.strip():
        return Lock()
    version = re.search(r"^version: ([0-9]{1,9})", text, re.MULTILINE)
    if version and int(version[1]) > VERSION:
        raise LocalStateError(
            f"{where} is of version {version[1]}, this kling-pipe knows up to {VERSION}",
            hint="update kling-pipe; nothing was changed",
        )
    return Lock(_parse_lines(text, where))


def _parse_lines(text: str, where: str) -> dict[str, Block]:
    """By line, and quick: 10,000 blocks are read at every start."""
    blocks: dict[str, Block] = {}
    starts: dict[str, int] = {}
    block: dict[str, Any] | None = None
    title, usual = "", USUAL.get
    text = text.replace("\r\n", "\n")
    is_plain = is_usual(text)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("  ") and block is not None:
            name, _, value = line[2:].partition(": ")
            if name in block:
                _refuse(where, number, f"has the field `{name}` twice in one block", "keep one of the two lines")
            if is_plain and value[0] == '"':
                block[name] = value[1:-1]  # it has no escapes: most of a lock need not be decoded
                continue
            try:
                block[name], end = _scan(value, 0)
            except (ValueError, StopIteration, RecursionError):
                end = -1
            if end != len(value):
                _refuse(where, number, f"has a value that is not JSON: `{_shown(line)}`", _RESTORE)
            if not (is_plain or usual(name, _no_match)(value)) and (fault := field_fault(name, block[name])):
                refuse(f"{where}:{number}", title, fault)
        elif line and not line.startswith("#") and not _VERSION.fullmatch(line):
            title = _new_name(line, blocks, where, number)
            block, starts[title] = {}, number
            blocks[title] = block
    for name, one in blocks.items():
        if lacking := _lacks(one):
            _refuse(where, starts[name], f"begins a block that is not whole: `{name}` has no `{lacking}`", _RESTORE)
    return blocks


def _new_name(line: str, blocks: Mapping[str, Block], where: str, number: int) -> str:
    if line.startswith(_CONFLICT):
        _refuse(where, number, "has a merge conflict", "keep the blocks of both sides and drop the marker lines")
    found = _BLOCK.fullmatch(line)
    if not found:
        _refuse(where, number, f"has a line that is no part of a block: `{_shown(line)}`", _RESTORE)
    if found[1] in blocks:
        _refuse(where, number, f"has a second block `{found[1]}`", "keep one of the two")
    return found[1]


def _no_match(_: str) -> None:
    return None


def _shown(line: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in line[:60])


def _lacks(block: Block) -> str:
    needed = MADE if "outputs" in block or "failed" not in block else NEEDED
    return "" if needed <= block.keys() else min(needed - block.keys())


def _refuse(where: str, number: int, what: str, hint: str) -> NoReturn:
    raise LocalStateError(f"{where}:{number} {what}", hint=hint)


def _block_text(name: str, block: Block) -> str:
    names = sorted(block, key=lambda one: (_RANK.get(one, len(_RANK)), one))
    return f"\n{name}:\n" + "".join(f"  {one}: {json.dumps(block[one], ensure_ascii=False)}\n" for one in names)
