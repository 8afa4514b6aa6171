"""Where results are kept: every paid file once by checksum, under the names that people look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.storage.outputs.bucket import BucketOutputs
    from kling_pipe.storage.outputs.file_names import output_path
    from kling_pipe.storage.outputs.local import LocalOutputs
    from kling_pipe.storage.outputs.output_store import Incoming, OutputStore, Stored
    from kling_pipe.storage.outputs.sidecar import sidecar_form
    from kling_pipe.storage.outputs.upload_bucket import BucketShelf, Publish, Shelf, shelf_name

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
        "file_names": "output_path",
        "upload_bucket": "BucketShelf Publish Shelf shelf_name",
        "sidecar": "sidecar_form",
        "output_store": "Incoming OutputStore Stored",
    },
)
