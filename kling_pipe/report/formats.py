"""The forms that problems can be printed in, by the names that `--format` takes; imported when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kling_pipe.model import Problem

NAMES = ("text", "json", "github", "sarif", "junit", "markdown")
Titles = Callable[[str], tuple[str, str]]


def problems_as(form: str, problems: Sequence[Problem], *, manifest: str = "", addresses: Sequence[str] = (),
                titles: Titles = lambda _: ("", ""), version: str = "") -> str:  # fmt: skip
    """The problems of one manifest in one form. `addresses` are all jobs that are known: junit has a case for each.

    `titles` gives the title and the long text of a problem's id, for the rules of a SARIF log.
    """
    from kling_pipe.report.problem_text import FORMATS

    if form == "sarif":
        from kling_pipe.report.sarif import problems_sarif

        return problems_sarif(problems, titles=titles, version=version, artifact=manifest)
    if form == "junit":
        from kling_pipe.report.junit import problems_junit

        return problems_junit(problems, addresses=addresses, suite=manifest or "kling-pipe")
    if form == "markdown":
        from kling_pipe.report.markdown import problems_markdown

        return problems_markdown(problems, manifest=manifest, jobs=len(addresses))
    return FORMATS[form](problems)
