"""Kling over HTTP: the envelope, error classes, create, get, list, download. The library is imported at first use."""

from kling_pipe.client.answers import (
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
from kling_pipe.client.calls import Client
from kling_pipe.client.codes import Code, code_row, task_failure
from kling_pipe.client.wire import READ_SECONDS

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
