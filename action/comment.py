#!/usr/bin/env python3
"""Write a Markdown file as a comment on the pull request of this CI job; update the one that is there already.

    comment.py FILE NAME     NAME tells the comments of several manifests apart

Reads what GitHub Actions sets (GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_EVENT_PATH) and GITHUB_TOKEN. Nothing but the
standard library. A missing right (pull requests from forks have a read-only token) is a notice, not a failure: the same
text is on the job's summary page.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOST = 65_000
PAGE = 100
_CUT = "\n\n... cut here; the whole text is on the summary page of the job.\n"


def main(words: list[str], environ: Mapping[str, str]) -> int:
    """The exit code: 0 when the comment stands, or cannot stand and it was said why."""
    if len(words) != 2:
        print("usage: comment.py FILE NAME", file=sys.stderr)
        return 64
    number = pull_request(environ)
    if number is None:
        print("no pull request: no comment")
        return 0
    marker = f"<!-- kling-pipe {words[1].replace('--', '- -').replace('>', '')} -->"
    try:
        print(put(environ, number, marker, body(Path(words[0]), marker)))
    except urllib.error.HTTPError as error:
        if error.code not in (401, 403, 404):
            raise
        print(f"::notice::kling-pipe may not comment on this pull request ({error.code}); see the job's summary page")
    return 0


def pull_request(environ: Mapping[str, str]) -> int | None:
    """The number of the pull request that the event is about."""
    file = environ.get("GITHUB_EVENT_PATH")
    event = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
    number = event.get("pull_request", {}).get("number")
    return number if isinstance(number, int) else None


def body(file: Path, marker: str) -> str:
    """The comment's text, with its marker, within what the service takes."""
    text = f"{marker}\n{file.read_text(encoding='utf-8')}"
    return text if len(text) <= MOST else text[: MOST - len(_CUT)] + _CUT


def put(environ: Mapping[str, str], number: int, marker: str, text: str) -> str:
    """Update the comment that carries the marker, or write a new one."""
    base = f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}/issues"
    token = environ.get("GITHUB_TOKEN", "")
    for comment in comments(f"{base}/{number}/comments", token):
        if comment["body"].startswith(marker):
            request("PATCH", f"{base}/comments/{comment['id']}", token, {"body": text})
            return "comment updated"
    request("POST", f"{base}/{number}/comments", token, {"body": text})
    return "comment written"


def comments(url: str, token: str) -> Iterator[dict[str, Any]]:
    """Every comment of a pull request, page by page."""
    page = 1
    while True:
        found = request("GET", f"{url}?per_page={PAGE}&page={page}", token)
        yield from found
        if len(found) < PAGE:
            return
        page += 1


def request(method: str, url: str, token: str, data: Mapping[str, Any] | None = None) -> Any:
    """One call of GitHub's API. The token is in no message of any error."""
    headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {token}", "User-Agent": "kling-pipe"}
    sent = urllib.request.Request(url, method=method, headers=headers, data=json.dumps(data).encode() if data else None)  # noqa: S310 - the service names its own API
    with urllib.request.urlopen(sent, timeout=30) as answer:  # noqa: S310 - the same
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
