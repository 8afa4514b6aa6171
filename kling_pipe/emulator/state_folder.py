"""Where a local Kling keeps its state; and where it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kling_pipe.errors import LocalStateError


@contextmanager
def kept_in(state: Path) -> Iterator[None]:
    """What the disk or a damaged file says becomes a LocalStateError with the place and the next step."""
    try:
        yield
    except (OSError, json.JSONDecodeError) as error:
        why = (error.strerror or error) if isinstance(error, OSError) else "its `account.json` is damaged"
        raise LocalStateError(
            f"the local Kling cannot keep its state in `{state}`: {why}",
            hint="make that folder writable, or name another one with --state",
        ) from error
