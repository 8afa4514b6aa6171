"""Where results are kept: every paid file once by checksum, under the names that people look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.outputs.bucket import BucketOutputs
    from kling_pipe.outputs.local import LocalOutputs
    from kling_pipe.outputs.names import output_path
    from kling_pipe.outputs.publish import BucketShelf, Publish, Shelf, shelf_name
    from kling_pipe.outputs.sidecar import sidecar_form
    from kling_pipe.outputs.store import Incoming, OutputStore, Stored

__all__ = [
    "BucketOutputs",
    "BucketShelf",
    "Incoming",
    "LocalOutputs",
    "OutputStore",
    "Publish",
    "Shelf",
    "Stored",
    "output_path",
    "shelf_name",
    "sidecar_form",
]
__getattr__ = on_demand(
    __name__,
    {
        "bucket": "BucketOutputs",
        "local": "LocalOutputs",
        "names": "output_path",
        "publish": "BucketShelf Publish Shelf shelf_name",
        "sidecar": "sidecar_form",
        "store": "Incoming OutputStore Stored",
    },
)
