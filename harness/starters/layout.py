"""The description that each starter layout gives of itself. Imports no torch and runs nothing of a submission."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.registry import imported
from harness.types import Entry

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors", ".npz", ".ckpt", ".pkl", ".bin", ".npy")
"""Suffixes of checkpoint files, the most common first. Some students save whole modules as .npy."""

Recognised = tuple[tuple[Entry, ...], tuple[str, ...]]
"""Entries of a submission, and notes on what was taken: sentences for the student."""


@dataclass(frozen=True)
class Starter:
    """Starter code of a coursework, recognised by its folders and files."""

    summary: str
    """One line, the same as in `STARTERS`."""
    layout: str
    """The layout as an error message offers it: "the folders vae/ and gan/ of …"."""
    codes: tuple[str, ...]
    """Values of `Entry.code` that this starter opens, each "starter:" and a word that no other starter uses."""
    is_layout: Callable[[Collection[str]], bool]
    """Decide from the names at the top of a folder whether it has this layout."""
    entries: Callable[[Sequence[str], Collection[str], Mapping[str, object]], Recognised]
    """Make entries from all regular files of a submission (relative, with forward slashes), the tasks and the models
    that exist. Empty where no file can be graded; the notes then say what is missing."""
    opening: str
    """Function that opens a model in the worker, as "module:attribute". It takes the submission's root, the code and
    the checkpoint's path relative to the root or None, and returns an object with the task's interface."""

    def open(self) -> Callable[..., Any]:
        """Import `opening`. Only the worker may call this: the module imports torch and may run student code."""
        found: Callable[..., Any] = imported(self.opening)
        return found
