"""Kling over HTTP: the envelope, error classes, create, get, list, download. The library is imported at first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.client.client import Client
    from kling_pipe.client.error_codes import Code, code_row, task_failure
    from kling_pipe.client.responses import (
        Created,
        Downloaded,
        Found,
        Gone,
        InDoubt,
        Listed,
        NotFound,
        Oddities,
        Prepared,
        Refused,
        TaskState,
    )
    from kling_pipe.client.transport import READ_SECONDS

__all__ = [
    "READ_SECONDS",
    "Client",
    "Code",
    "Created",
    "Downloaded",
    "Found",
    "Gone",
    "InDoubt",
    "Listed",
    "NotFound",
    "Oddities",
    "Prepared",
    "Refused",
    "TaskState",
    "code_row",
    "task_failure",
]
__getattr__ = on_demand(
    __name__,
    {
        "client": "Client",
        "error_codes": "Code code_row task_failure",
        "responses": "Created Downloaded Found Gone InDoubt Listed NotFound Oddities Prepared Refused TaskState",
        "transport": "READ_SECONDS",
    },
)
