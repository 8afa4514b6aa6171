"""Which problems count: `--ignore`, `--select-rules`, `--strict`, and `[rules]` of the `kling-pipe.toml` at hand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.report.levels import Levels

SETTINGS = "kling-pipe.toml"
F = TypeVar("F", bound=Callable[..., Any])


def level_options(command: F) -> F:
    """The flags about problems, handed over as `levels`: a function of the manifest's path."""

    @click.option(
        "--ignore", "ignored", multiple=True, metavar="ID", help="Leave this problem out: OV-05, KP320, OV-*."
    )
    @click.option(
        "--select-rules",
        "only",
        multiple=True,
        metavar="ID",
        help="Only these; what prevents a compile is always shown.",
    )
    @click.option("--strict", is_flag=True, help="Warnings are errors.")
    @functools.wraps(command)
    def wrapped(*args: Any, ignored: tuple[str, ...], only: tuple[str, ...], strict: bool, **others: Any) -> Any:
        def levels(manifest: Path) -> Levels:
            return levels_from(manifest, _listed(ignored), _listed(only), strict)

        return command(*args, levels=levels, **others)

    return wrapped  # type: ignore[return-value]


def levels_from(manifest: Path, ignored: Iterable[str], only: Iterable[str], strict: bool) -> Levels:
    """The flags over the settings beside the manifest. Raises `UsageError` for an id or a level that does not exist."""
    from kling_pipe.report.levels import Levels

    for flag, ids in (("--ignore", ignored), ("--select-rules", only)):
        for id in ids:
            _check_id(id, f"{flag} {id}")
    return Levels(tuple(ignored), tuple(only), _rules(manifest.parent / SETTINGS), strict)


def _listed(values: Iterable[str]) -> list[str]:
    return [id.strip() for value in values for id in value.split(",") if id.strip()]


def _rules(file: Path) -> Mapping[str, str]:
    import tomllib

    from kling_pipe.report.levels import LEVELS

    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"cannot read `{file}`: {error}", hint='It is TOML: [rules] and then lines such as KP320 = "off".'
        ) from None
    rules = found.get("rules", {})
    if not isinstance(rules, dict):
        raise UsageError(f"`rules` in `{file}` is no table", hint='Write [rules] and then lines such as KP320 = "off".')
    for id, level in rules.items():
        _check_id(id, f"{id} in {file}")
        if level not in LEVELS:
            raise UsageError(f"`{id} = {level!r}` in `{file}` is no level", hint=f"Levels are {', '.join(LEVELS)}.")
    return rules


def _check_id(id: str, said: str) -> None:
    from fnmatch import fnmatchcase

    from kling_pipe.nearest import nearest
    from kling_pipe.problems import known_ids

    known = known_ids()
    if not any(fnmatchcase(one.upper(), id.upper()) for one in known):
        near = nearest(id.upper(), known)
        hint = f"Did you mean `{near}`?" if near else "`kling-pipe explain` lists all ids."
        raise UsageError(f"`{said}`: there is no problem of this id", hint=hint)
