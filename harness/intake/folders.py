"""Looks at folders by the names in them, without opening a file: where a submission or a class starts."""

from __future__ import annotations

import stat
from pathlib import Path

from harness.intake import manifest
from harness.intake.archives import is_junk
from harness.intake.platforms import folder_owner
from harness.starters import starters_of
from harness.text import shown

WRAPPERS = 3
"""Folders, each holding nothing but the next, that are looked through."""


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted, without hidden ones and without what systems and tools leave behind."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # of a folder that can't be read, `listed` says so
        return []
    return sorted(name for name in names if not name.startswith(".") and not is_junk((name,)))


def is_recognised(folder: Path) -> bool:
    """Return True if a manifest, or the layout of a starter, is at the top of the folder."""
    names = names_in(folder)
    return bool(manifest.spellings(names)) or bool(starters_of(names))


def is_folder(path: Path) -> bool:
    """Return True for a folder, False for anything else, also for a link to a folder."""
    return stat.S_ISDIR(path.lstat().st_mode)


def quoted_top(folder: Path) -> str:
    """Return the first names in a folder, as an error message quotes them."""
    return ", ".join(shown(name, 40) for name in names_in(folder)[:12]) or "nothing"


def class_folder(folder: Path) -> Path:
    """Go down from `folder`, while a folder is all that it holds, to a submission or to the folders of a class."""
    for _ in range(WRAPPERS):
        only = _only_folder(folder)
        if is_recognised(folder) or only is None or folder_owner(only.name) is not None:
            break
        folder = only
    return folder


def submission_root(folder: Path) -> Path:
    """Return the one recognised folder in `folder`, however it is wrapped; `folder` itself if there is not just one."""
    level = [folder]
    for _ in range(WRAPPERS + 1):
        found = [one for one in level if is_recognised(one)]
        if found:
            return found[0] if len(found) == 1 else folder
        level = [one / name for one in level for name in names_in(one) if is_folder(one / name)][:100]
    return folder


def _only_folder(folder: Path) -> Path | None:
    names = names_in(folder)
    return folder / names[0] if len(names) == 1 and is_folder(folder / names[0]) else None
