"""Kling over HTTP: the envelope, the error classes, create, get, list and download. Imports httpx when first used."""

from kling_pipe.client.answers import (
    Answer,
    Created,
    Downloaded,
    Found,
    Gone,
    InDoubt,
    Listed,
    NotFound,
    Prepared,
    Refused,
    TaskState,
)
from kling_pipe.client.calls import Client
from kling_pipe.client.codes import Code, code_row, task_failure

__all__ = [
    "Answer",
    "Client",
    "Code",
    "Created",
    "Downloaded",
    "Found",
    "Gone",
    "InDoubt",
    "Listed",
    "NotFound",
    "Prepared",
    "Refused",
    "TaskState",
    "code_row",
    "task_failure",
]
