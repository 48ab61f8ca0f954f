"""Finds the one archive that a packed hand-in is wrapped in: a zip that was zipped again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.intake.archives import LIMITS, Limits, is_archive
from harness.intake.folders import is_folder, names_in
from harness.text import shown
from harness.types import refuse


def inner_archive(folder: Path, outer: str) -> Path | None:
    """Return the archive that is all that an archive holds; None if it holds anything else.

    Raises GradingError of kind several-archives if it holds nothing but several.
    """
    names = names_in(folder)
    inside = [name for name in names if is_archive(name) and not is_folder(folder / name)]
    if not inside or len(inside) < len(names):
        return None
    if len(inside) > 1:
        listed = ", ".join(shown(name, 40) for name in inside[:4])
        message = f"{shown(outer, 60)} holds {len(inside)} archives ({listed}); one is allowed. Put all files into one."
        raise refuse("intake", "several-archives", message)
    return folder / inside[0]


def limits_within(packed: int) -> Limits:
    """Return the limits of an archive inside one of `packed` bytes.

    Two archives inflate by the product of their ratios; together they may do what one may.
    """
    return replace(LIMITS, total_bytes=min(LIMITS.total_bytes, max(LIMITS.ratio_from, LIMITS.ratio * packed)))


def refuse_third(folder: Path, name: str) -> None:
    """Raise GradingError of kind nested-archives if an archive inside an archive holds nothing but archives again."""
    names = names_in(folder)
    if names and all(is_archive(one) for one in names):
        message = (
            f"{shown(name, 60)}, an archive inside an archive, holds an archive again, {shown(names[0], 60)}. "
            "One inside another is allowed. Unpack it, and pack the folder with submission.toml once."
        )
        raise refuse("intake", "nested-archives", message)
