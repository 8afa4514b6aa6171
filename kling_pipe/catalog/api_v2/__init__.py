"""The forms in which a request goes over the wire: the first standard as it is written, the second one from data.

request (first standard's fields) -> encode -> path and body of the second -> ... -> row -> answer in the first's words

Keys, ledger, lock and manifests know the first standard alone: which form carries a request is nobody's business but
the client's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.catalog.api_v2.decode import heard, row
    from kling_pipe.catalog.api_v2.encode import Sent, encoded, findings, sent_in
    from kling_pipe.catalog.api_v2.table import (
        FIRST,
        NAMES,
        Endpoint,
        endpoint,
        exists_in,
        form,
        named,
        speaks,
        table_of,
    )

__all__ = [
    "FIRST",
    "NAMES",
    "Endpoint",
    "Sent",
    "encoded",
    "endpoint",
    "exists_in",
    "findings",
    "form",
    "heard",
    "named",
    "row",
    "sent_in",
    "speaks",
    "table_of",
]
__getattr__ = on_demand(
    __name__,
    {
        "decode": "heard row",
        "encode": "Sent encoded findings sent_in",
        "table": "FIRST NAMES Endpoint endpoint exists_in form named speaks table_of",
    },
)
