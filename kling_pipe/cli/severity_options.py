"""Which problems count: `--ignore`, `--select-rules`, `--strict`, and `[rules]` of the `kling-pipe.toml` at hand."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.report.severity import Levels

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
    from kling_pipe.report.severity import Levels

    for flag, ids in (("--ignore", ignored), ("--select-rules", only)):
        for id in ids:
            _check_id(id, f"`{flag} {id}`")
    return Levels(tuple(ignored), tuple(only), _rules(manifest.parent), strict)


def _listed(values: Iterable[str]) -> list[str]:
    return [id.strip() for value in values for id in value.split(",") if id.strip()]


def _rules(root: Path) -> Mapping[str, str]:
    from kling_pipe.cli.config_file import FILE, settings_for
    from kling_pipe.report.severity import LEVELS

    rules: Mapping[str, str] = settings_for(root).get("rules", {})
    for id, level in rules.items():
        _check_id(id, f"`{id}` in `{FILE}`")
        if level not in LEVELS:
            raise UsageError(f"`{id} = {level!r}` in `{FILE}` is no level", hint=f"Levels are {', '.join(LEVELS)}.")
    return rules


def _check_id(id: str, said: str) -> None:
    from fnmatch import fnmatchcase

    from kling_pipe.core.text import nearest
    from kling_pipe.report.explanations import known_ids

    known = known_ids()
    if not any(fnmatchcase(one.upper(), id.upper()) for one in known):
        near = nearest(id.upper(), known)
        hint = f"Did you mean `{near}`?" if near else "`kling-pipe explain` lists all ids."
        raise UsageError(f"{said}: there is no problem of this id", hint=hint)
