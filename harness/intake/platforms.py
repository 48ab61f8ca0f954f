"""Learning platforms whose exports of a class are recognised: by the names in them, or by a file of metadata.

To add a platform, write its file with a constant of type `Platform`, and add one line to `PLATFORMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.registry import imported

PLATFORMS: dict[str, tuple[str, str]] = {
    "moodle": ("harness.intake.moodle:MOODLE", "Moodle, Download all submissions: a folder for each participant"),
    "canvas": ("harness.intake.canvas:CANVAS", "Canvas, Download Submissions: a flat zip of everybody's files"),
    "gradescope": (
        "harness.intake.gradescope:GRADESCOPE",
        "Gradescope, Export Submissions: a folder for each submission, beside submission_metadata.yml",
    ),
}
"""Each platform as "module:attribute", imported when it is used, and its one-line summary. The first that knows a name
has it."""


@dataclass(frozen=True)
class Owner:
    """The person or team that handed in, as a platform's export names them."""

    id: str
    """The platform's number of the submission or user."""
    name: str
    file: str | None = None
    """Original name of an uploaded file, in an export that is one flat folder; None in an export of folders."""
    upload: int = 0
    """Number of the upload: of two files of one owner with the same original name, the larger one counts."""
    kind: Literal["files", "text", "link", "other"] = "files"
    """Kind of hand-in: files, a text typed into the platform, a web address, or nothing that is one."""
    platform: str = field(default="", compare=False)
    """Key of `PLATFORMS`; filled in by the functions below."""

    @property
    def seat(self) -> str:
        """The owner's place in the class, the same in every export of the platform: "moodle:12345"."""
        return f"{self.platform}:{self.id}"


def _nobody(name: str) -> Owner | None:
    return None


def _nothing(name: str) -> bool:
    return False


def _no_owners(text: str) -> Mapping[str, Owner]:
    return {}


def _same(name: str) -> str:
    return name


@dataclass(frozen=True)
class Platform:
    """One platform's form of export. Each field but the summary has a default: the platform has no such thing."""

    summary: str
    """One line, the same as in `PLATFORMS`."""
    owner_of: Callable[[str], Owner | None] = _nobody
    """Read the owner off the name of a folder or file at the top of an export; None if it is not of this platform."""
    is_ignored: Callable[[str], bool] = _nothing
    """Decide whether a name at the top of an export is something of the platform's own, and not a submission."""
    metadata: str | None = None
    """Name of the file at the top of an export that lists the owners."""
    owners: Callable[[str], Mapping[str, Owner]] = _no_owners
    """Read the owners off the text of the metadata file, by the name of their folder. ValueError, with a sentence, if
    it can't be read."""
    first_name: Callable[[str], str] = _same
    """Return the name that a file had before the platform renamed it because it was uploaded again."""


def platforms() -> tuple[Platform, ...]:
    """Import every platform, in the order of `PLATFORMS`."""
    return tuple(_platform(key) for key in PLATFORMS)


def owner_of(name: str) -> Owner | None:
    """Return who a folder or file belongs to, by its name; None if no platform gives such names."""
    for key in PLATFORMS:
        owner = _platform(key).owner_of(name)
        if owner is not None:
            return replace(owner, platform=key)
    return None


def folder_owner(name: str) -> Owner | None:
    """Return who a folder belongs to. A name of the form that a flat export gives to files is a coincidence."""
    owner = owner_of(name)
    return owner if owner is not None and owner.file is None else None


def is_ignored(name: str) -> bool:
    """Return True if a name at the top of an export is something of a platform's own, and not a submission."""
    return any(one.is_ignored(name) for one in platforms())


def metadata_files() -> Mapping[str, str]:
    """Return the platforms that list owners in a file, by the name of this file."""
    return {file: key for key in PLATFORMS if (file := _platform(key).metadata) is not None}


def listed_owners(platform: str, text: str) -> Mapping[str, Owner]:
    """Read the owners, by their folder, off the text of a platform's metadata file; ValueError if that can't be."""
    found = _platform(platform).owners(text)
    return {folder: replace(owner, platform=platform) for folder, owner in found.items()}


def first_name(platform: str, name: str) -> str:
    """Return the name that an uploaded file had before the platform renamed it."""
    return _platform(platform).first_name(name)


def _platform(key: str) -> Platform:
    found: Platform = imported(PLATFORMS[key][0])
    return found
