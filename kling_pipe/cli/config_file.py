"""Settings from files: `kling-pipe.toml` beside the manifest over the user's own; flags and environment win."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_pipe.core.text import nearest
from kling_pipe.errors import UsageError

FILE = "kling-pipe.toml"
WORDS: Mapping[str, type] = {
    "accounts": dict,
    "base_url": str,
    "jobs": int,
    "out": str,
    "price": str,
    "profile": str,
    "progress": str,
    "provenance": bool,
    "publish": dict,
    "rules": dict,
    "standard": str,
    "spread": str,
    "timeout": str,
}
"""What a settings file may say; `rules` is the table of problem levels, `publish` that of files that go by link."""


def settings_for(root: Path) -> dict[str, Any]:
    """The settings that hold in a campaign's folder. Raises UsageError for a file that cannot be understood."""
    return {**read(users_folder() / FILE), **read(root / FILE)}


def users_folder() -> Path:
    """Where the user's own settings lie."""
    if sys.platform == "linux" and "ANDROID_ROOT" not in os.environ:
        # What platformdirs says there too, which takes a twentieth of a short verb to be imported.
        home = os.environ.get("XDG_CONFIG_HOME", "")
        found = home if home.strip() else os.path.expanduser("~/.config")  # noqa: PTH111  Path raises without a home
        return Path(found, "kling-pipe")
    import platformdirs

    return platformdirs.user_config_path("kling-pipe", appauthor=False)


def read(file: Path) -> dict[str, Any]:
    """One settings file; empty when there is none."""
    try:
        text = file.read_text(encoding="utf-8")
        import tomllib

        found = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # not there to be read, not UTF-8, not TOML
        raise UsageError(
            f"cannot read `{file}`: {error}", hint='It is TOML, such as jobs = 5, or [rules] KP320 = "off".'
        ) from None
    for word, value in found.items():
        _check(file, word, value)
    return found


def _check(file: Path, word: str, value: Any) -> None:
    if word not in WORDS:
        near = nearest(word, WORDS)
        hint = f"Did you mean `{near}`?" if near else f"It may say {', '.join(WORDS)}."
        raise UsageError(f"`{file}` has an unknown setting `{word}`", hint=hint)
    if type(value) is not WORDS[word]:  # for isinstance, true is a whole number
        kind = {str: "text", int: "a whole number", dict: "a table", bool: "true or false"}[WORDS[word]]
        found = "" if word == "accounts" else f", not `{value}`"  # what stands there may be a secret
        raise UsageError(f"`{word}` in `{file}` wants {kind}{found}", hint="Correct the line, or remove it.")
