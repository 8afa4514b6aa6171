"""Every problem id with a longer explanation: the tool's own from `registry.yaml`, the API's rules from the catalog."""

from kling_pipe.problems.explain import explain_text, known_ids
from kling_pipe.problems.page import page_text
from kling_pipe.problems.registry import Entry, registry

__all__ = ["Entry", "explain_text", "known_ids", "page_text", "registry"]
