"""Where results are kept: every paid file once by checksum, under the names that people look for."""

from kling_pipe.outputs.local import LocalOutputs, Stored
from kling_pipe.outputs.names import output_path
from kling_pipe.outputs.sidecar import sidecar_form

__all__ = ["LocalOutputs", "Stored", "output_path", "sidecar_form"]
