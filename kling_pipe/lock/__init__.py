"""`kling-pipe.lock`: the committed record of what was made, one sorted block per job."""

from kling_pipe.lock.blocks import (
    Block,
    Lock,
    block_name,
    failed_block,
    failed_record,
    made_block,
    made_record,
    split_name,
)
from kling_pipe.lock.file import LockFile, read_lock
from kling_pipe.lock.merge import merged
from kling_pipe.lock.text import parse, written

__all__ = [
    "Block",
    "Lock",
    "LockFile",
    "block_name",
    "failed_block",
    "failed_record",
    "made_block",
    "made_record",
    "merged",
    "parse",
    "read_lock",
    "split_name",
    "written",
]
