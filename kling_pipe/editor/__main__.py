"""`python -m kling_pipe.editor [--check]`: print the schema, or say (exit 1) that the checked-in one is out of date.

To renew it: `python -m kling_pipe.editor > schemas/manifest.schema.json`.
"""

from __future__ import annotations

import sys

from kling_pipe.catalog import schemas_folder
from kling_pipe.editor import schema_text


def main(args: list[str]) -> int:
    """The exit code: 1 when `--check` finds a difference."""
    if args != ["--check"]:
        sys.stdout.buffer.write(schema_text().encode())
        return 0
    file = schemas_folder() / "manifest.schema.json"
    if file.is_file() and file.read_text(encoding="utf-8") == schema_text():
        return 0
    sys.stderr.write(f"{file} is out of date: run python -m kling_pipe.editor > {file}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
