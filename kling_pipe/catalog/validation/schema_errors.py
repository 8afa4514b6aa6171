"""Any JSON value against any JSON Schema: the fault that tells most, for bodies that are no operation's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kling_pipe.core.json_pointer import Pointer


@dataclass(frozen=True, slots=True)
class SchemaError:
    """Where a value breaks its schema, by which keyword, and what stands there."""

    pointer: Pointer
    keyword: str
    found: Any
    message: str


class SchemaShape:
    """A schema, ready to be held against values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import Draft202012Validator

        self._validator = Draft202012Validator(schema)

    def fault(self, value: Any) -> SchemaError | None:
        """The fault that tells most, or None for a valid value."""
        from jsonschema.exceptions import best_match

        error = best_match(self._validator.iter_errors(value))
        if error is None:
            return None
        return SchemaError(tuple(error.absolute_path), str(error.validator), error.instance, error.message)
