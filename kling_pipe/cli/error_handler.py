"""The one place where errors become messages and exit codes. A user never sees a traceback; a bug writes a report."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from kling_pipe.cli.colour import from_environment
from kling_pipe.cli.streams import patient_streams
from kling_pipe.errors import Interrupted, KlingPipeError, ManifestInvalid
from kling_pipe.report.problem_details import sentence

USAGE = 64
BUG = 70
LOCAL = 74


def run_guarded(command: click.Command, args: list[str] | None, seams: Any) -> None:
    """Run a command and exit with its code."""
    with patient_streams(), click.Context(command, color=from_environment(os.environ)) as root:
        _run(command, args, seams, root)


def _run(command: click.Command, args: list[str] | None, seams: Any, root: click.Context) -> NoReturn:
    try:
        code = command.main(args, prog_name="kling-pipe", standalone_mode=False, obj=seams, parent=root)
    except click.Abort:
        sys.exit(_tell("interrupted", "Run again to go on.", Interrupted.exit_code))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(USAGE)
    except click.ClickException as error:
        sys.exit(_usage(error))
    except KlingPipeError as error:
        sys.exit(_expected(error))
    except KeyboardInterrupt:
        sys.exit(_tell("interrupted", "Run again to go on.", Interrupted.exit_code))
    except OSError as error:
        sys.exit(_tell(_os_message(error), "Check the path, its rights and the free space; then run again.", LOCAL))
    except Exception as error:
        sys.exit(_bug(error))
    sys.exit(code if isinstance(code, int) else 0)


def _os_message(error: OSError) -> str:
    where = f"`{error.filename}`: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def tell(message: str, hint: str, *, word: str = "error", fg: str = "red") -> None:
    """An error (or what else `word` says) and the next step, on stderr."""
    click.echo(click.style(f"{word}: ", fg=fg, bold=True) + message, err=True)
    if hint:
        click.echo(f"  next: {sentence(hint)}", err=True)


def _tell(message: str, hint: str, code: int) -> int:
    tell(message, hint)
    return code


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    _tell(error.format_message(), "", USAGE)
    if context is not None:
        click.echo(f"  next: `{context.command_path} --help` shows what there is.", err=True)
    return USAGE


def _expected(error: KlingPipeError) -> int:
    if isinstance(error, ManifestInvalid):
        from kling_pipe.report.problem_text import problems_text

        click.echo(problems_text(error.problems), err=True)
    return _tell(error.message, error.hint, error.exit_code)


def _bug(error: Exception) -> int:
    """Write a report that is ready to paste, without the environment's secrets, and name it."""
    import platform
    import tempfile
    import traceback
    from pathlib import Path

    from kling_pipe import __version__

    trace = "".join(traceback.format_exception(error))
    words = [word if not word.startswith("/") else Path(word).name for word in sys.argv[1:]]
    report = (
        f"### kling-pipe {__version__}: {type(error).__name__}\n\n- command: `kling-pipe {' '.join(words)}`\n"
        f"- Python {platform.python_version()} on {platform.system()}\n\n```\n{_without_secrets(trace)}```\n"
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w", suffix=".md", prefix="kling-pipe-bug-", delete=False, encoding="utf-8"
        ) as file:
            file.write(report)
        hint = f"Please open an issue with the text of {file.name}. Nothing that was paid for is lost: run again."
    except OSError:
        hint = "Please open an issue with this message."
    return _tell(f"this is a bug in kling-pipe: {_without_secrets(f'{type(error).__name__}: {error}')}", hint, BUG)


def _without_secrets(text: str) -> str:
    from kling_pipe.core.redact import unsigned

    for name, value in os.environ.items():
        if name.startswith("KLING") and ("KEY" in name or "SECRET" in name) and len(value) > 3:
            text = text.replace(value, "***")
    return unsigned(text)
