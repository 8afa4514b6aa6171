"""Media URLs: signed, bound to a task's result, and good until a moment of the emulator's clock."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from kling_pipe.emulator.answers import Refusal

PATH = re.compile(r"^/media/(?P<name>\d{18}/\d+|blobs/[0-9a-f]{64})\.(?P<extension>[a-z0-9]{2,5})$")


@dataclass(slots=True)
class SignedUrls:
    """Makes and checks URLs with a state folder's own key. `spoiled` holds signatures that a fault has expired."""

    key: bytes
    spoiled: set[str]

    def url(self, base: str, name: str, extension: str, issued: int, expires: int) -> str:
        """The URL of `<task id>/<number>` or `blobs/<sha256>`, good until `expires` (ms)."""
        path = f"/media/{name}.{extension}"
        return f"{base}{path}?issued={issued}&expires={expires}&signature={self._sign(path, issued, expires)}"

    def check(self, path: str, query: str, now: int) -> None:
        """Raise Refusal with HTTP 403 unless the URL is ours, unaltered and still good."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        try:
            issued, expires = int(given["issued"]), int(given["expires"])
            signed = hmac.compare_digest(given["signature"], self._sign(path, issued, expires))
        except (KeyError, ValueError, TypeError):
            signed = False
        if not signed:
            raise Refusal(1103, "the signature of this URL is wrong", http=403)
        if now >= expires or given["signature"] in self.spoiled:
            raise Refusal(1103, "this URL has expired", http=403)

    def spoil(self, query: str) -> None:
        """Let one URL expire now; the next answer about its task carries a fresh one."""
        self.spoiled.update(parse_qs(query).get("signature", ()))

    def _sign(self, path: str, issued: int, expires: int) -> str:
        return hmac.new(self.key, f"{path}|{issued}|{expires}".encode(), hashlib.sha256).hexdigest()[:32]


def parts(url: str) -> tuple[str, str] | None:
    """`(name, extension)` when the path of a URL is one of ours, whatever its host; else None."""
    try:
        match = PATH.match(urlsplit(url).path)
    except ValueError:
        return None
    return (match["name"], match["extension"]) if match else None
