"""Names that systems and tools leave beside people's work: no part of a submission, and no student.

They are passed over, counted and named, and count against no limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from harness.intake.archives import is_junk

_FOLDERS = frozenset(
    {
        *{"node_modules", "site-packages", "virtualenv", ".env", ".conda", ".eggs", ".hg", ".vscode", ".cache"},
        *{".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache"},
    }
)
_ENVIRONMENTS = frozenset({"env", "ENV"})
"""Names of virtual environments that a package of the student's own may have, too."""
_FILES = frozenset({"pyvenv.cfg"})


def is_leftover(name: str) -> bool:
    """Return True for the name of a file or folder that is no part of a submission, whatever it holds."""
    return is_junk((name,)) or name in _FOLDERS or name in _FILES


def is_environment(folder: Path) -> bool:
    """Return True for a folder named env that holds no Python file at its top, as a package would."""
    if folder.name not in _ENVIRONMENTS:
        return False
    try:
        with os.scandir(folder) as listing:
            return not any(item.name.endswith(".py") for item in listing)
    except OSError:
        return False


def count_files(folder: Path, most: int) -> int:
    """Count the files below a folder, without following links; at most `most` names are looked at."""
    files = looked = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as listing:
                for item in listing:
                    looked += 1
                    if looked > most:
                        return files
                    if item.is_dir(follow_symlinks=False):
                        stack.append(Path(item.path))
                    else:
                        files += 1
        except OSError:
            continue
    return files


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1, "file"), counted(20_000, "file")
    ('1 file', '20,000 files')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def named(names: Iterable[str], most: int = 4) -> str:
    """Return the first names, and how many more there are."""
    whole = list(names)
    more = f" and {len(whole) - most:,} more" if len(whole) > most else ""
    return ", ".join(whole[:most]) + more
