"""`python -m kling_pipe.emulator`: serve a local Kling in the foreground."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kling_pipe.emulator import options
from kling_pipe.errors import KlingPipeError


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m kling_pipe.emulator", description=__doc__)
    parser.add_argument("--state", type=Path, help="folder that keeps tasks and media; without it nothing is kept")
    parser.add_argument("--quiet", action="store_true", help="do not print the environment lines")
    parser.add_argument("--options", help="all options as JSON, in place of the flags")
    options.add_arguments(parser)
    given = parser.parse_args()
    chosen = options.from_json(given.options) if given.options else options.from_arguments(given)
    from kling_pipe.emulator.server import serve

    try:
        serve(given.state, chosen, quiet=given.quiet)
    except KlingPipeError as error:
        print(f"{error.message}; {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
