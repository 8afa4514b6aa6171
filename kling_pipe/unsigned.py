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


_QUERY = re.compile(
    r"""(?P<scheme>https?://)(?:[^\s"'<>?#/@]*@)?(?P<place>[^\s"'<>?#]*)(?:[?#](?P<rest>[^\s"'<>]*))?""", re.IGNORECASE
)


def shown(text: str, before: int = 0) -> str:
    """The text with every link as it may be printed: without a password, and with `?...` for its query.

    What a person wrote may hold a key under any name, so all of the query goes. Links that end before the place
    `before` keep their length, so that what follows stands where it stood.
    """
    return _QUERY.sub(lambda link: _place(link, before), text) if "://" in text else text


def _place(link: re.Match[str], before: int) -> str:
    short = f"{link['scheme']}{link['place']}{'?...' if link['rest'] else ''}"
    return short.ljust(len(link[0]), ".") if link.end() <= before else short
