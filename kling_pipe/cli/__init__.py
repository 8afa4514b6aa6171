"""The command line. The only place that knows everybody; each family of verbs is loaded when it is called."""

from kling_pipe.cli.main import cli, main

__all__ = ["cli", "main"]
