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
from harness.intake.digests import digest, entry_digests
from harness.intake.folders import (
    is_folder,
    is_wrapped,
    names_in,
    quoted_top,
    submission_roots,
    what_to_hand_in,
)
from harness.intake.identity import id_of, name_of
from harness.intake.kinds import is_checkpoint, is_packed, kind_of, label_of
from harness.intake.leftovers import named
from harness.intake.manifest import Models
from harness.intake.names import path_problem, slug
from harness.intake.nested import inner_archive, limits_within, refuse_third
from harness.intake.platforms import first_name, owner_of
from harness.intake.regular_files import chunks, listed, open_file, opened
from harness.starters import starters_of
from harness.text import shown
from harness.types import Entry, Failure, GradingError, Submission, refuse

_ARCHIVE_BYTES = 1 << 40
"""Bytes of the largest archive that is opened; what comes out of it has limits of its own."""


def failed(child: Child, failure: Failure) -> Submission:
    """Make the submission of a child that can't be read."""
    # Never the folder of a whole export, whose files are others' too.
    root = child.path / child.loose[0] if child.loose else child.path
    made = Submission(id_of(child), name_of(child), root, failure=failure, notes=child.notes, place=child.place)
    return replace(made, folder_id=made.id)


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
        if child.owner is not None and child.owner.kind != "files":
            raise self._no_files(child)
        if child.loose:
            folder = self._gathered(child, notes)
        else:
            try:
                mode = child.path.lstat().st_mode
            except FileNotFoundError:
                raise refuse("intake", "nothing-handed-in", f"There are no files of it. {what_to_hand_in()}") from None
            name = shown(child.path.name, 80)
            if stat.S_ISLNK(mode):
                raise refuse("intake", "link", f"{name} is a link; put the folder itself in its place.")
            if stat.S_ISDIR(mode):
                folder = child.path
            elif not stat.S_ISREG(mode):
                message = f"{name} is a pipe, socket or device, and was not opened. {what_to_hand_in()}"
                raise refuse("intake", "special-file", message)
            elif is_packed(child.path.name):
                return self._unpacked(child, child.path, notes)
            else:
                raise no_submission(child.path.name)
        # Platforms put uploads into a folder: an archive in there is the submission. One in an archive isn't.
        if not submission_roots(folder):
            holder = _unwrapped(folder)
            inside = [name for name in names_in(holder) if is_packed(name) and not is_folder(holder / name)]
            if len(inside) > 1:
                told = ", ".join(shown(name, 40) for name in inside[:4])
                message = f"{len(inside)} archives were handed in ({told}); one is allowed. Put all files into one."
                raise refuse("intake", "several-archives", message)
            if inside:
                return self._unpacked(child, holder / inside[0], notes)
        return self._found(child, folder, notes)

    def _unpacked(self, child: Child, archive: Path, notes: list[str]) -> Submission:
        """Read the submission in an archive."""
        folder, unpacked = self.unpack(archive, label_of(archive.name))
        notes = [*notes, *unpacked.notes.get("", ())]
        if not submission_roots(folder) and (inner := inner_archive(_unwrapped(folder), archive.name)) is not None:
            limits = limits_within(archive.lstat().st_size)
            folder, unpacked = self.unpack(inner, label_of(inner.name), limits=limits)
            notes.append(f"The submission was read from {shown(inner.name, 60)}, an archive inside the archive.")
            notes += unpacked.notes.get("", ())
            refuse_third(_unwrapped(folder), inner.name)
        return self._found(child, folder, notes)

    def _found(self, child: Child, folder: Path, notes: list[str]) -> Submission:
        """Read the submission somewhere in a folder."""
        roots = submission_roots(folder)
        if len(roots) > 1:
            told = named([f"{shown(root.relative_to(folder).as_posix(), 60)}/" for root in roots], 6)
            message = (
                f"{len(roots)} folders of it could be the submission: {told}. Put a {manifest.FILE_NAME} at the top "
                "that lists each [[entry]] with its path, or hand in one of them."
            )
            raise refuse("intake", "several-layouts", message)
        root = roots[0] if roots else folder
        if roots and not is_wrapped(root, folder):
            where = shown(root.relative_to(folder).as_posix(), 80)
            notes.append(f"The submission was found in the folder {where}/; what lies beside it was passed over.")
        return self._recognise(child, root, notes)

    def _no_files(self, child: Child) -> GradingError:
        """Return the failure of an owner who typed in a text or an address instead of handing in files."""
        assert child.owner is not None
        name = shown(child.path.name, 80)
        kind, what = {
            "text": ("online-text", "an online text"),
            "link": ("online-link", "a web address"),
        }.get(child.owner.kind, ("nothing-handed-in", "a comment alone"))
        message = f"{name} is {what}; texts are not graded and addresses are not followed. {what_to_hand_in()}"
        return refuse("intake", kind, message)

    def _recognise(self, child: Child, root: Path, notes: list[str]) -> Submission:
        """Make the submission of the files at `root`."""
        listing = listed(root)
        notes += listing.notes
        own = id_of(child)
        default = Submission(own, name_of(child), root, folder_id=own, place=child.place)
        if (found := manifest.manifest_in(names_in(root))) is not None:
            content = open_file(default, found.name, manifest.LARGEST)
            read = manifest.read_manifest(content, found.name, tasks=self.tasks, models=self.models)
            entries, spelled = manifest.matched(read.entries, listing.files, found.name)
            notes += (*found.notes, *read.notes, *spelled)
            chosen, name = read.id or default.id, read.name or default.name
            if child.owner is not None:
                # Who a hand-in is from is the platform's to say.
                for key, said, own in (("id", chosen, default.id), ("name", name, default.name)):
                    if said != own:
                        notes.append(
                            # Unsaid, so that blind marking stays blind.
                            f'{manifest.FILE_NAME}, key "submission.{key}", gives way to the platform\'s {key}, '
                            f'"{own}".'
                        )
                chosen, name = default.id, default.name
            made = replace(default, id=chosen, name=name, entries=entries)
            read_from = {found.name: digest(content)}
        else:
            made = replace(default, entries=self._entries_by_layout(root, listing.files, notes))
            read_from = {}
        return replace(made, digests=entry_digests(made) | read_from, notes=tuple(notes))

    def by_manifest(self, child: Child, read: manifest.Manifest, name: str) -> Submission:
        """Make the submission of a folder by a manifest that lies elsewhere."""
        try:
            listing = listed(child.path)
        except GradingError as error:
            return failed(child, error.failure)
        entries, spelled = manifest.matched(read.entries, listing.files, name)
        own = id_of(child)
        made = Submission(
            read.id or own, read.name or name_of(child), child.path, entries, folder_id=own, place=child.place
        )
        return replace(made, digests=entry_digests(made), notes=(*listing.notes, *read.notes, *spelled))

    def _entries_by_layout(self, root: Path, files: Sequence[str], notes: list[str]) -> tuple[Entry, ...]:
        """Make the entries of a submission without a manifest, by the first starter that finds any."""
        missing: list[str] = []
        starters = starters_of(names_in(root))
        if not starters:
            raise no_submission_in(root)
        for starter in starters:
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

    def _gathered(self, child: Child, notes: list[str]) -> Path:
        """Copy one owner's files of a flat export into a folder, under their original names, the latest of each."""
        into = Path(tempfile.mkdtemp(prefix=f"{id_of(child)}-", dir=self.workdir))
        for original, name in self._uploads(child, notes).items():
            if problem := path_problem(original):
                raise refuse("intake", problem[0], f"{shown(original)} {problem[1]}.")
            with opened(child.path, name) as file, (into / original).open("xb") as out:
                for chunk in chunks(file, original, LIMITS.file_bytes):
                    out.write(chunk)
        return into

    def _uploads(self, child: Child, notes: list[str]) -> dict[str, str]:
        """Choose the latest upload of each of an owner's files, by the name that it had at first.

        A name that looks like a second upload's ("best-1.pt") is kept where the manifest names it so.
        """
        platform = child.owner.platform if child.owner is not None else ""
        uploads = sorted(
            ((owner.upload, owner.file, name) for name in child.loose if (owner := owner_of(name)) and owner.file),
        )
        first = {file: first_name(platform, file) if platform else file for _, file, _ in uploads}
        manifests = [name for _, file, name in uploads if manifest.FILE_NAME in (file, first[file])]
        text = b""
        if manifests:
            with opened(child.path, manifests[-1], manifest.LARGEST) as file:
                text = file.read(manifest.LARGEST)
        latest: dict[str, str] = {}
        for _, uploaded, name in uploads:
            original = uploaded if uploaded.encode("utf-8", "surrogateescape") in text else first[uploaded]
            if original in latest:
                notes.append(f"{shown(original, 80)} was uploaded again; the latest, {shown(name, 80)}, counts.")
            elif original != uploaded:
                notes.append(f"{shown(uploaded, 80)} was taken as {shown(original, 80)}, uploaded again.")
            latest[original] = name
        return latest


