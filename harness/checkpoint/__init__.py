"""Reads any checkpoint without executing it: turns bytes into named arrays, and calls and imports nothing.

`container` and `pickles` turn the bytes into an inert tree, `naming` gives its tensors their dotted names, `selection`
finds the state dict of an architecture among them, and `summary` describes the file to a person.
"""

from __future__ import annotations

from harness.checkpoint.inert import Opaque
from harness.checkpoint.naming import holds_module
from harness.checkpoint.reading import Checkpoint, read
from harness.checkpoint.selection import select_state, state_arrays
from harness.checkpoint.summary import describe
from harness.checkpoint.together import companions, pack

__all__ = [
    "Checkpoint",
    "Opaque",
    "companions",
    "describe",
    "holds_module",
    "pack",
    "read",
    "select_state",
    "state_arrays",
]
