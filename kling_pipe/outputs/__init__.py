"""Where results are kept: every paid file once by checksum, under the names that people look for."""

from kling_pipe.outputs.bucket import BucketOutputs
from kling_pipe.outputs.local import LocalOutputs
from kling_pipe.outputs.names import output_path
from kling_pipe.outputs.sidecar import sidecar_form
from kling_pipe.outputs.store import Incoming, OutputStore, Stored

__all__ = ["BucketOutputs", "Incoming", "LocalOutputs", "OutputStore", "Stored", "output_path", "sidecar_form"]
