"""Collects submissions from paths: each a folder, an archive, or the export of a class from a learning platform.

No link is followed, no device or pipe opened, no size believed, and never more unpacked than is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.intake import archives, manifest
from harness.intake.archives import ARCHIVE_SUFFIXES, is_archive, stem
from harness.intake.classes import Child, children_of, is_class, owner_depth
from harness.intake.folders import class_folder, is_recognised, quoted_top
from harness.intake.identity import unique
from harness.intake.manifest import Models
from harness.intake.platforms import folder_owner, owner_of
from harness.intake.submissions import Reader, failed
from harness.starters import starters
from harness.starters.layout import CHECKPOINT_SUFFIXES
from harness.text import shown
from harness.types import Failure, GradingError, Submission, refuse


def collect(paths: Sequence[Path], workdir: Path, *, tasks: Collection[str], models: Models) -> list[Submission]:
    """Collect the submissions that `paths` hold, sorted by path, their ids unique and safe as file names.

    Parameters
    ----------
    paths : each one submission, or a folder or archive of many, exports of the platforms in `PLATFORMS` among them
    workdir : an existing folder that archives are unpacked into, and that the submissions then lie in
    tasks : the tasks that exist
    models : the fixed architectures that exist, with their options and the values of these

    Raises
    ------
    GradingError
        if one of `paths` doesn't exist or is a file that is no archive. Anything wrong inside one is the `failure`
        of the submission that it belongs to.
    """
    reader = Reader(workdir, tasks, models)
    found: dict[Path, list[Submission]] = {}
    for path in sorted(paths, key=str):
        resolved = path.resolve()
        if resolved not in found:
            found[resolved] = _submissions(reader, path, resolved)
    return unique([submission for group in found.values() for submission in group])


def _submissions(reader: Reader, path: Path, resolved: Path) -> list[Submission]:
    """Return the submissions of a path that a person gave; it alone may be a link."""
    if resolved.is_dir():
        return _in_folder(reader, resolved, resolved.name)
    if not resolved.exists():
        raise refuse("intake", "missing-path", f"{path} doesn't exist. {_expected()}")
    if not resolved.is_file() or not is_archive(resolved.name):
        hint = ""
        if resolved.suffix.lower() in CHECKPOINT_SUFFIXES:
            hint = (
                f" Put the checkpoint into a folder, beside a {manifest.FILE_NAME} with the line "
                f'checkpoint = "{shown(resolved.name, 60)}" in an [[entry]], and give the folder. '
                "To see what the checkpoint holds, run `gradebench inspect` on it."
            )
        message = f"{path} is neither a folder nor an archive. {_expected()}{hint}"
        raise refuse("intake", "not-a-submission", message)
    label = stem(resolved.name)
    try:
        into, unpacked = reader.unpack(resolved, label, owner_depth)
    except GradingError as error:
        return [failed(Child(resolved, label, folder_owner(label)), error.failure)]
    return _in_folder(reader, into, label, unpacked)


def _in_folder(reader: Reader, folder: Path, label: str, unpacked: archives.Unpacked | None = None) -> list[Submission]:
    """Return one submission, or one for each child. `unpacked` is given if the folder came out of an archive."""
    nested = unpacked is not None
    unpacked = unpacked or archives.Unpacked()
    inner = class_folder(folder)
    children = [] if is_recognised(inner) else children_of(inner)
    single = children[0] if nested and len(children) == 1 and children[0].is_plain_folder else None
    if is_recognised(inner) or single is not None:
        # In a folder of one folder, that one is the submission; an archive is named after its student.
        child = Child(
            single.path if single is not None else inner,
            label if nested else inner.name,
            folder_owner(label if nested else inner.name),
            failure=next(iter(unpacked.problems.values()), None),
            notes=tuple(note for notes in unpacked.notes.values() for note in notes),
        )
        return [reader.submission(child)]
    if not unpacked.problems and not is_class(children):
        message = (
            f"{shown(label)} holds neither a {manifest.FILE_NAME} nor a known layout. At its top: {quoted_top(inner)}. "
            f"{_expected()}"
        )
        failure = Failure("intake", "not-a-submission", message)
        return [failed(Child(folder, label, folder_owner(label)), failure)]
    prefix = "" if inner == folder else f"{inner.relative_to(folder).as_posix()}/"
    children += _charged(children, folder, label, prefix, unpacked)
    return [reader.submission(child) for child in children]


def _charged(
    children: Sequence[Child], folder: Path, label: str, prefix: str, unpacked: archives.Unpacked
) -> list[Child]:
    """Give each child the problems and notes of its files in an archive, and return children for the other problems."""
    claimed: set[str] = set()
    for child in children:
        keys = [prefix + name for name in child.loose or (child.path.name,)]
        claimed.update(keys)
        child.failure = next((unpacked.problems[key] for key in keys if key in unpacked.problems), None)
        child.notes = tuple(note for key in keys for note in unpacked.notes.get(key, ()))
    others = []
    for key, failure in sorted(unpacked.problems.items()):
        if key not in claimed:
            # Nothing of it was unpacked, or it leads out of the archive; it must not go unsaid.
            name = key.removeprefix(prefix)
            named = name if name.strip("./") else f"{label} {failure.kind}"
            others.append(Child(folder, stem(named), owner_of(name), failure=failure))
    return others


def _expected() -> str:
    layouts = ", or ".join(starter.layout for starter in starters())
    return (
        f"Give a folder or an archive ({' '.join(ARCHIVE_SUFFIXES)}) that has a {manifest.FILE_NAME} at its top, or a "
        f"known layout ({layouts}), or one that holds many such submissions."
    )
