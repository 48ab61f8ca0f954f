"""From folders, zips and exports of a class to submissions: regular files only, and never more than is allowed.

No link is followed, no device or pipe opened, no size believed. What a submission does wrong is its own `failure`; the
others go on.
"""

from __future__ import annotations

import hashlib
import stat
import tempfile
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.intake import archives, manifest
from harness.intake.archives import LIMITS, is_archive, is_junk, stem
from harness.intake.manifest import Models
from harness.intake.names import ID_LENGTH, path_problem, slug
from harness.intake.regular_files import chunks, file_digest, listed, opened
from harness.starters.tsinghua.recognition import (
    CHECKPOINT_SUFFIXES,
    GRADESCOPE_METADATA,
    Owner,
    gradescope_owners,
    is_ignored,
    is_starter,
    owner_of,
    starter_entries,
    upload_number,
)
from harness.text import shown
from harness.types import Entry, Failure, GradingError, Kind, Submission, refuse

_EXPECTED = (
    "Expected is a folder or an archive (.zip .tar .tar.gz .tgz) with a submission.toml, with starter code's folders "
    "vae/ and gan/, or with many such submissions."
)
_WRAPPERS = 3
"""Folders that hold nothing but one folder, one in the other, that are looked through."""


def collect(paths: Sequence[Path], workdir: Path, *, tasks: Collection[str], models: Models) -> list[Submission]:
    """The submissions that `paths` hold, sorted by path, their ids unique and safe as file names.

    Parameters
    ----------
    paths : each one submission, or a folder or archive of many, an export of Moodle, Canvas or Gradescope among them
    workdir : an existing folder that archives are unpacked into, and that the submissions then lie in
    tasks : the tasks that there are
    models : the fixed architectures that there are, with their options and the values of these

    Raises
    ------
    GradingError
        where one of `paths` doesn't exist or is a file that is no archive. Anything wrong inside one is the
        `failure` of the submission that it belongs to.
    """
    found: dict[Path, list[Submission]] = {}
    for path in sorted(paths, key=str):
        resolved = path.resolve()
        if resolved not in found:
            found[resolved] = _Intake(workdir, tasks, models).read(path, resolved)
    return _unique([submission for group in found.values() for submission in group])


