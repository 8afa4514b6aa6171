"""Flags that several verbs share, and what they mean as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from kling_pipe.errors import UsageError

DEFAULT_MANIFEST = "kling-pipe.yaml"
F = TypeVar("F", bound=Callable[..., Any])


def _stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


manifest_argument = click.argument("manifest", default=DEFAULT_MANIFEST, type=click.Path(path_type=Path))

variable_options = _stacked(
    click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="Replace a value of `vars:`."),
    click.option(
        "--var-file", "variable_files", multiple=True, type=click.Path(path_type=Path), help="YAML file of such values."
    ),
    click.option("--profile", default="", metavar="NAME", help="Lay a profile of the manifest over its defaults."),
)

compile_options = _stacked(manifest_argument, variable_options)

selection_options = _stacked(
    click.option(
        "-s",
        "--select",
        "select",
        multiple=True,
        metavar="SELECTOR",
        help="Only these: address with globs, tag:x, state:failed; +x with all it needs, x+ with all that need it.",
    ),
    click.option("--exclude", multiple=True, metavar="SELECTOR", help="Not these."),
)

shard_option = click.option(
    "--shard", default="", metavar="2/5", help="Of these the second of five parts: whole chains, for a CI matrix."
)


def other_shards(text: str) -> tuple[str, ...]:
    """What `--shard` leaves out, as selectors: so a saved plan keeps it like any other selection."""
    from kling_pipe.manifest.shards import parsed

    if not text:
        return ()
    number, count = parsed(text)
    return tuple(f"shard:{other}/{count}" for other in range(1, count + 1) if other != number)


accounts_option = click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME",
    help="Only this one of the accounts that kling-pipe.toml names. May be repeated.",
)

account_options = _stacked(
    accounts_option,
    click.option(
        "--emulator",
        is_flag=True,
        help="Talk to the embedded local Kling: free, offline, its files marked as emulated.",
    ),
    click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="State folder of the emulator."),
    click.option(
        "--env-file", type=click.Path(path_type=Path, dir_okay=False), help="Read credentials from this file."
    ),
)


def store_of_verb(text: str) -> Callable[[F], F]:
    """`--store` of a verb that has no campaign's options; `text` says what the database is to it."""
    return click.option(
        "--store", "database", default="", envvar="KLING_PIPE_STORE", metavar="postgresql://...", help=text
    )


store_option = click.option(
    "--store",
    "database",
    default="",
    metavar="postgresql://...",
    help="Keep the ledger in this PostgreSQL, shared by any number of machines. [env: KLING_PIPE_STORE]",
)

place_options = _stacked(
    click.option(
        "--out",
        "bucket",
        default="",
        metavar="s3://BUCKET/PREFIX",
        help="Keep the results in a bucket (also gs://, az://) instead of the folder `out`. [env: KLING_PIPE_OUT]",
    ),
    store_option,
)

standard_option = click.option(
    "--standard",
    default="",
    envvar="KLING_PIPE_STANDARD",
    metavar="v1|v2",
    help="Send requests in the vendor's second standard (v2) where they have a form in it; keys stay the same.",
)


def standard_of(given: str, settings: Mapping[str, Any]) -> str:
    """The standard that a flag, the environment or the settings name; the first one otherwise. Raises UsageError."""
    from kling_pipe.catalog.api_v2 import FIRST, named

    return named(str(given or settings.get("standard") or FIRST))


new_account_option = click.option(
    "--new-account",
    is_flag=True,
    envvar="KLING_PIPE_NEW_ACCOUNT",
    help="Make anew, and pay again, what the lock says was made under another access key.",
)
probe_option = click.option(
    "--probe", is_flag=True, help="Read the first bytes of every link, too: is it there, is it long and large enough."
)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def variables_from(pairs: tuple[str, ...], files: tuple[Path, ...]) -> dict[str, Any]:
    """`--var` and `--var-file` as one mapping; values read as YAML scalars, later ones win."""
    from kling_pipe.manifest.yaml.scalars import plain

    found: dict[str, Any] = {}
    for file in files:
        found |= _variable_file(file)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--var {pair}` is not NAME=VALUE", hint="Write it like --var look='soft light'.")
        found[name.strip()] = plain(value)
    return found


def _variable_file(file: Path) -> dict[str, Any]:
    from kling_pipe.errors import ManifestInvalid
    from kling_pipe.manifest.yaml import read_document

    document = read_document(file, str(file))
    if document.problems:
        raise ManifestInvalid(document.problems)
    if not isinstance(document.data, dict):
        raise UsageError(f"`{file}` is no mapping of names to values")
    return document.data


def environment(env_file: Path | None) -> dict[str, str]:
    """Return the process's environment, under what `--env-file` adds. Raise UsageError for a file that is none."""
    import os

    found = dict(os.environ)
    if env_file is None:
        return found
    try:
        # Editors on Windows begin a file with a byte order mark: without `-sig` it would be a part of the first name.
        lines = env_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"cannot read `{env_file}`: {reason}", hint="check the path of --env-file") from None
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            # The line itself may hold a secret: only its number is named.
            raise UsageError(f"`{env_file}`, line {number}: not NAME=VALUE", hint="write it like KLING_API_KEY=...")
        found[name.strip()] = _without_remark(value).strip().strip("'\"")
    return found


def _without_remark(value: str) -> str:
    """Return a value without the ` # remark` behind it. A `#` inside of quotes or of a word belongs to the value."""
    quoted = re.match(r"""\s*(["'])(?:(?!\1).)*\1(?=\s+#)""", value)
    if quoted:
        return quoted[0]
    return value if value.lstrip().startswith(("'", '"')) else re.sub(r"\s+#.*", "", value)
