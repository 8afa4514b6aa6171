"""The page that a CI service shows for a job: written where the environment asks for it."""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "GITHUB_STEP_SUMMARY"


def write_step_summary(text: str, environ: Mapping[str, str]) -> bool:
    """Append Markdown to the file that `GITHUB_STEP_SUMMARY` names. False when there is none, or it cannot be written.

    A summary is a courtesy: a full disk here must not fail a run whose films are paid for and saved.
    """
    target = environ.get(VARIABLE, "")
    if not target:
        return False
    try:
        with open(target, "a", encoding="utf-8") as file:  # noqa: PTH123 - the service names a file, not a path of ours
            file.write(text if text.endswith("\n") else f"{text}\n")
    except OSError:
        return False
    return True
