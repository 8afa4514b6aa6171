"""The canonical form of a manifest's text: white space is put in order, and nothing else is touched."""

from kling_pipe.manifest.fmt.layout import formatted

__all__ = ["formatted"]
