"""Reads any checkpoint without executing it: bytes in, named arrays out, nothing of the file called or imported.

The way of the data: `container` and `pickles` turn bytes into an inert tree, `naming` gives its tensors their dotted
names, `selection` finds the state dict of an architecture among them, `summary` tells a person what the file holds.
"""

from __future__ import annotations

from harness.checkpoint.inert import Opaque
from harness.checkpoint.reading import Checkpoint, read
from harness.checkpoint.selection import select_state, state_arrays
from harness.checkpoint.summary import describe

__all__ = ["Checkpoint", "Opaque", "describe", "read", "select_state", "state_arrays"]
