"""Finds the submissions in the folder, or the archive, of a class: one for each child or for each owner."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.intake import manifest
from harness.intake.archives import is_archive, is_junk, stem
from harness.intake.folders import WRAPPERS, is_folder, is_recognised, names_in, submission_root
from harness.intake.names import path_problem
from harness.intake.platforms import Owner, folder_owner, is_ignored, metadata_files, owner_of
from harness.intake.regular_files import opened
from harness.starters import starters_of
from harness.types import Failure, GradingError

_METADATA_BYTES = 64 << 20
"""Bytes of the largest metadata file of a platform that is read."""


@dataclass
class Child:
    """One submission to be: a folder or archive in the folder of a class."""

    path: Path
    """A folder or an archive; for the loose files of a flat export, the folder that they lie in."""
    label: str
    """Default of its id and name."""
    owner: Owner | None = None
    loose: tuple[str, ...] = ()
    """Names of one owner's loose files in a flat export."""
    failure: Failure | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_plain_folder(self) -> bool:
        """True for a folder that no platform has named."""
        return self.owner is None and is_folder(self.path)


def children_of(folder: Path) -> list[Child]:
    """Return what may be submissions in the folder of a class, sorted by name."""
    listed_owners = _listed_owners(folder)
    children: list[Child] = []
    loose: dict[str, Child] = {}
    for name in names_in(folder):
        path = folder / name
        mode = path.lstat().st_mode
        if is_ignored(name):
            continue
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            children.append(Child(path, name, listed_owners.get(name) or folder_owner(name)))
        elif (owner := owner_of(name)) is not None and owner.file is not None:
            loose.setdefault(owner.id, Child(folder, owner.name, owner)).loose += (name,)
        elif is_archive(name):
            children.append(Child(path, stem(name), owner or folder_owner(stem(name))))
    return sorted([*children, *loose.values()], key=lambda child: child.loose[0] if child.loose else child.path.name)


def is_class(children: Sequence[Child]) -> bool:
    """Return True if children are submissions, and not the folders of a single submission's code."""
    return any(
        child.owner is not None
        or is_archive(child.path.name)
        or (is_folder(child.path) and is_recognised(submission_root(child.path)))
        for child in children
    )


def owner_depth(names: Sequence[str]) -> int:
    """Return how many leading names of a path in a zip tell whose file it is; 0 if the zip is one submission."""
    paths = [
        PurePosixPath(name).parts
        for name in names
        if not path_problem(name) and not name.endswith("/") and not is_junk(PurePosixPath(name).parts)
    ]
    metadata = metadata_files()
    for depth in range(WRAPPERS):
        top = {path[depth] for path in paths if len(path) > depth}
        files = {path[depth] for path in paths if len(path) == depth + 1}
        if manifest.spellings(files) or starters_of(top):
            return 0
        if any(owner_of(name) or is_archive(name) for name in files) or any(map(folder_owner, top)):
            return depth + 1
        if any(name in metadata for name in files):
            return depth + 1
        if len(top) != 1:
            inside = {name for path in paths for name in path[depth + 1 : depth + 2 + WRAPPERS]}
            return depth + 1 if manifest.spellings(inside) or starters_of(inside) else 0
    return 0


def _listed_owners(folder: Path) -> Mapping[str, Owner]:
    """Read the owners, by folder, off the metadata file of a platform, if one lies here."""
    for name, platform in metadata_files().items():
        try:
            with opened(folder, name, _METADATA_BYTES) as file:
                return platform.owners(file.read(_METADATA_BYTES).decode("utf-8", "replace"))
        except GradingError:
            continue
    return {}
