"""Answers in Kling's envelope, and refusals with Kling's codes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from kling_pipe.catalog import operations

JSON_TYPE = "application/json"

MESSAGES: Mapping[int, str] = {
    1000: "Authentication failed",
    1001: "Authorization is empty",
    1002: "Authorization is invalid",
    1003: "Authorization is not yet valid",
    1004: "Authorization has expired",
    1100: "Account exception",
    1101: "Account in arrears",
    1102: "Account balance not enough",
    1103: "Unauthorized access to the requested resource",
    1200: "Failed to resolve the request body",
    1201: "Invalid parameters",
    1202: "The requested method is invalid",
    1203: "The requested resource does not exist",
    1300: "Trigger strategy of the platform",
    1301: "Trigger the content security policy of the platform",
    1302: "The API request is too fast, exceeding the platform rate limit",
    1303: "parallel task over resource pack limit",
    1304: "Trigger the IP whitelisting policy of the platform",
    5000: "Server internal error",
    5001: "Server temporarily unavailable",
    5002: "Server internal timeout",
}


def http_status(code: int) -> int:
    """The HTTP status that goes with a code."""
    return int(operations.error(code)["http"] or 400)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: bytes
    media_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(Exception):
    """The answer is an error: a code, its HTTP status and a message. Nothing was created."""

    def __init__(self, code: int, message: str = "", *, http: int = 0) -> None:
        super().__init__(message or MESSAGES.get(code, "error"))
        self.code = code
        self.http = http or http_status(code)

    @property
    def answer(self) -> Answer:
        """As the client sees it: no `data`."""
        body = {"code": self.code, "message": str(self), "request_id": request_id()}
        return Answer(self.http, json.dumps(body).encode())


def request_id() -> str:
    """A fresh id in the shape of a UUID."""
    digits = secrets.token_hex(16)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def success(data: str) -> Answer:
    """Code 0 around data that is already JSON text."""
    return Answer(200, f'{{"code":0,"message":"SUCCEED","request_id":"{request_id()}","data":{data}}}'.encode())
