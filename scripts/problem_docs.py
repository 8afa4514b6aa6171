"""`python -m scripts.problem_docs [--check]`: write docs/problems.md, or exit 1 when it is out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from kling_pipe.report.explanations.problem_page import page_text

PAGE = Path(__file__).parent.parent / "docs" / "problems.md"


def main(args: list[str]) -> int:
    """The exit code: 1 when `--check` finds a difference."""
    text = page_text()
    if "--check" not in args:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{PAGE.name} is out of date: run python -m scripts.problem_docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
