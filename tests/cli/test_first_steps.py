"""What a new user types: from the wrong folder, with a wrong name, without credentials."""

from pathlib import Path

import pytest
from program import call

MANIFEST = """\
version: 1
project: tea
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: "1:1" }
images:
  cup: { prompt: a cup of tea, account: main }
  field: { prompt: a tea field }
"""
ACCOUNTS = """\
[accounts.main]
api_key_env = "KLING_PIPE_TESTS_MAIN"
[accounts.second]
api_key_env = "KLING_PIPE_TESTS_SECOND"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign in `tea/`, with two accounts that have no credentials here."""
    made = tmp_path / "tea"
    (made / "out").mkdir(parents=True)
    (made / "kling-pipe.yaml").write_text(MANIFEST, encoding="utf-8")
    (made / "kling-pipe.toml").write_text(ACCOUNTS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("where", "words", "meant"),
    [
        ("", (), "tea/kling-pipe.yaml"),
        ("", ("tea",), "tea/kling-pipe.yaml"),
        ("tea/out", (), "../kling-pipe.yaml"),
        ("tea", ("kling-pip.yaml",), "kling-pipe.yaml"),
        ("", ("tea/klingpipe.yaml",), "tea/kling-pipe.yaml"),
        ("", ("nowhere/campaign.yaml",), ""),
        ("", ("../nowhere/kling-pipe.yaml",), ""),
    ],
)
def test_the_manifest_that_was_meant_is_named(folder: Path, where: str, words: tuple[str, ...], meant: str) -> None:
    """For who stands one folder too high or too low, names the folder, or misspells the file."""
    done = call("plan", *words, folder=folder / where)
    assert done.code == 3
    assert "error[KP009] cannot read" in done.err
    assert (f"did you mean: `{meant}`?" in done.err) if meant else ("did you mean" not in done.err)


def test_accounts_without_credentials_are_no_strangers(folder: Path) -> None:
    """All their ids are empty; their names are not."""
    done = call("plan", folder=folder / "tea")
    assert done.code == 0
    assert "KP408" not in done.err


@pytest.mark.parametrize("verb", ["validate", "plan", "run", "status"])
def test_an_account_that_nobody_named_is_an_error_to_every_verb(folder: Path, verb: str) -> None:
    """At its place, once for both takes; nothing is sent, not even what could be."""
    manifest = folder / "tea" / "kling-pipe.yaml"
    manifest.write_text(MANIFEST.replace("account: main", "account: mian, takes: 2"), encoding="utf-8")
    done = call(verb, folder=folder / "tea")
    assert done.code == 3
    assert (
        done.out + done.err
        == f"""\
kling-pipe.yaml:6:41: error[KP408] image.cup: there is no account `mian` (and so in 1 more)
    6 |   cup: {{ prompt: a cup of tea, account: mian, takes: 2 }}
      |                                         ^^^^
    did you mean: `main`?
    allowed: main, second
    next: Name one that stands under [accounts] in kling-pipe.toml, or add it there.
{"kling-pipe.yaml: 1 error, 0 warnings" if verb == "validate" else "error: 1 problem; nothing was sent"}
"""
    )


def test_an_account_of_a_campaign_whose_settings_name_none(folder: Path) -> None:
    """Also where `defaults:` ask for it, whose line is told."""
    (folder / "tea" / "kling-pipe.toml").unlink()
    text = MANIFEST.replace(", account: main", "").replace('"1:1" }', '"1:1", account: main }')
    (folder / "tea" / "kling-pipe.yaml").write_text(text, encoding="utf-8")
    done = call("plan", folder=folder / "tea")
    assert done.code == 3
    assert "kling-pipe.yaml:4:86: error[KP408] image.cup: there is no account `main` (and so in 1 more)" in done.err


def test_a_ledger_that_only_the_rehearsal_has(folder: Path) -> None:
    """`ledger export` says where it is."""
    kept = folder / "tea" / ".kling-pipe" / "emulator"
    kept.mkdir(parents=True)
    (kept / "ledger.sqlite").touch()
    done = call("ledger", "export", "moved.jsonl", folder=folder / "tea")
    assert done.code == 74
    assert "next: The rehearsal has one: --emulator." in done.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("api-singapore.klingai.com", " (`api-singapore.klingai.com`)"),
        ("https://api-singapore.klingai.com/v1/", " (`https://api-singapore.klingai.com/v1/`)"),
        ("http://[::1", " (`http://[::1`)"),
        ("http://127.0.0.1:port", " (`http://127.0.0.1:port`)"),
        ("https://me:secret@gate.example", ""),
    ],
)
def test_a_base_url_that_is_none_is_told_before_anything_is_asked(folder: Path, url: str, shown: str) -> None:
    """With the variable's name, and never with a password."""
    (folder / "e").write_text(f"KLING_API_KEY=x\nKLING_BASE_URL={url}\n", encoding="utf-8")
    (folder / "tea" / "kling-pipe.toml").unlink()
    done = call("run", "tea/kling-pipe.yaml", "-s", "image.field", "--env-file", "e", folder=folder)
    assert done.code == 64
    assert f"error: `KLING_BASE_URL` is no URL of a host{shown}\n" in done.err
    assert "secret" not in done.out + done.err
