"""`kling-pipe.lock`: the committed record of what was made, one sorted block per job."""

from kling_pipe.storage.lockfile.blocks import (
    Block,
    Lock,
    block_name,
    failed_block,
    failed_record,
    made_block,
    made_record,
    split_name,
)
from kling_pipe.storage.lockfile.file import LockFile, read_lock
from kling_pipe.storage.lockfile.lock_text import parse, render_lock
from kling_pipe.storage.lockfile.merge import merge_locks

__all__ = [
    "Block",
    "Lock",
    "LockFile",
    "block_name",
    "failed_block",
    "failed_record",
    "made_block",
    "made_record",
    "merge_locks",
    "parse",
    "read_lock",
    "render_lock",
    "split_name",
]
