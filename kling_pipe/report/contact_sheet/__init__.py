"""The contact sheet: a campaign as one page for eyes. `collected` makes the value, `written` the folder or the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.report.contact_sheet.collect import Sources, collected
    from kling_pipe.report.contact_sheet.compare import Comparison, compared
    from kling_pipe.report.contact_sheet.folder import written
    from kling_pipe.report.contact_sheet.sheet_model import Card, Picture, Reference, Sheet, Shot, Take

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
__getattr__ = on_demand(
    __name__,
    {
        "collect": "Sources collected",
        "compare": "Comparison compared",
        "folder": "written",
        "sheet_model": "Card Picture Reference Sheet Shot Take",
    },
)
