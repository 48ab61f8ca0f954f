"""Looks at folders by the names in them, without opening a file: where a submission or a class starts."""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path

from harness.intake import manifest
from harness.intake.archives import ARCHIVE_SUFFIXES
from harness.intake.leftovers import is_environment, is_leftover
from harness.starters import starters, starters_of
from harness.text import shown

WRAPPERS = 3
"""Folders, each holding nothing but the next, that are looked through."""
_WIDEST = 100
"""Folders of one level that are searched for a submission."""


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted, without hidden ones and without what systems and tools leave behind."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # of a folder that can't be read, `listed` says so
        return []
    return sorted(
        name
        for name in names
        if not name.startswith(".") and not is_leftover(name) and not is_environment(folder / name)
    )


def is_recognised(folder: Path) -> bool:
    """Return True if a manifest, or the layout of a starter, is at the top of the folder."""
    return are_recognised(names_in(folder))


def are_recognised(names: Collection[str]) -> bool:
    """Return True if a folder of these names holds a manifest, or has the layout of a starter."""
    return bool(manifest.spellings(names)) or bool(starters_of(names))


def is_folder(path: Path) -> bool:
    """Return True for a folder, False for anything else, also for a link to a folder."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def quoted_top(folder: Path) -> str:
    """Return the first names in a folder, as an error message quotes them."""
    return ", ".join(shown(name, 40) for name in names_in(folder)[:12]) or "nothing"


def submission_roots(folder: Path) -> list[Path]:
    """Return the recognised folders in `folder` that lie the fewest folders deep, itself if it is one."""
    level = [folder]
    for _ in range(WRAPPERS + 1):
        found = [one for one in level if is_recognised(one)]
        if found:
            return found
        level = [one / name for one in level for name in names_in(one) if is_folder(one / name)][:_WIDEST]
    return []


def is_wrapped(root: Path, folder: Path) -> bool:
    """Return True if nothing lies beside the folders that lead from `folder` to `root`."""
    while root != folder:
        root = root.parent
        if len(names_in(root)) != 1:
            return False
    return True


def what_to_hand_in() -> str:
    """Say what a submission is, for whoever handed in something else."""
    layouts = ", or ".join(starter.layout for starter in starters())
    return (
        f"Hand in a folder or an archive ({' '.join(ARCHIVE_SUFFIXES)}) that has a {manifest.FILE_NAME} at its top, "
        f"or a known layout ({layouts})."
    )