def no_submission(name: str) -> GradingError:
    """Return the failure of a hand-in that is a single file."""
    label = shown(name, 80)
    message = f"{label} is {kind_of(name)}, and no submission. {what_to_hand_in()}"
    if is_checkpoint(name):
        message += " " + _lines_for(label)
    return refuse("intake", "not-a-submission", message)


def no_submission_in(folder: Path) -> GradingError:
    """Return the failure of a folder without a manifest and without a known layout."""
    folder = _unwrapped(folder)
    names = names_in(folder)
    if not names:
        return refuse("intake", "nothing-handed-in", f"It holds nothing. {what_to_hand_in()}")
    message = f"It holds neither a {manifest.FILE_NAME} nor a known layout. At its top: {quoted_top(folder)}"
    if len(names) == 1 and not is_folder(folder / names[0]):
        message += f", {kind_of(names[0])}"
    message += f". {what_to_hand_in()}"
    packed = [name for name in names if is_packed(name)]
    if packed:
        message += f" {shown(packed[0], 60)} is an archive in an archive: pack the files themselves."
    elif checkpoint := next((name for name in names if is_checkpoint(name)), ""):
        message += " " + _lines_for(shown(checkpoint, 60))
    if code := next((name for name in names if name.lower().endswith((".ipynb", ".py"))), ""):
        message += (
            f' To have the code asked, write code = "{shown(code, 60)}:load" in place of model; load gets the '
            "checkpoint's path and returns the model."
        )
    return refuse("intake", "not-a-submission", message)


def _unwrapped(folder: Path) -> Path:
    """Go down while a folder is all that a folder holds."""
    while len(names := names_in(folder)) == 1 and is_folder(folder / names[0]):
        folder = folder / names[0]
    return folder


def _lines_for(checkpoint: str) -> str:
    return (
        f'Beside {checkpoint}, a {manifest.FILE_NAME} with [[entry]], task = "…", model = "…" and '
        f'checkpoint = "{checkpoint}" on lines of their own is enough; `gradebench tasks` and `gradebench models` list '
        f"the names, and `gradebench inspect {checkpoint}` shows what it holds."
    )
