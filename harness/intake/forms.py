"""Decides by names alone whether a folder or an archive is one submission or a class.

A manifest or a known layout at the top makes one submission, and a platform's names make an export. Of anything else
every child is a seat of the class, unless its top looks like a single repository. `--one` and `--class` overrule this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from harness.intake import manifest
from harness.intake.folders import WRAPPERS, are_recognised, is_folder, names_in
from harness.intake.kinds import is_packed
from harness.intake.leftovers import is_leftover
from harness.intake.names import path_problem
from harness.intake.platforms import PLATFORMS, folder_owner, metadata_files, owner_of
from harness.text import shown

Form = Literal["auto", "one", "class"]
At = tuple[str, ...]
"""A folder, by the names that lead to it."""

_GIT = (".git", ".gitignore", ".gitattributes", ".gitmodules", ".github", ".gitlab-ci.yml")
_PROJECT = frozenset(
    {
        *{"pyproject.toml", "setup.py", "setup.cfg", "pipfile", "poetry.lock", "uv.lock", "makefile", "dockerfile"},
        *{"environment.yml", "environment.yaml", "requirements.txt"},
    }
)
"""Files at the top of a repository, in lower case."""
_WIDEST = 100
_DEEPEST = 2 * WRAPPERS + 2
"""Names of a path in an archive that are looked at."""


class Names(Protocol):
    """Names of files and folders, on disk or in an archive."""

    def top(self, at: At) -> Sequence[str]:
        """Return the names in a folder, sorted, without hidden ones and leftovers."""

    def has(self, at: At, hidden: str) -> bool:
        """Return True if a folder has a file or folder of this name, which may be hidden."""

    def is_folder(self, at: At) -> bool:
        """Return True for a folder, False for anything else, also for a link to a folder."""


@dataclass(frozen=True)
class OnDisk:
    """Names below a folder."""

    folder: Path

    def top(self, at: At) -> Sequence[str]:
        return names_in(self.folder.joinpath(*at))

    def has(self, at: At, hidden: str) -> bool:
        return self.folder.joinpath(*at, hidden).exists()

    def is_folder(self, at: At) -> bool:
        return is_folder(self.folder.joinpath(*at))


class InArchive:
    """Names in an archive, as it tells them; those that can't be paths are left out."""

    def __init__(self, names: Sequence[str]) -> None:
        self._inside: dict[At, set[str]] = {(): set()}
        for name in names:
            path = name if "/" in name else name.replace("\\", "/")
            if path_problem(path):
                continue
            parts = PurePosixPath(path).parts
            for depth in range(min(len(parts), _DEEPEST)):
                self._inside.setdefault(parts[:depth], set()).add(parts[depth])
            if path.endswith("/") and len(parts) < _DEEPEST:
                self._inside.setdefault(parts, set())

    def top(self, at: At) -> Sequence[str]:
        return sorted(name for name in self._inside.get(at, ()) if not name.startswith(".") and not is_leftover(name))

    def has(self, at: At, hidden: str) -> bool:
        return hidden in self._inside.get(at, ())

    def is_folder(self, at: At) -> bool:
        return at in self._inside


@dataclass(frozen=True)
class Decision:
    """The form that a path was taken for."""

    is_class: bool
    at: At
    """The folder that the submission or the seats lie in, below the path."""
    reason: str
    """End of a sentence: "it holds a submission.toml". Empty where a person has said so."""


def decide(names: Names, form: Form, *, archived: bool, among_single: bool = False) -> Decision:
    """Decide what a folder or an archive is.

    Parameters
    ----------
    names : of its files and folders
    form : what a person has said
    archived : whether it is an archive, in which a folder that lies alone is a wrapper
    among_single : whether it was given beside paths that are one submission each
    """
    at = _inner(names)
    top = names.top(at)
    if form == "class":
        return Decision(True, _class_root(names, at, archived), "")
    if form == "one":
        return Decision(False, at, "")
    if are_recognised(top):
        what = next(iter(manifest.spellings(top)), "a known layout")
        return Decision(False, at, f"it has {what} at its top")
    if platform := _exported_by(names, at):
        return Decision(True, at, f"it is an export of {platform.title()}")
    if reason := _single(names, at, archived):
        return Decision(False, at, reason)
    if among_single:
        return Decision(False, at, "it was given beside others that are one submission each")
    return Decision(True, _class_root(names, at, archived), "each folder and file in it is a seat")


