"""The contact sheet: a campaign as one page for eyes. `collected` makes the value, `written` the folder or the file."""

from kling_pipe.report.sheet.collect import Sources, collected
from kling_pipe.report.sheet.compare import Comparison, compared
from kling_pipe.report.sheet.folder import written
from kling_pipe.report.sheet.values import Card, Picture, Reference, Sheet, Shot, Take

__all__ = [
    "Card",
    "Comparison",
    "Picture",
    "Reference",
    "Sheet",
    "Shot",
    "Sources",
    "Take",
    "collected",
    "compared",
    "written",
]
