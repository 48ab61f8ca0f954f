"""Import of what a registry names as "module:attribute", at the time of its first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(reference: str) -> Any:
    """Import the module of "module:attribute" and return the attribute."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)
