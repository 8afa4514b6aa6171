"""YAML text -> data and positions. YAML 1.2 scalars, no silent surprises."""

from kling_pipe.manifest.yaml.document import Document, Opened, nothing_open, read_document

__all__ = ["Document", "Opened", "nothing_open", "read_document"]