def is_class_below(names: Names) -> bool:
    """Return True if children are submissions beyond doubt: a platform's, archives, or several with a manifest."""
    at = _inner(names)
    return _exported_by(names, at) is not None or _packed(names, at) > 1 or _manifests(names, at) > 1


def _inner(names: Names) -> At:
    """Go down while a folder is all that a folder holds."""
    at: At = ()
    for _ in range(WRAPPERS):
        top = names.top(at)
        if len(top) != 1 or not names.is_folder((*at, top[0])) or are_recognised(top):
            break
        if folder_owner(top[0]) is not None:
            break
        at = (*at, top[0])
    return at


def _class_root(names: Names, inner: At, archived: bool) -> At:
    """Return the folder whose children are the seats.

    A lone folder on disk is the only seat of its class, unless what it holds is clearly a class.
    """
    if not inner:
        return inner
    if are_recognised(names.top(inner)):
        return inner[:-1]
    if archived or _exported_by(names, inner) or _packed(names, inner) or _recognised_folders(names, inner):
        return inner
    return inner[:-1]


def _exported_by(names: Names, at: At) -> str | None:
    """Return the platform that the names in a folder are of."""
    metadata = metadata_files()
    for name in names.top(at):
        if name in metadata:
            return metadata[name]
        owner = owner_of(name)
        if owner is not None and (owner.file is None) == names.is_folder((*at, name)):
            return owner.platform if owner.platform in PLATFORMS else None
    return None


def _single(names: Names, at: At, archived: bool) -> str:
    """Say why the children of a folder are parts of one submission; nothing if they are seats."""
    top = names.top(at)
    packed = _packed(names, at)
    mark = next((name for name in _GIT if names.has(at, name)), "")
    mark = mark or next((name for name in top if name.lower() in _PROJECT), "")
    if mark and packed < 2:
        return f"{shown(mark)} lies at its top, as in a repository"
    files = [name for name in top if not names.is_folder((*at, name))]
    read_me = (".py", ".rst")
    mark = next((n for n in files if n.lower().startswith(("readme", "license")) or n.lower().endswith(read_me)), "")
    if mark and not packed and _manifests(names, at) < 2:
        return f"{shown(mark)} lies at its top, as in a repository"
    folders = [name for name in top if names.is_folder((*at, name))]
    if archived and len(folders) == 1 and not packed and _is_recognised_below(names, (*at, folders[0])):
        return f"only its folder {shown(folders[0], 60)} holds a submission"
    return ""


def _packed(names: Names, at: At) -> int:
    return sum(is_packed(name) and not names.is_folder((*at, name)) for name in names.top(at))


def _recognised_folders(names: Names, at: At) -> int:
    return sum(_is_recognised_below(names, (*at, name)) for name in names.top(at) if names.is_folder((*at, name)))


def _manifests(names: Names, at: At) -> int:
    return sum(_has_manifest(names, (*at, name)) for name in names.top(at) if names.is_folder((*at, name)))


def _is_recognised_below(names: Names, at: At) -> bool:
    return any(are_recognised(top) for top in _tops(names, at, WRAPPERS))


def _has_manifest(names: Names, at: At) -> bool:
    return any(manifest.spellings(top) for top in _tops(names, at, 1))


def _tops(names: Names, at: At, deeper: int) -> Iterator[Sequence[str]]:
    """Return the names in a folder, then those in its folders, so many levels deep; of each level only so many."""
    level = [at]
    for _ in range(deeper + 1):
        tops = [(one, names.top(one)) for one in level]
        yield from (top for _, top in tops)
        level = [(*one, name) for one, top in tops for name in top if names.is_folder((*one, name))][:_WIDEST]
