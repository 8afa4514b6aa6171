"""The address of a database: what is wrong with one, and how it may be shown. Pure."""

from __future__ import annotations

import re

_URL = re.compile(r"postgres(?:ql)?://(?:[^/?@]*@)?(?P<hosts>[^/?@]*)(?:[/?][^@]*)?")
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?")
_IN_FRONT = re.compile(r"(://[^:/@]*):.*@")
_BY_NAME = re.compile(r"(?<=[?&])(?:ssl)?password=[^&]*&?", re.IGNORECASE)


def is_whole(url: str) -> bool:
    """Whether a URL falls into the parts that its writer meant.

    A password with an `@`, `/` or `?` that is not encoded ends where they stand: its rest counts as host, port or
    database, and would be shown in errors as such.
    """
    found = _URL.fullmatch(url)
    return found is not None and all(_HOST.fullmatch(one) for one in found["hosts"].split(","))


def without_password(url: str) -> str:
    """The URL as it may stand in a command that is printed."""
    return _BY_NAME.sub("", _IN_FRONT.sub(r"\1@", url)).rstrip("?&")
