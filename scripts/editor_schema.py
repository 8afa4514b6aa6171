"""`python -m scripts.editor_schema [--check]`: write schemas/manifest.schema.json, or exit 1 when it is out of date."""

from __future__ import annotations

import sys

from kling_pipe.catalog.operations import schemas_folder
from kling_pipe.editor.schema import schema_text


def main(args: list[str]) -> int:
    """The exit code: 1 when `--check` finds a difference."""
    file, text = schemas_folder() / "manifest.schema.json", schema_text()
    if "--check" not in args:
        file.write_text(text, encoding="utf-8", newline="\n")
    elif not file.is_file() or file.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{file.name} is out of date: run python -m scripts.editor_schema\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
