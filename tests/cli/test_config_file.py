"""Where settings are read from."""

from __future__ import annotations

import platformdirs
import pytest

from kling_pipe.cli.config_file import WORDS, users_folder
from kling_pipe.manifest.keywords import SETTINGS


@pytest.mark.parametrize("home", [None, "", " ", "/elsewhere/config"])
def test_the_users_folder_is_the_one_that_platformdirs_names(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux it is found without that package, and all the same."""
    if home is None:
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", home)

    assert users_folder() == platformdirs.user_config_path("kling-pipe", appauthor=False)


def test_the_words_that_a_manifest_sends_on_are_settings() -> None:
    """Whoever writes one into the manifest is told the file where it belongs."""
    assert set(SETTINGS) <= set(WORDS)
