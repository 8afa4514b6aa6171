"""What a problem says beside its message, as pairs of a word and a text, in the order that every format shows them."""

from __future__ import annotations

from kling_pipe.model import Problem


def facts(problem: Problem) -> list[tuple[str, str]]:
    """Found, near match, allowed, next step and rule: those that there are, nothing that the message says already."""
    # An API rule's problem has the rule's own id, which stands in the first line already.
    rule = ", ".join(text for text in (problem.rule if problem.rule != problem.id else "", problem.source) if text)
    near = f"`{problem.near}`?" if problem.near else ""
    pairs = [
        ("found", problem.found),
        ("did you mean", near),
        ("allowed", problem.allowed),
        ("next", problem.hint),
        ("rule", rule),
    ]
    said = ("found", "allowed")
    return [(word, text) for word, text in pairs if text and not (word in said and text in problem.message)]
