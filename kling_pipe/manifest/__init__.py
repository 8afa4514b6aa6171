"""Manifest files -> jobs: everything a campaign asks for, checked, keyed and in order, before a byte is sent."""

from kling_pipe.manifest.compile import Manifest, Reading, compile_manifest, read_manifest

__all__ = ["Manifest", "Reading", "compile_manifest", "read_manifest"]
