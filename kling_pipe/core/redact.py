"""Texts of others as they may be kept and shown: without the signatures of links, and with nothing to obey. Pure.

Whoever reads a signed link may fetch what it leads to; a terminal obeys control characters, and CI some lines.
"""

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


def bare(link: str) -> str:
    """A link without what it is signed with: scheme, host and path. It leads nowhere by itself."""
    place = re.split("[?#]", link, maxsplit=1)[0]
    scheme, there, rest = place.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" if there else place


LONGEST = 2000
"""Letters of a text that others wrote, at most."""

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)|\x1b[ -/]*[0-~]", re.DOTALL
)
_BREAKS = re.compile(r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\u2028\u2029]+")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_COMMANDS = re.compile(r"(?<!\S)::+|##(?=\w*\[)")
"""`::warning` at the start of a line, `##[group]` and `##vso[...]` anywhere: what GitHub and Azure obey."""


def printable(text: str) -> str:
    """The text in one line that a terminal shows as it is and that CI does not read as a command.

    Control characters and what turns the direction of letters are dropped, half an emoji becomes a question mark.
    """
    if text.isascii() and text.isprintable() and "::" not in text and "##" not in text:
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    whole = _ESCAPES.sub("", text.encode("utf-8", "replace").decode("utf-8"))
    plain = _UNSEEN.sub("", _BREAKS.sub(" ", whole))
    told = _COMMANDS.sub(lambda mark: " ".join(mark.group()), plain)
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}..."
