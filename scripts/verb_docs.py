"""`docs/verbs.md` from the command line itself. `python -m scripts.verb_docs [--check]`."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from kling_pipe.cli.main import cli

_HEAD = """\
<!-- Generated from the command line by `python -m scripts.verb_docs`. Edit the verbs, not this page. -->

# Verbs

Every verb with its flags, as `kling-pipe VERB --help` shows them.
MANIFEST is `kling-pipe.yaml` where it is left out."""


def page() -> str:
    """The whole page as Markdown: a heading for each verb, in the order of `kling-pipe --help`."""
    context = click.Context(cli, info_name="kling-pipe")
    verbs = [(name, cli.get_command(context, name)) for name in cli.list_commands(context)]
    sections = [_section(context, name, verb) for name, verb in verbs if verb is not None]
    return "\n\n".join([_HEAD, *(part for section in sections for part in section)]) + "\n"


def _section(parent: click.Context, name: str, verb: click.Command, level: int = 2) -> Iterator[str]:
    """Heading, what the verb does, how it is called, its flags; then its own verbs, one level below."""
    context = click.Context(verb, parent=parent, info_name=name)
    yield f"{'#' * level} {context.command_path.removeprefix('kling-pipe ')}"
    yield _prose(verb.help or "")
    yield f"```text\n{' '.join([context.command_path, *verb.collect_usage_pieces(context)])}\n```"
    flags = [line for parameter in verb.params if (line := _flag(parameter, context))]
    if flags:
        yield "\n".join(flags)
    if isinstance(verb, click.Group):
        for inner in verb.list_commands(context):
            found = verb.get_command(context, inner)
            if found is not None:
                yield from _section(context, inner, found, level + 1)


def _prose(text: str) -> str:
    """Help as paragraphs; click's marks for its own layout are no part of the text."""
    return _plain(inspect.cleandoc(text).replace("\b\n", "").strip())


def _flag(parameter: click.Parameter, context: click.Context) -> str:
    """One line of the list of flags; empty for what has no explanation of its own, as most arguments."""
    flag, meaning = parameter.get_help_record(context) or ("", "")
    return f"- `{flag}`: {_plain(meaning)}" if meaning else ""


def _plain(text: str) -> str:
    """Text in which `*`, `[` and `<` mean themselves; what stands between backticks does anyway."""
    parts = text.split("`")
    return "`".join(part if at % 2 else re.sub(r"([*\[<])", r"\\\1", part) for at, part in enumerate(parts))


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` say whether it is current (exit 1 if not)."""
    path = Path(__file__).parent.parent / "docs" / "verbs.md"
    text = page()
    if "--check" not in arguments:
        path.write_text(text, encoding="utf-8")
        return 0
    current = path.is_file() and path.read_text(encoding="utf-8") == text
    print(f"docs/verbs.md is {'' if current else 'not '}current")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
