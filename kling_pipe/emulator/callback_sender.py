"""Tells a task's callback_url of every change of its state, once; signed on request as Standard Webhooks are."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.emulator import api_v2_responses, task_json
from kling_pipe.emulator.accounts import short
from kling_pipe.emulator.faults import CALLBACK, Faults, Subject
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task

TIMEOUT = 5.0
TOLD = (
    "task_id",
    "task_status",
    "task_status_msg",
    "created_at",
    "updated_at",
    "final_unit_deduction",
    "task_info",
    "task_result",
)


def signature(secret: str, message_id: str, seconds: int, body: bytes) -> str:
    """The `webhook-signature` of a message with a `whsec_...` secret. Times in seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is this machine's own."""
    if not host or host == "localhost":
        return host == "localhost"
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class CallbackSender:
    """Sends what `state.changes` holds."""

    def __init__(self, world: State, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="callback")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def send_due(self) -> None:
        """Hand every change to the senders; returns at once."""
        while self._world.changes:
            self._send(*self._world.changes.popleft())

    def close(self) -> None:
        """Forget what was not sent."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, task: Task, moment: int) -> None:
        url = str(task.body.get("callback_url"))
        target = _target(url)
        if target is None or not (self._world.options.callbacks_anywhere or is_loopback(target)):
            self._world.tally.callbacks["not loopback" if target else "bad url"] += 1
            return
        path, owner = urlsplit(url).path, short(task.account)
        rule = self._faults.strike(Subject(CALLBACK, "POST", path, task.operation, task.external_id, owner))
        if rule and rule.fault == "callback_lost":
            self._world.tally.callbacks["lost by a fault"] += 1
            return
        status, body = self._told(task, moment)
        loop = asyncio.get_running_loop()
        for _ in range(2 if rule else 1):
            sent = loop.run_in_executor(self._threads, self._post, url, body, f"{task.task_id}-{status}")
            sent.add_done_callback(self._count)

    def _told(self, task: Task, moment: int) -> tuple[str, bytes]:
        """What is said, in the words of the standard that the task was made in."""
        if task.form:
            data = api_v2_responses.full(self._world, task, moment)
            return str(data["status"]), json.dumps(data).encode()
        data = task_json.full(self._world, task, moment)
        return str(data["task_status"]), json.dumps({name: data[name] for name in TOLD if name in data}).encode()

    def _post(self, url: str, body: bytes, message_id: str) -> str:
        headers = {"Content-Type": "application/json", **self._signed(body, message_id)}
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310  `_target` let http and https pass
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return str(answer.status)
        except OSError as error:
            return str(getattr(error, "code", "not reached"))

    def _signed(self, body: bytes, message_id: str) -> dict[str, str]:
        secret = self._world.options.callback_secret
        if not secret:
            return {}
        now = int(time.time())
        signed = signature(secret, message_id, now, body)
        return {"webhook-id": message_id, "webhook-timestamp": str(now), "webhook-signature": signed}

    def _count(self, sent: asyncio.Future[str]) -> None:
        if not sent.cancelled():
            self._world.tally.callbacks["failed" if sent.exception() else sent.result()] += 1


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would lead away from the loopback."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _target(url: str) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in {"http", "https"} else None
