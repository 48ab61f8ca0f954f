"""Starter layouts: folders that a coursework hands out and students fill in, so that no manifest is needed.

Each layout is a package with two sides. Its recognition runs in the parent and reads names only. Its opening runs in
the worker, imports torch and may run student code; the parent knows it by name alone. To add a layout, write its
package with a constant of type `Starter`, and add one line to `STARTERS`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from harness.registry import imported

if TYPE_CHECKING:
    from harness.starters.layout import Starter

STARTERS: dict[str, tuple[str, str]] = {
    "tsinghua": (
        "harness.starters.tsinghua.recognition:TSINGHUA",
        "Tsinghua University, Deep Learning, homework 3: folders ebm, flow, vae and gan",
    ),
}
"""Each layout as "module:attribute", imported when it is used, and its one-line summary."""


def starter(name: str) -> Starter:
    """Import the recognition of one of `STARTERS`; KeyError if there is no starter of this name."""
    found: Starter = imported(STARTERS[name][0])
    return found


def starters() -> tuple[Starter, ...]:
    """Import the recognition of every starter, in the order of `STARTERS`."""
    return tuple(starter(name) for name in STARTERS)


def starter_for(code: str) -> Starter | None:
    """Return the starter that opens entries of this `Entry.code`, such as "starter:ebm"; None if none does."""
    return next((one for one in starters() if code in one.codes), None)


def starters_of(names: Collection[str]) -> tuple[Starter, ...]:
    """Return the starters whose layout a folder has, given the names of the files and folders at its top."""
    return tuple(one for one in starters() if one.is_layout(names))
