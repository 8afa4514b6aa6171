"""Where settings are read from."""

from __future__ import annotations

import platformdirs
import pytest

from kling_pipe.cli.settings import users_folder


@pytest.mark.parametrize("home", [None, "", " ", "/elsewhere/config"])
def test_the_users_folder_is_the_one_that_platformdirs_names(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux it is found without that package, and all the same."""
    if home is None:
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CONFIG_HOME", home)

    assert users_folder() == platformdirs.user_config_path("kling-pipe", appauthor=False)
