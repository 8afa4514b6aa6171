"""`--standard` by flag, environment and settings, and what it shows: before anything is paid, at the line at fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from program import call

MANIFEST = """\
version: 1
project: standards
budget: { usd: 5 }
images:
  logo: https://example.com/logo.png
videos:
  boat:
    api: text2video
    model_name: kling-v3
    prompt: a paper boat in a rainy gutter
    negative_prompt: captions
    cfg_scale: 0.7
    duration: 5
  film:
    model_name: kling-v3-omni
    mode: std
    aspect_ratio: "16:9"
    shots:
      - { prompt: "the mark of {{ image.logo }} fades in; rain", duration: 3 }
      - { prompt: "a door opens", duration: 2 }
"""
PLANNED = """\
kling-pipe.yaml:11:22: error[KP340] video.boat: `negative_prompt` has no place in the second standard
   11 |     negative_prompt: captions
      |                      ^^^^^^^^
    next: Say in the prompt what must not be seen; `--standard v1` sends it.
    rule: text-to-video pages of kling-3.0-turbo, kling-3.0, kling-2.6 and kling-2.5-turbo, 2026-09
kling-pipe.yaml:12:16: error[KP340] video.boat: `cfg_scale` has no place in the second standard
   12 |     cfg_scale: 0.7
      |                ^^^
    next: Leave it out; `--standard v1` sends it.
    rule: text-to-video pages of kling-3.0-turbo, kling-3.0, kling-2.6 and kling-2.5-turbo, 2026-09
kling-pipe.yaml:12:16: warning[TV-04] video.boat: kling-v3 does not use `cfg_scale`; only kling-v1 and kling-v1-6 do
   12 |     cfg_scale: 0.7
      |                ^^^
    found: 0.7
    next: Leave `cfg_scale` out, or name a model that has it.
    rule: text2video page, 2026-02; series 3.0 specification, 2026-02
kling-pipe.yaml:19:57: warning[KP341] video.film: a `;` ends a shot in the second standard; it is sent as a comma
   19 |       - { prompt: "the mark of {{ image.logo }} fades in; rain", duration: 3 }
      |                                                         ^
    found: after rendering: the mark of <<<image_1>>> fades in; rain
    next: A comma reads the same in both.
    rule: omni-video pages of kling-3.0-omni and kling-o1, 2026-09
error: 2 problems; nothing was sent
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_what_has_no_place_is_shown_and_nothing_is_sent(folder: Path, verb: str) -> None:
    """Every problem of the whole campaign, each at its place; exit 3."""
    done = call(verb, "--standard", "v2", "--emulator", folder=folder)

    assert (done.code, done.out) == (3, "")
    assert done.err == PLANNED
    assert not (folder / ".kling-pipe" / "emulator" / "server" / "server.json").exists()


def test_the_first_standard_takes_it_all(folder: Path) -> None:
    """The same manifest, as ever."""
    assert call("plan", "--emulator", folder=folder).code == 0


def test_keys_do_not_know_of_standards(folder: Path) -> None:
    """The same external ids, units and prices: what was made in one is found in the other."""
    plans = [
        json.loads(call("plan", "-s", "video.film", "--json", "--emulator", *words, folder=folder).out)
        for words in (["--ignore", "KP341"], ["--standard", "v1"])
    ]
    (folder / "kling-pipe.yaml").write_text(
        MANIFEST.replace("    negative_prompt: captions\n    cfg_scale: 0.7\n", ""), encoding="utf-8"
    )
    plans.append(
        json.loads(call("plan", "-s", "video.film", "--json", "--emulator", "--standard", "v2", folder=folder).out)
    )

    assert plans[0] == plans[1] == plans[2]


def test_the_settings_name_it_and_a_flag_wins(folder: Path) -> None:
    """kling-pipe.toml beside the manifest; `--standard v1` is the way back."""
    (folder / "kling-pipe.toml").write_text('standard = "v2"\n', encoding="utf-8")

    assert call("validate", folder=folder).code == 3
    assert call("validate", "--standard", "v1", folder=folder).code == 0
    assert call("plan", "--emulator", folder=folder).code == 3


