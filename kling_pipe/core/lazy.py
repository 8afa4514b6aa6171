"""Names of a package that are imported when somebody asks for them: no verb needs every part of the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package; `homes` are its modules, each with the names that it gives, a blank between."""
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def attribute(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module `{package}` has no `{name}`")
        return getattr(import_module(f"{package}.{home_of[name]}"), name)

    return attribute
