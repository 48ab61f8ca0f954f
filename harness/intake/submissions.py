"""Reads one submission: unpacks it, finds its root, and makes its entries from a manifest or a known layout.

Anything wrong inside a submission is its own `failure`; the others go on.
"""

from __future__ import annotations

import stat
import tempfile
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.intake import archives, manifest
from harness.intake.archives import LIMITS
from harness.intake.classes import Child
from harness.intake.digests import entry_digests
from harness.intake.folders import names_in, quoted_top
from harness.intake.identity import id_of, name_of
from harness.intake.manifest import Models
from harness.intake.names import path_problem, slug
from harness.intake.nested import unwrapped
from harness.intake.platforms import owner_of
from harness.intake.regular_files import chunks, listed, open_file, opened
from harness.starters import starters_of
from harness.text import shown
from harness.types import Entry, Failure, GradingError, Submission, refuse

_ARCHIVE_BYTES = 1 << 40
"""Bytes of the largest archive that is opened; what comes out of it has limits of its own."""


def failed(child: Child, failure: Failure) -> Submission:
    """Make the submission of a child that can't be read."""
    return Submission(id_of(child), name_of(child), child.path, failure=failure, notes=child.notes)


@dataclass(frozen=True)
class Reader:
    """Makes submissions of the children of a class, or of a single path."""

    workdir: Path
    """Existing folder that archives are unpacked into."""
    tasks: Collection[str]
    models: Models

    def submission(self, child: Child) -> Submission:
        """Read a child; whatever goes wrong is in its `failure`."""
        try:
            if child.failure is not None:
                raise GradingError(child.failure)
            return self._read(child)
        except GradingError as error:
            return failed(child, error.failure)
        except Exception as error:  # one submission's trouble is never another's
            message = (
                f"gradebench could not read this submission: {type(error).__name__} in its own code. "
                "This is not the submission's fault; tell whoever runs gradebench."
            )
            return failed(child, Failure("intake", "harness-error", message, "harness", traceback.format_exc()))

    def unpack(
        self,
        path: Path,
        label: str,
        owner_depth: Callable[[Sequence[str]], int] = lambda names: 0,
        limits: archives.Limits = LIMITS,
    ) -> tuple[Path, archives.Unpacked]:
        """Unpack an archive into a folder of its own; see `archives.unpack` for `owner_depth`."""
        into = Path(tempfile.mkdtemp(prefix=f"{slug(label)[:32]}-", dir=self.workdir))
        with opened(path.parent, path.name, _ARCHIVE_BYTES) as file:
            return into, archives.unpack(file, path.name, into, limits, owner_depth)

    def _read(self, child: Child) -> Submission:
        notes = list(child.notes)
        mode = child.path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise refuse("intake", "link", f"{shown(child.label)} is a link; put the folder itself in its place.")
        if child.loose:
            root = self._gathered(child)
        elif stat.S_ISDIR(mode):
            root = child.path
        else:
            root, unpacked = self.unpack(child.path, child.label)
            notes += unpacked.notes.get("", ())
        packed = None if stat.S_ISDIR(mode) else child.path.lstat().st_size
        root, said = unwrapped(root, packed, lambda path, label, limits: self.unpack(path, label, limits=limits))
        return self._recognise(child, root, notes + said)

    def _recognise(self, child: Child, root: Path, notes: list[str]) -> Submission:
        """Make the submission of the files at `root`."""
        listing = listed(root)
        notes += listing.notes
        default = Submission(id_of(child), name_of(child), root)
        if (found := manifest.manifest_in(names_in(root))) is not None:
            content = open_file(default, found.name, manifest.LARGEST)
            read = manifest.read_manifest(content, found.name, tasks=self.tasks, models=self.models)
            entries, said = manifest.matched(read.entries, listing.files, found.name)
            notes += (*found.notes, *read.notes, *said)
            chosen = default.id
            if read.id is not None and child.owner is None:
                chosen = read.id
            elif read.id is not None and read.id != default.id:
                notes.append(
                    f'{manifest.FILE_NAME}, key "submission.id": "{read.id}" gives way to the platform\'s id, '
                    f'"{default.id}".'
                )
            name = read.name or default.name
            made = replace(default, id=chosen, folder_id=default.id, name=name, entries=entries)
        else:
            made = replace(default, entries=self._entries_by_layout(root, listing.files, notes))
        return replace(made, digests=entry_digests(made), notes=tuple(notes))

    def _entries_by_layout(self, root: Path, files: Sequence[str], notes: list[str]) -> tuple[Entry, ...]:
        """Make the entries of a submission without a manifest, by the first starter that finds any."""
        missing: list[str] = []
        for starter in starters_of(names_in(root)):
            entries, said = starter.entries(files, self.tasks, self.models)
            if entries:
                notes += said
                return entries
            missing += said
        message = (
            f"There is no {manifest.FILE_NAME}, and no checkpoint where a known layout has one. "
            f"At the top: {quoted_top(root)}. Add a {manifest.FILE_NAME} with an [[entry]] for each model."
        )
        raise refuse("intake", "not-a-submission", message, "\n".join(missing))

    def _gathered(self, child: Child) -> Path:
        """Copy one owner's files of a flat export into a folder, under their original names, the latest of each."""
        uploads = [(owner_of(name), name) for name in child.loose]
        latest: dict[str, str] = {}
        for owner, name in sorted(uploads, key=lambda one: one[0].upload if one[0] is not None else 0):
            latest[(owner.file if owner is not None else None) or name] = name
        into = Path(tempfile.mkdtemp(prefix=f"{id_of(child)}-", dir=self.workdir))
        for original, name in latest.items():
            if problem := path_problem(original):
                raise refuse("intake", problem[0], f"{shown(original)} {problem[1]}.")
            with opened(child.path, name) as file, (into / original).open("xb") as out:
                for chunk in chunks(file, original, LIMITS.file_bytes):
                    out.write(chunk)
        return into
