"""Texts without the signatures of links: whoever reads such a link may fetch what it leads to. Pure."""

from __future__ import annotations

import re

_SIGNED = re.compile(
    r"""(?P<place>[a-z][a-z0-9+.-]*://[^\s"'<>?]+)\?[^\s"'<>]*?(?:signature|sig)(?:=|%3d)[^\s"'<>]*""",
    re.IGNORECASE,
)


def unsigned(text: str) -> str:
    """The text with every signed link cut down to its place: what Kling or a bucket says may quote one."""
    return _SIGNED.sub(r"\g<place>", text) if "?" in text else text
