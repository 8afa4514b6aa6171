"""YAML text -> data and positions. YAML 1.2 scalars, no silent surprises."""

from kling_pipe.source.document import Document, read_document

__all__ = ["Document", "read_document"]