def open_file(submission: Submission, relative: str, limit: int = LIMITS.file_bytes) -> bytes:
    """The bytes of a submission's file, opened once, component by component, without following a link.

    Bytes that were read are what was checked: hash and parse these, and no later change of the file matters.

    Raises
    ------
    GradingError
        of kind missing-file, link, special-file, too-large (more than `limit` bytes, even if it grows meanwhile),
        or one of `harness.names.path_problem`.
    """
    with opened(submission.root, relative, limit) as file:
        return b"".join(chunks(file, relative, limit))


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def tree_digest(submission: Submission) -> str:
    """SHA-256 over the paths and digests of all the submission's regular files: changes when any of its code does.

    Never raises: what can't be read enters by its path alone.
    """
    whole = hashlib.sha256()
    try:
        files = listed(submission.root).files
    except (GradingError, OSError):
        files = ()
    for file in files:
        line = f"{file}\0{file_digest(submission.root, file) or 'unreadable'}\n"
        whole.update(line.encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


@dataclass
class _Child:
    """One submission to be: a folder or archive in the folder of a class."""

    path: Path
    """A folder or an archive; for Canvas's loose files, the folder that they lie in."""
    label: str
    """What its id and name default to."""
    owner: Owner | None = None
    loose: tuple[str, ...] = ()
    """Names of Canvas's loose files of one student."""
    failure: Failure | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_plain_folder(self) -> bool:
        """Whether it is a folder of no platform's making."""
        return self.owner is None and _is_folder(self.path)


class _Intake:
    """Reads one path. Holds what all of its steps need."""

    def __init__(self, workdir: Path, tasks: Collection[str], models: Models) -> None:
        self.workdir, self.tasks, self.models = workdir, tasks, models

    def read(self, path: Path, resolved: Path) -> list[Submission]:
        """Submissions of a path that a person gave; it alone may be a link."""
        if resolved.is_dir():
            return self._folder(resolved, resolved.name, nested=False)
        if not resolved.exists():
            raise refuse("intake", "missing-path", f"{path} doesn't exist. {_EXPECTED}")
        if not resolved.is_file() or not is_archive(resolved.name):
            suffix = resolved.suffix.lower()
            hint = ""
            if suffix in CHECKPOINT_SUFFIXES:
                hint = (
                    f" Put the checkpoint into a folder, beside a {manifest.FILE_NAME} whose [[entry]] names it, and "
                    "give the folder. What a checkpoint holds, `gradebench inspect` says."
                )
            raise refuse("intake", "not-a-submission", f"{path} is neither a folder nor an archive. {_EXPECTED}{hint}")
        label = stem(resolved.name)
        try:
            into, unpacked = self._unpack(resolved, label, _owner_depth)
        except GradingError as error:
            return [self._failed(_Child(resolved, label, _owner_of_folder(label)), error.failure)]
        return self._folder(into, label, nested=True, unpacked=unpacked)

    def _folder(
        self, folder: Path, label: str, *, nested: bool, unpacked: archives.Unpacked | None = None
    ) -> list[Submission]:
        """One submission, or one for each child. `nested` where the folder came out of an archive of that label."""
        unpacked = unpacked or archives.Unpacked()
        inner = _class_folder(folder)
        children = [] if _recognised(inner) else _children(inner)
        single = children[0] if nested and len(children) == 1 and children[0].is_plain_folder else None
        if _recognised(inner) or single is not None:
            # In a folder of one folder, that one is the submission; an archive is named after its student.
            child = _Child(
                single.path if single is not None else inner,
                label if nested else inner.name,
                _owner_of_folder(label if nested else inner.name),
                failure=next(iter(unpacked.problems.values()), None),
                notes=tuple(note for notes in unpacked.notes.values() for note in notes),
            )
            return [self._submission(child)]
        prefix = "" if inner == folder else f"{inner.relative_to(folder).as_posix()}/"
        if not unpacked.problems and not _is_class(children):
            message = (
                f"{shown(label)} holds neither a {manifest.FILE_NAME} nor a known layout. At its top: {_top(inner)}."
            )
            failure = Failure("intake", "not-a-submission", f"{message} {_EXPECTED}")
            return [self._failed(_Child(folder, label, _owner_of_folder(label)), failure)]
        claimed: set[str] = set()
        for child in children:
            keys = [prefix + name for name in child.loose or (child.path.name,)]
            claimed.update(keys)
            child.failure = next((unpacked.problems[key] for key in keys if key in unpacked.problems), None)
            child.notes = tuple(note for key in keys for note in unpacked.notes.get(key, ()))
        for owner, failure in sorted(unpacked.problems.items()):
            if owner not in claimed:
                # Nothing of it was unpacked, or it leads out of the archive; it must not go unsaid.
                name = owner.removeprefix(prefix)
                named = name if name.strip("./") else f"{label} {failure.kind}"
                children.append(_Child(folder, stem(named), owner_of(name), failure=failure))
        return [self._submission(child) for child in children]

    def _submission(self, child: _Child) -> Submission:
        """A child's submission; whatever goes wrong is in its `failure`."""
        try:
            if child.failure is not None:
                raise GradingError(child.failure)
            return self._read(child)
        except GradingError as error:
            return self._failed(child, error.failure)
        except Exception as error:  # one submission's trouble is never another's
            message = f"The harness failed to read this: {type(error).__name__}. This is not the submission's fault."
            return self._failed(child, Failure("intake", "harness-error", message, "harness", traceback.format_exc()))

    def _read(self, child: _Child) -> Submission:
        notes = list(child.notes)
        mode = child.path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise refuse("intake", "link", f"{shown(child.label)} is a link; put the folder itself in its place.")
        if child.loose:
            root = self._gathered(child)
        elif stat.S_ISDIR(mode):
            root = child.path
        else:
            root, unpacked = self._unpack(child.path, child.label)
            notes += unpacked.notes.get("", ())
        root = _root_of(root)
        inside = [name for name in _names(root) if is_archive(name)]
        # Platforms put uploads into a folder: an archive in there is the submission. One in an archive isn't.
        if inside and stat.S_ISDIR(mode) and not _recognised(root):
            if len(inside) > 1:
                raise refuse("intake", "several-archives", f"It holds {len(inside)} archives; hand in one.")
            unpacked_root, unpacked = self._unpack(root / inside[0], stem(inside[0]))
            notes += unpacked.notes.get("", ())
            root = _root_of(unpacked_root)
        return self._recognise(child, root, notes)

    def _recognise(self, child: _Child, root: Path, notes: list[str]) -> Submission:
        listing = listed(root)
        notes += listing.notes
        default = Submission(self._id(child), self._name(child), root)
        if manifest.FILE_NAME in _names(root):
            content = open_file(default, manifest.FILE_NAME, manifest.LARGEST)
            read = manifest.read_manifest(content, manifest.FILE_NAME, tasks=self.tasks, models=self.models)
            notes += read.notes
            chosen = default.id
            if read.id is not None and child.owner is None:
                chosen = read.id
            elif read.id is not None and read.id != default.id:
                notes.append(f'The id "{read.id}" in {manifest.FILE_NAME} gives way to the platform\'s, {default.id}.')
            name = read.name or default.name
            made = replace(default, id=chosen, folder_id=default.id, name=name, entries=read.entries)
        else:
            entries, said = starter_entries(listing.files, self.tasks, self.models)
            notes += said
            if not entries:
                message = f"There is no {manifest.FILE_NAME}, and no checkpoint where starter code keeps it."
                raise refuse("intake", "not-a-submission", f"{message} At the top: {_top(root)}.", "\n".join(said))
            made = replace(default, entries=entries)
        return replace(made, digests=_digests(made), notes=tuple(notes))

    def _failed(self, child: _Child, failure: Failure) -> Submission:
        return Submission(self._id(child), self._name(child), child.path, failure=failure, notes=child.notes)

    def _id(self, child: _Child) -> str:
        return slug(child.owner.id if child.owner is not None else child.label)

    def _name(self, child: _Child) -> str:
        return (child.owner.name if child.owner is not None else shown(child.label)) or self._id(child)

    def _unpack(
        self, path: Path, label: str, owner_depth: Callable[[Sequence[str]], int] = lambda names: 0
    ) -> tuple[Path, archives.Unpacked]:
        """Unpack an archive, one submission's unless `owner_depth` says otherwise, into a folder of its own."""
        into = Path(tempfile.mkdtemp(prefix=f"{slug(label)[:32]}-", dir=self.workdir))
        with opened(path.parent, path.name, 1 << 40) as file:
            return into, archives.unpack(file, path.name, into, owner_depth=owner_depth)

    def _gathered(self, child: _Child) -> Path:
        """Canvas's files of one student, under the names that they were handed in with."""
        latest: dict[str, str] = {}
        for name in sorted(child.loose, key=upload_number):
            owner = owner_of(name)
            latest[(owner.file if owner is not None else None) or name] = name
        into = Path(tempfile.mkdtemp(prefix=f"{self._id(child)}-", dir=self.workdir))
        for original, name in latest.items():
            if problem := path_problem(original):
                raise refuse("intake", problem[0], f"{shown(original)} {problem[1]}.")
            with opened(child.path, name) as file, (into / original).open("xb") as out:
                for chunk in chunks(file, original, LIMITS.file_bytes):
                    out.write(chunk)
        return into


def _names(folder: Path) -> list[str]:
    """What lies in a folder, sorted, without hidden things and what tools leave behind."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # of a folder that can't be read, `listed` says so
        return []
    return sorted(name for name in names if not name.startswith(".") and not is_junk((name,)))


def _recognised(folder: Path) -> bool:
    names = _names(folder)
    return manifest.FILE_NAME in names or is_starter(names)


def _top(folder: Path) -> str:
    """The first names in a folder, as an error quotes them."""
    return ", ".join(shown(name, 40) for name in _names(folder)[:12]) or "nothing"


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _only_folder(folder: Path) -> Path | None:
    """The folder that is all that `folder` holds, if so."""
    names = _names(folder)
    return folder / names[0] if len(names) == 1 and _is_folder(folder / names[0]) else None


def _owner_of_folder(name: str) -> Owner | None:
    """Who a folder belongs to. Canvas's exports have none, so that a name of its form is a coincidence."""
    owner = owner_of(name)
    return owner if owner is not None and owner.file is None else None


def _class_folder(folder: Path) -> Path:
    """`folder`, or the one that is all that it holds, down to a submission or to the folders of a class."""
    for _ in range(_WRAPPERS):
        only = _only_folder(folder)
        if _recognised(folder) or only is None or _owner_of_folder(only.name) is not None:
            break
        folder = only
    return folder


def _root_of(folder: Path) -> Path:
    """Where a submission starts: `folder`, or the only recognised folder in it, however it is wrapped."""
    level = [folder]
    for _ in range(_WRAPPERS + 1):
        found = [one for one in level if _recognised(one)]
        if found:
            return found[0] if len(found) == 1 else folder
        level = [one / name for one in level for name in _names(one) if _is_folder(one / name)][:100]
    return folder


def _children(folder: Path) -> list[_Child]:
    """What may be submissions in the folder of a class, sorted by name."""
    export = _gradescope_export(folder)
    children: list[_Child] = []
    loose: dict[str, _Child] = {}
    for name in _names(folder):
        path = folder / name
        mode = path.lstat().st_mode
        if is_ignored(name):
            continue
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            children.append(_Child(path, name, export.get(name) or _owner_of_folder(name)))
        elif (owner := owner_of(name)) is not None and owner.file is not None:
            loose.setdefault(owner.id, _Child(folder, owner.name, owner)).loose += (name,)
        elif is_archive(name):
            children.append(_Child(path, stem(name), owner or _owner_of_folder(stem(name))))
    return sorted([*children, *loose.values()], key=lambda child: child.loose[0] if child.loose else child.path.name)


def _is_class(children: Sequence[_Child]) -> bool:
    """Whether children are submissions, rather than a single submission's folders of code."""
    return any(
        child.owner is not None
        or is_archive(child.path.name)
        or (_is_folder(child.path) and _recognised(_root_of(child.path)))
        for child in children
    )


def _gradescope_export(folder: Path) -> dict[str, Owner]:
    """Owners by folder, where this is Gradescope's export: its submission_metadata.yml lies there."""
    try:
        with opened(folder, GRADESCOPE_METADATA, 64 << 20) as file:
            return gradescope_owners(file.read(64 << 20).decode("utf-8", "replace"))
    except GradingError:
        return {}


def _owner_depth(names: Sequence[str]) -> int:
    """How many leading names in a zip say whose a file is; 0 where it holds one submission."""
    paths = [
        PurePosixPath(name).parts
        for name in names
        if not path_problem(name) and not name.endswith("/") and not is_junk(PurePosixPath(name).parts)
    ]
    for depth in range(_WRAPPERS):
        top = {path[depth] for path in paths if len(path) > depth}
        files = {path[depth] for path in paths if len(path) == depth + 1}
        if manifest.FILE_NAME in files or is_starter(top):
            return 0
        if any(owner_of(name) or is_archive(name) for name in files) or any(map(_owner_of_folder, top)):
            return depth + 1
        if GRADESCOPE_METADATA in files:
            return depth + 1
        if len(top) != 1:
            inside = {name for path in paths for name in path[depth + 1 : depth + 2 + _WRAPPERS]}
            return depth + 1 if manifest.FILE_NAME in inside or is_starter(inside) else 0
    return 0


def _digests(submission: Submission) -> dict[str, str]:
    """SHA-256 of each file that an entry names and that can be read."""
    named: set[str] = set()
    for entry in submission.entries:
        named.update(path for path in (entry.file, _code_file(entry)) if path is not None)
    found = {path: file_digest(submission.root, path) for path in sorted(named)}
    return {path: value for path, value in found.items() if value is not None}


def _code_file(entry: Entry) -> str | None:
    return entry.code.rpartition(":")[0] if entry.kind is Kind.CODE and entry.code is not None else None


def _unique(submissions: list[Submission]) -> list[Submission]:
    """The same submissions, no two ids equal where case doesn't count.

    An id that a manifest claims gives way to the submission whose folder or platform gives it that id; of two equal
    ones the later gets a number. Each change is noted.
    """
    places = {s.id.casefold() for s in submissions if s.folder_id in ("", s.id)}
    taken: set[str] = set()
    result = []
    for submission in submissions:
        own = submission.folder_id
        if own not in ("", submission.id) and submission.id.casefold() in places:
            note = f'The id "{submission.id}" belongs to another submission; this one became "{own}".'
            submission = replace(submission, id=own, notes=(*submission.notes, note))
        chosen, number = submission.id, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{submission.id[: ID_LENGTH - len(str(number)) - 1]}-{number}"
        if chosen != submission.id:
            note = f'The id "{submission.id}" was taken by another submission; this one became "{chosen}".'
            submission = replace(submission, id=chosen, notes=(*submission.notes, note))
        taken.add(chosen.casefold())
        result.append(submission)
    return result
