"""The words of the manifest language that are the tool's own. None of them equals an API field (a test asserts it)."""

from __future__ import annotations

KINDS = {"elements": "element", "voices": "voice", "audios": "audio", "images": "image", "videos": "video"}
PLURALS = {kind: plural for plural, kind in KINDS.items()}
DEFAULT_API = {"element": "element", "voice": "voice", "audio": "tts", "image": "omni-image", "video": "omni-video"}

TOP_LEVEL = ("version", "project", "vars", "budget", "limits", "retries", "defaults", "profiles", "include", *KINDS)

SETTINGS = ("accounts", "base_url", "jobs", "out", "price", "profile", "publish", "spread", "standard", "timeout")
"""Words of `kling-pipe.toml` that somebody might look for in a manifest."""

RECIPE = (
    "api",
    "raw",
    "matrix",
    "takes",
    "pick",
    "frozen",
    "tags",
    "needs",
    "save_as",
    "retries",
    "account",
    "references",
    "shots",
)
"""Words every recipe may use, beside the operation's fields and the sugar that its data lists."""

DEFAULTS = ("api", "tags", "retries", "takes", "account")
"""Words of RECIPE that `defaults` and profiles may hold beside the operation's fields."""

SHOT = ("prompt", "duration")
BUDGET = ("usd", "video", "image", "per_job")
PER_JOB = ("usd", "video", "image")
MATRIX = ("from", "axes", "include", "exclude")
