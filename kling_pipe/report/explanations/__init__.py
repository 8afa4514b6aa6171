"""Every problem id with a longer explanation: the tool's own from `registry.yaml`, the API's rules from the catalog."""

from kling_pipe.report.explanations.explanation_text import explain_text, known_ids
from kling_pipe.report.explanations.problem_page import page_text
from kling_pipe.report.explanations.registry import Entry, registry

__all__ = ["Entry", "explain_text", "known_ids", "page_text", "registry"]
