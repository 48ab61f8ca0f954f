"""Collects submissions from paths: each a folder, an archive, or the export of a class from a learning platform.

No link is followed, no device or pipe opened, no size believed, and never more unpacked than is allowed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.intake import archives, manifest
from harness.intake.classes import Child, children_of
from harness.intake.folders import what_to_hand_in
from harness.intake.forms import At, Decision, Form, InArchive, Names, OnDisk, decide, is_class_below
from harness.intake.identity import unique
from harness.intake.kinds import is_packed, label_of
from harness.intake.manifest import Models
from harness.intake.platforms import Owner, folder_owner, owner_of
from harness.intake.submissions import Reader, failed
from harness.text import shown
from harness.types import Failure, GradingError, Submission, refuse

_MOST_NOTES = 20
"""Notes on single files of a whole class that are told."""


def _silent(note: str) -> None: ...


def _every(name: str) -> bool:
    return True


def collect(
    paths: Sequence[Path],
    workdir: Path,
    *,
    tasks: Collection[str],
    models: Models,
    form: Form = "auto",
    on_note: Callable[[str], None] = _silent,
    beside: Collection[Path] = (),
    chosen: Callable[[str], bool] = _every,
) -> list[Submission]:
    """Collect the submissions that `paths` hold, sorted by path, their ids unique and safe as file names.

    Parameters
    ----------
    paths : each one submission, or a folder or archive of many, exports of the platforms in `PLATFORMS` among them
    workdir : an existing folder that archives are unpacked into, and that the submissions then lie in
    tasks : the tasks that exist
    models : the fixed architectures that exist, with their options and the values of these
    form : "one" and "class" say what each path is; "auto" decides by the names in it
    on_note : is told, in sentences, what the paths were taken for and what was passed over
    beside : folders of gradebench's own (results, pages, data), which are no seats where they lie in a class's folder
    chosen : decides by a name in a class's folder whether its hand-in is read; all names decide about ids

    Raises
    ------
    GradingError
        if one of `paths` doesn't exist. Anything wrong inside one is the `failure` of the submission that it belongs
        to.
    """
    given: dict[Path, Path] = {}
    for path in sorted(paths, key=str):
        given.setdefault(path.resolve(), path)
    for resolved, path in given.items():
        if not resolved.exists():
            raise refuse("intake", "missing-path", f"{path} doesn't exist. {what_to_hand_in()}")
    several = len(given) > 1
    collection = _Collection(
        Reader(workdir, tasks, models), form, on_note, frozenset(path.resolve() for path in beside), several,
        several and any(_is_single(path) for path in given), chosen,
    )  # fmt: skip
    found = [one for resolved in given for one in collection.submissions(resolved)]
    collection.tell()
    return unique(found)


def _is_single(path: Path) -> bool:
    """Return True for a path that is one submission without opening it: recognised, or a file that is no archive."""
    if path.is_dir():
        return not (taken := decide(OnDisk(path), "auto", archived=False)).is_class and not taken.at
    return not is_packed(path.name)


@dataclass
class _Collection:
    """Collects from one path after the other, and remembers which were taken as one submission."""

    reader: Reader
    form: Form
    say: Callable[[str], None]
    beside: frozenset[Path]
    several: bool
    among_single: bool
    chosen: Callable[[str], bool]
    single: tuple[tuple[str, str], ...] = ()
    """Name and reason of each path that was taken as one submission."""

    def submissions(self, path: Path) -> list[Submission]:
        """Return the submissions of a path that a person gave, resolved; it alone may have been a link."""
        if path.is_dir():
            decision = self._decision(OnDisk(path), archived=False)
            if self.chosen is not _every:
                # Names are of the folder itself, although one of them may lie alone in it.
                decision = replace(decision, at=())
            if decision.is_class:
                return self._class(path.joinpath(*decision.at), path.name, decision)
            inner = path.joinpath(*decision.at)
            # Several paths may all hold one folder of the same name.
            named = path if self.several or not decision.at else inner
            return [self._one(Child(inner, named.name, _root(named.parent)), path.name, decision.reason)]
        label = label_of(path.name)
        child = Child(path, label, _root(path.parent), folder_owner(label))
        if path.is_file() and is_packed(path.name):
            return self._archive(child)
        if self.form == "class":
            message = f"{shown(path.name)} is a single file, and no class. Give the folder or archive of the class."
            raise refuse("intake", "not-a-class", message)
        return [self._one(child, path.name, "it is a single file")]

    def tell(self) -> None:
        """Say what was taken as one submission."""
        if not self.single or self.form == "one":
            return
        names, reasons = zip(*self.single, strict=True)
        if len(names) == 1:
            self.say(
                f"{shown(names[0])} was taken as one submission: {reasons[0]}. "
                "If each folder and file in it is one student's, add --class."
            )
        else:
            self.say(f"{len(names):,} paths were taken as one submission each.")

    def _decision(self, names: Names, archived: bool) -> Decision:
        among = self.among_single and not is_class_below(names)
        return decide(names, self.form, archived=archived, among_single=among)

    def _one(self, child: Child, name: str, reason: str) -> Submission:
        self.single = (*self.single, (name, reason))
        return self.reader.submission(child)

    def _archive(self, child: Child) -> list[Submission]:
        """Return the submissions in an archive."""
        path, told = child.path, [Decision(False, (), "it can't be unpacked")]

        def owner_depth(names: Sequence[str]) -> int:
            told[0] = self._decision(InArchive(names), archived=True)
            return len(told[0].at) + 1 if told[0].is_class else 0

        try:
            into, unpacked = self.reader.unpack(path, child.label, owner_depth)
        except GradingError as error:
            if told[0].is_class:
                self.say(f"{shown(path.name)} was taken as a class, of which nothing could be read.")
            self.single = (*self.single, (path.name, told[0].reason))
            return [failed(child, error.failure)]
        decision = told[0]
        if decision.reason == "it can't be unpacked" or not into.joinpath(*decision.at).is_dir():
            # A tar tells its names only as it is unpacked.
            decision = self._decision(OnDisk(into), archived=True)
        inner = into.joinpath(*decision.at)
        if decision.is_class:
            return self._class(inner, path.name, decision, str(path), unpacked)
        child.path = inner
        child.failure = next(iter(unpacked.problems.values()), None)
        child.notes = tuple(note for notes in unpacked.notes.values() for note in notes)
        return [self._one(child, path.name, decision.reason)]

    def _class(
        self, folder: Path, name: str, decision: Decision, root: str = "", unpacked: archives.Unpacked | None = None
    ) -> list[Submission]:
        """Return a submission for each seat of a class."""
        unpacked = unpacked or archives.Unpacked()
        prefix = "/".join((*decision.at, "")) if root else ""
        digest = _root(Path(root) if root else folder)
        lost = [key.removeprefix(prefix) for key in unpacked.problems if key.startswith(prefix)]
        lost = [key for key in lost if "/" not in key and "\\" not in key and "\0" not in key and key.strip(". ")]
        lost = [key for key in lost if len(key.encode("utf-8", "surrogateescape")) < 256 and not key.endswith(":")]
        children = children_of(folder, digest, self.say, self.beside, lost)
        for note in unpacked.notes.get("", ())[:_MOST_NOTES]:
            self.say(note)
        children += _charged(children, folder, label_of(name), prefix, unpacked, digest)
        if not root and self.chosen is not _every:
            return [self.reader.submission(child) for child in children if any(map(self.chosen, child.names))]
        if not children:
            failure = Failure("intake", "nothing-handed-in", f"{shown(name)} holds nothing. {what_to_hand_in()}")
            path = Path(root) if root else folder
            return [failed(Child(path, label_of(path.name), _root(path.parent)), failure)]
        self._tell_class(name, decision.at if not root else (), len(children), decision.reason)
        return [self.reader.submission(child) for child in children]

    def _tell_class(self, name: str, at: At, count: int, reason: str) -> None:
        where = "/".join(map(shown, (name, *at)))
        seats = "one seat" if count == 1 else f"{count:,} seats"
        why = f": {reason}" if reason else ""
        hint = " If it is one submission, add --one." if self.form == "auto" else ""
        self.say(f"{where} was taken as a class of {seats}{why}.{hint}")


def _charged(
    children: Sequence[Child], folder: Path, label: str, prefix: str, unpacked: archives.Unpacked, root: str
) -> list[Child]:
    """Give each child the problems and notes of its files in an archive, and return children for the other problems."""
    claimed: set[str] = set()
    for child in children:
        keys = [prefix + name for name in child.names]
        claimed.update(keys)
        child.failure = next((unpacked.problems[key] for key in keys if key in unpacked.problems), child.failure)
        child.notes = (*child.notes, *(note for key in keys for note in unpacked.notes.get(key, ())))
    others: dict[str, Child] = {}
    problems = dict(unpacked.problems)
    for key, notes in unpacked.notes.items():
        # A name that can't be written: macOS's own "Icon\r" is nobody's.
        if key and key.startswith(prefix) and not key.endswith("Icon\r"):
            problems.setdefault(key, Failure("intake", "control-character", notes[0]))
    for key, failure in sorted(problems.items()):
        if key not in claimed:
            # Nothing of it was unpacked, or it leads out of the archive; it must not go unsaid.
            name = key.removeprefix(prefix)
            said = label_of(name if name.strip("./") else f"{label} {failure.kind}")
            owner: Owner | None = owner_of(name)
            seat = owner.seat if owner is not None else said
            others.setdefault(seat, Child(folder / "nothing", said, root, owner, failure=failure))
    return list(others.values())


def _root(folder: Path) -> str:
    """Return the digest by which a class's folder or archive is known."""
    return hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def with_manifest(folder: Path, file: Path, workdir: Path, *, tasks: Collection[str], models: Models) -> Submission:
    """Make the submission of a folder by a manifest that lies elsewhere, so that the folder stays untouched.

    Raises GradingError where the manifest can't be read; anything wrong in the folder is the submission's failure.
    """
    resolved = folder.resolve()
    content = file.read_bytes()[: manifest.LARGEST + 1]
    read = manifest.read_manifest(content, file.name, tasks=tasks, models=models)
    child = Child(resolved, resolved.name, _root(resolved.parent))
    return Reader(workdir, tasks, models).by_manifest(child, read, file.name)