def test_the_environment_names_it(folder: Path) -> None:
    """KLING_PIPE_STANDARD, below the flag."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KLING_PIPE_STANDARD", "v2")
        assert call("validate", folder=folder).code == 3
        assert call("validate", "--standard", "v1", folder=folder).code == 0


@pytest.mark.parametrize("words", [["validate"], ["plan", "--emulator"], ["render"], ["sync", "--emulator"]])
def test_another_standard_does_not_exist(folder: Path, words: list[str]) -> None:
    """Exit 64, with the two that do; also from a settings file."""
    refused = call(*words, "--standard", "v3", folder=folder)
    (folder / "kling-pipe.toml").write_text('standard = "new"\n', encoding="utf-8")

    assert (refused.code, refused.err) == (64, "error: there is no standard `v3`\n  next: Write v1 or v2.\n")
    assert call(*words, folder=folder).code == 64


def test_render_prints_the_second_form(folder: Path) -> None:
    """What would be sent, with references for what only a run knows."""
    (folder / "kling-pipe.toml").write_text('standard = "v2"\n[rules]\nKP340 = "off"\n', encoding="utf-8")
    [film] = json.loads(call("render", "-s", "video.film", "--standard", "v1", folder=folder).out)
    (folder / "kling-pipe.yaml").write_text(
        MANIFEST.replace("    negative_prompt: captions\n    cfg_scale: 0.7\n", ""), encoding="utf-8"
    )
    [boat, again] = json.loads(call("render", folder=folder).out)

    assert film["path"] == "/v1/videos/omni-video"
    assert boat == {
        "address": "video.boat", "operation": "text2video", "method": "POST", "path": "/text-to-video/kling-3.0",
        "body": {
            "prompt": "a paper boat in a rainy gutter",
            "settings": {"multi_shot": False, "audio": "off", "resolution": "720p", "duration": 5},
        },
    }  # fmt: skip
    assert again["body"]["contents"] == [
        {"type": "prompt", "text": "shot 1, 3, the mark of @image_1 fades in, rain; shot 2, 2, a door opens;"},
        {"type": "refer_image", "url": "https://example.com/logo.png", "id": "image_1"},
    ]


def test_a_signed_token_is_refused_before_anything_is_sent(folder: Path) -> None:
    """The second standard takes API keys alone: exit 4, and which variable to set."""
    environ = folder / "keys"
    environ.write_text("KLING_ACCESS_KEY=a\nKLING_SECRET_KEY=b\nKLING_BASE_URL=http://127.0.0.1:9\n", encoding="utf-8")
    (folder / "kling-pipe.yaml").write_text(
        MANIFEST.replace("    negative_prompt: captions\n    cfg_scale: 0.7\n", ""), encoding="utf-8"
    )
    refused = call("run", "-y", "--standard", "v2", "--env-file", "keys", folder=folder)

    assert refused.code == 4
    assert "the second standard takes an API key and no signed token" in refused.err
    assert "KLING_API_KEY" in refused.err


def test_of_both_kinds_of_keys_the_second_standard_takes_its_own(tmp_path: Path) -> None:
    """The whole run goes by the API key: it may be another account's, and what is looked up must be what is paid."""
    from kling_pipe.api import open_workspace
    from kling_pipe.client.credentials import ApiKey

    both = {"KLING_ACCESS_KEY": "a", "KLING_SECRET_KEY": "b", "KLING_API_KEY": "c"}
    workspace = open_workspace(tmp_path / "kling-pipe.yaml", environ=both)
    alone = open_workspace(tmp_path / "kling-pipe.yaml", environ={"KLING_API_KEY": "c"})
    second = workspace.spoken_in("v2")

    assert second.connection()[1] == ApiKey("c")
    assert second.account == alone.account != workspace.account
    assert workspace.spoken_in("v1").account == workspace.account
