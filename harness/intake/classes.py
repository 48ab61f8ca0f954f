"""Finds the seats of a class: one for each owner in a platform's export, one for each child of any other folder."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.intake.folders import names_in
from harness.intake.kinds import is_of_the_class, is_packed, label_of
from harness.intake.leftovers import count_files, counted, is_environment, is_leftover, named
from harness.intake.names import COMPONENT_BYTES, slug
from harness.intake.platforms import Owner, folder_owner, is_ignored, listed_owners, metadata_files, owner_of
from harness.intake.regular_files import opened
from harness.text import shown
from harness.types import Failure, GradingError

_METADATA_BYTES = 16 << 20
"""Bytes of the largest metadata file of a platform that is read."""
_MOST_COUNTED = 200_000


@dataclass
class Child:
    """One seat: what one student or team has handed in."""

    path: Path
    """A folder or file; for the loose files of a flat export, the folder that they lie in."""
    label: str
    """Default of its id and name, unique among the seats of its class."""
    root: str = ""
    """Digest of the class's folder or archive."""
    owner: Owner | None = None
    loose: tuple[str, ...] = ()
    """Names of one owner's loose files in a flat export."""
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Further names in the class's folder that are the owner's, and that nothing is read of."""

    @property
    def place(self) -> str:
        """The platform's seat, or the name under the class's root."""
        if self.owner is not None:
            return self.owner.seat
        plain = shown(self.label, COMPONENT_BYTES)
        if plain != self.label:
            digest = hashlib.sha256(self.label.encode("utf-8", "surrogateescape")).hexdigest()[:8]
            plain = f"{plain}~{digest}"
        return f"{self.root}/{plain}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the class's folder that are of this seat."""
        return (*(self.loose or (self.path.name,)), *self.also)


@dataclass
class _Seat:
    """All that a platform's export has of one owner."""

    owner: Owner
    folders: list[str] = field(default_factory=list)
    """Folders and archives."""
    loose: list[str] = field(default_factory=list)
    others: dict[str, Owner] = field(default_factory=dict)
    """Texts, web addresses and comments, by their names."""


def children_of(
    folder: Path, root: str, say: Callable[[str], None], beside: Collection[Path] = (), lost: Iterable[str] = ()
) -> list[Child]:
    """Return the seats of the class in a folder, sorted by name.

    Parameters
    ----------
    folder : the class's folder
    root : digest of the path that the class was given by
    say : is told, in sentences, what was passed over
    beside : folders that are gradebench's own, and no seats
    lost : names of an archive's children of which nothing may have been unpacked
    """
    folder = folder.resolve()
    listed = _listed_owners(folder, say)
    seats: dict[str, _Seat] = {}
    children: list[Child] = []
    passed = _leftovers(folder)
    for name in sorted({*names_in(folder), *(name for name in lost if not os.path.lexists(folder / name))}):
        path = folder / name
        if name in metadata_files() or is_ignored(name):
            continue
        if path in beside:
            passed.append(f"{shown(name, 60)}/")
            continue
        mode = path.lstat().st_mode if os.path.lexists(path) else None
        is_folder = mode is None or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)
        owner = listed.get(name) or (owner_of(name) if mode is None else _owner(name, is_folder))
        if owner is not None:
            seat = seats.setdefault(owner.seat, _Seat(owner))
            if owner.kind != "files":
                seat.others[name] = owner
            elif owner.file is not None:
                seat.loose.append(name)
            else:
                seat.folders.append(name)
        elif mode is not None and stat.S_ISREG(mode) and is_of_the_class(name):
            passed.append(shown(name, 60))
        else:
            label = name if is_folder and not (mode is None and is_packed(name)) else label_of(name)
            children.append(Child(path, label, root))
    for name, owner in listed.items():
        seats.setdefault(owner.seat, _Seat(owner, [name]))
    _tell_apart(children)
    children += [_child_of(seat, folder, root) for seat in seats.values()]
    if passed:
        say(f"Passed over in the class: {named(passed, 8)}.")
    return sorted(children, key=lambda child: child.names[0])


def seat_of(name: str) -> str:
    """Return the seat that a name in a class's folder is of: a platform's owner, else what the name's id comes from.

    Names that may claim one id, such as "ada" and "ada.zip", are of one seat here.
    """
    owner = owner_of(name)
    return owner.seat if owner is not None else slug(label_of(name)).casefold()


def is_no_seat(name: str) -> bool:
    """Return True for a name in a class's folder that is passed over whatever it holds."""
    return name in metadata_files() or is_ignored(name) or is_leftover(name) or is_of_the_class(name)


def _owner(name: str, is_folder: bool) -> Owner | None:
    """Return whom a platform names, where the name's form is that of a folder, or of a file, as it should be."""
    owner = owner_of(name)
    if is_folder:
        return owner if owner is not None and owner.file is None else None
    return owner if owner is not None and owner.file is not None else folder_owner(label_of(name))


def _leftovers(folder: Path) -> list[str]:
    """Name the folders of systems and tools beside the seats, with the number of files in each."""
    found = []
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return []
    for path in paths:
        if (is_leftover(path.name) or is_environment(path)) and path.is_dir() and not path.is_symlink():
            found.append(f"{shown(path.name, 60)}/ ({counted(count_files(path, _MOST_COUNTED), 'file')})")
    return found


def _tell_apart(children: list[Child]) -> None:
    """Give children whose labels are one where case doesn't count their whole names."""
    count: dict[str, int] = {}
    for child in children:
        count[child.label.casefold()] = count.get(child.label.casefold(), 0) + 1
    for child in children:
        if count[child.label.casefold()] > 1:
            child.label = child.path.name


def _child_of(seat: _Seat, folder: Path, root: str) -> Child:
    """Make a child of all that an owner has: the files count, and where there are none the text says why."""
    owner = seat.owner
    others = [f"{shown(name, 80)} ({_noun(other)})" for name, other in sorted(seat.others.items())]
    if seat.loose and seat.folders:
        others += [shown(name, 80) for name in seat.folders]
    elif len(seat.folders) > 1:
        others += [shown(name, 80) for name in seat.folders[:-1]]
    notes = (f"Beside the files lies {named(others)}, of which nothing was read.",) if others else ()
    everything = sorted({*seat.folders, *seat.loose, *seat.others})
    if seat.loose:
        also = tuple(name for name in everything if name not in seat.loose)
        return Child(folder, owner.name, root, owner, tuple(seat.loose), notes=notes, also=also)
    if seat.folders:
        chosen = seat.folders[-1]
        also = tuple(name for name in everything if name != chosen)
        return Child(folder / chosen, owner.name, root, owner, notes=notes, also=also)
    chosen = everything[0]
    return Child(folder / chosen, owner.name, root, seat.others[chosen], also=tuple(everything[1:]))


def _noun(owner: Owner) -> str:
    return {"text": "online text", "link": "a web address"}.get(owner.kind, "a comment")


def _listed_owners(folder: Path, say: Callable[[str], None]) -> Mapping[str, Owner]:
    """Read the owners, by folder, off the metadata file of a platform, if one lies here."""
    for name, platform in metadata_files().items():
        if not os.path.lexists(folder / name):
            continue
        try:
            with opened(folder, name, _METADATA_BYTES) as file:
                return listed_owners(platform, file.read(_METADATA_BYTES).decode("utf-8", "replace"))
        except GradingError as error:
            reason = error.failure.message
        except ValueError as error:
            reason = f"{name} could not be read: {error}."
        say(f"{reason} Submissions are named after their folders.")
    return {}
