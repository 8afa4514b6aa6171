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
    from kling_pipe.storage.outputs.upload_bucket import BucketLinkStore, LinkStore, Publish, link_store_name

__all__ = [
    "BucketLinkStore",
    "BucketOutputs",
    "Incoming",
    "LinkStore",
    "LocalOutputs",
    "OutputStore",
    "Publish",
    "Stored",
    "link_store_name",
    "output_path",
    "sidecar_form",
]
__getattr__ = on_demand(
    __name__,
    {
        "bucket": "BucketOutputs",
        "local": "LocalOutputs",
        "file_names": "output_path",
        "upload_bucket": "BucketLinkStore LinkStore Publish link_store_name",
        "sidecar": "sidecar_form",
        "output_store": "Incoming OutputStore Stored",
    },
)
