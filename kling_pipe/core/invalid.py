"""What stands where a value was refused, so that one mistake gives one problem."""

from __future__ import annotations


class Invalid:
    """A value that was refused and reported: whatever touches it keeps quiet."""

    __slots__ = ()
