"""Manifest files -> jobs: everything a campaign asks for, checked, keyed and in order, before a byte is sent."""

from kling_pipe.manifest.compile import Manifest, compile_manifest

__all__ = ["Manifest", "compile_manifest"]
