"""What a problem says beside its message, as pairs of a word and a text, in the order that every format shows them."""

from __future__ import annotations

from kling_pipe.model import Problem


def facts(problem: Problem) -> list[tuple[str, str]]:
    """Found, near match, allowed, next step and rule: those that there are, nothing that the message says already."""
    rule = f"{problem.rule}, {problem.source}" if problem.rule and problem.source else problem.source or problem.rule
    near = f"`{problem.near}`?" if problem.near else ""
    pairs = [("found", problem.found), ("did you mean", near), ("allowed", problem.allowed), ("next", problem.hint),
             ("rule", rule if rule != problem.id else "")]  # fmt: skip
    return [(word, text) for word, text in pairs if text and not (word == "found" and text in problem.message)]
