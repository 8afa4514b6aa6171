"""White space between two tokens on one line."""

from __future__ import annotations

from kling_pipe.manifest.yaml.tokens import Token

_OPENING = {"FlowMappingStart": " ", "FlowSequenceStart": ""}
_CLOSING = {"FlowMappingEnd": " ", "FlowSequenceEnd": ""}
_EMPTY = {("FlowMappingStart", "FlowMappingEnd"), ("FlowSequenceStart", "FlowSequenceEnd")}


def between(left: Token, right: Token) -> str:
    """What canonical form puts between two neighbours: `{ a: 1, b: [x, y] }`."""
    if (left.kind, right.kind) in _EMPTY or right.kind == "FlowEntry":
        return ""
    if left.kind in _OPENING:
        return _OPENING[left.kind]
    if right.kind in _CLOSING:
        return _CLOSING[right.kind]
    if right.kind == "Value":
        # `*a:` would be an alias of the name `a:`.
        return " " if left.kind in ("Alias", "Anchor", "Tag", "FlowEntry", "Key") else ""
    return " "
