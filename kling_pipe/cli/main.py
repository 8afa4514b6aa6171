"""The program: verbs by name, global flags, and one boundary for errors."""

from __future__ import annotations

import atexit
import gc
from importlib import import_module
from typing import Any

import click

from kling_pipe.cli.colour import color_option
from kling_pipe.cli.error_handler import run_guarded

VERBS = {
    "init": ("project", "Write a first manifest into this folder."),
    "validate": ("validate", "Check the manifest, its templates, files and requests; offline."),
    "render": ("validate", "Print the compiled API requests; offline."),
    "graph": ("validate", "Print the dependencies as mermaid or dot."),
    "plan": ("plan", "Show what a run would do, and what it would cost; offline unless --refresh."),
    "simulate": ("simulate", "Run the plan on paper: time, slots, units and money; offline."),
    "run": ("run", "Make what is missing, wait, and save the files."),
    "wait": ("run", "Wait for tasks that are under way; create nothing."),
    "worker": ("fleet", "Carry out what `run --store ... --detach` queued, on any number of machines."),
    "cancel": ("fleet", "Take back what is queued in a store and not sent yet."),
    "retry": ("run", "Try failed jobs again, as new attempts."),
    "promote": ("promote", "Make the final version of approved drafts, and of nothing else."),
    "status": ("records", "Show what was made, what is under way and what failed."),
    "pull": ("records", "Fetch every file that the lock records; create nothing."),
    "adopt": ("records", "Bind a job to a task or element that exists already."),
    "sync": ("records", "Rebuild ledger and lock from the account; create nothing."),
    "merge-lock": ("merge_lock", "Bring the locks of several machines or branches together."),
    "ledger": ("ledger", "Move the ledger to another machine, to a fleet's database, and back."),
    "fmt": ("fmt", "Put manifests into canonical form; --check and --diff write nothing."),
    "pick": ("pick", "Say which take counts: writes `pick:` into the manifest."),
    "cost": ("cost", "Show units estimated and charged, by kind, model, tag or matrix axis."),
    "report": ("report", "Make the contact sheet: every result on one page that opens from disk."),
    "check": ("catalog", "Check a raw request body against an operation."),
    "explain": ("explain", "Explain a problem's id, or a file that was made."),
    "operations": ("catalog", "List the operations, or show one."),
    "schema": ("catalog", "Print a JSON Schema: `manifest` or an operation."),
    "lsp": ("lsp", "Serve editors: problems, completion, hover, rename, over stdin and stdout."),
    "emulator": ("emulator", "Run the local Kling."),
    "prune": ("prune", "Delete elements and voices at Kling that no manifest uses any more."),
    "doctor": ("project", "Check this machine, the credentials and the account."),
    "completion": ("project", "Print a completion script for bash, zsh or fish."),
}


class Verbs(click.Group):
    """Verbs that are imported when they are called, so that `--help` stays quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order of a first day, not of the alphabet."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The verb, imported now."""
        if name not in VERBS:
            return None
        module = import_module(f"kling_pipe.cli.{VERBS[name][0]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their one line, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A misspelt verb gets the nearest one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from kling_pipe.core.text import nearest

            near = nearest(args[0], VERBS)
            ctx.fail(f"no such command `{args[0]}`." + (f" Did you mean `{near}`?" if near else ""))
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from kling_pipe import __version__

        click.echo(f"kling-pipe {__version__}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@color_option
def cli() -> None:
    """Terraform for generated video: a campaign as YAML, made once, paid once.

    Start with `kling-pipe init`, then `kling-pipe run --emulator`.
    """


def main(args: list[str] | None = None, **seams: Any) -> None:
    """Entry point of the console script. Exits with the codes that the README lists."""
    # What a verb makes it needs to its end: looking through all of it again and again costs a tenth of a large plan.
    gc.set_threshold(50_000, 20, 100)
    # Python looks through all that is left when it ends, for a tenth of a short verb's time: there is no garbage in it.
    atexit.register(gc.freeze)
    run_guarded(cli, args, seams)
