"""Finds the one archive that a hand-in is wrapped in: an upload to a platform, or a zip that was zipped again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.intake.archives import LIMITS, Limits, Unpacked, is_archive, stem
from harness.intake.folders import class_folder, is_recognised, names_in, submission_root
from harness.text import shown
from harness.types import GradingError, refuse

Unpack = Callable[[Path, str, Limits], tuple[Path, Unpacked]]
"""Unpacks an archive, under a label, within limits, into a folder of its own, which it returns."""


def unwrapped(root: Path, packed: int | None, unpack: Unpack) -> tuple[Path, list[str]]:
    """Return the root of the submission below `root`, and notes; unpack the archive that it lies in, if it does.

    Parameters
    ----------
    root : a folder that was handed in, or what an archive held
    packed : bytes of that archive, by which what an archive in it may inflate to is bounded; None for a folder, of
        which an archive is the hand-in itself, so that there may be one more inside

    Raises
    ------
    GradingError
        as unpacking does, and of kind several-archives or nested-archives.
    """
    notes: list[str] = []
    root = submission_root(root)
    while not is_recognised(root):
        place = class_folder(root)
        names = names_in(place)
        inside = [name for name in names if is_archive(name)]
        if not inside or (packed is not None and len(inside) < len(names) and len(inside) > 1):
            break
        if len(inside) > 1:
            listed = ", ".join(shown(name, 40) for name in inside[:4])
            message = f"{len(inside)} archives were handed in ({listed}); one is allowed. Put all files into one."
            raise refuse("intake", "several-archives", message)
        archive = place / inside[0]
        size = archive.lstat().st_size
        limits = LIMITS
        if packed is not None:
            # Two archives inflate by the product of their ratios; together they may do what one may.
            most = min(LIMITS.total_bytes, max(LIMITS.ratio_from, LIMITS.ratio * packed))
            limits = replace(LIMITS, total_bytes=most)
        try:
            folder, unpacked = unpack(archive, stem(inside[0]), limits)
        except GradingError as error:
            if packed is not None and len(names) > 1 and error.failure.fault == "submission":
                break
            raise
        found = submission_root(folder)
        if packed is not None:
            if not is_recognised(found):
                _refuse_third(found, inside[0])
                # The submission is what lies around an archive of, say, data.
                return (found if len(names) == 1 else root), notes
            notes.append(f"The submission was read from {shown(inside[0], 60)}, an archive inside the archive.")
        notes += unpacked.notes.get("", ())
        if packed is not None:
            return found, notes
        root, packed = found, size
    return root, notes


def _refuse_third(root: Path, name: str) -> None:
    deeper = [one for one in names_in(class_folder(root)) if is_archive(one)]
    if deeper and len(deeper) == len(names_in(class_folder(root))):
        message = (
            f"{shown(name, 60)}, an archive inside an archive, holds an archive again, {shown(deeper[0], 60)}. "
            "One inside another is allowed. Unpack it, and pack the folder with submission.toml once."
        )
        raise refuse("intake", "nested-archives", message)
