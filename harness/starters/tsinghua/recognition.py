"""What is recognised without a manifest: folders of starter code, and the names that learning platforms give.

Starter code: Tsinghua University, Deep Learning, homework 3, has the folders `ebm flow vae gan`. The conditional VAE
and GAN in two of them are fixed architectures; the code saves answers as `vae_generated_samples.pt`. What inpaints in
the other two is a method that the student writes, so that their Python runs where it is there.
Platforms: the exports of Moodle, Canvas and Gradescope.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.text import shown
from harness.types import Entry, Kind

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".safetensors", ".npz", ".ckpt", ".pkl", ".bin", ".npy")
"""What checkpoints are called, the likeliest first. Some students save whole modules as .npy."""


@dataclass(frozen=True)
class _Part:
    folder: str
    task: str
    part: str
    model: str
    samples: str | None = None
    """The answers-only file that the starter code writes."""
    code: str | None = None
    """What an entry says where the folder holds Python, for the method in it to be asked: one of `STARTER_CODES`."""


_PARTS = (
    _Part("vae", "conditional-generation", "cvae", "cvae", "vae_generated_samples.pt"),
    _Part("gan", "conditional-generation", "cgan", "cgan", "gan_generated_samples.pt"),
    _Part("ebm", "row-inpainting", "ebm", "ebm", code="starter:ebm"),
    _Part("flow", "half-inpainting", "flow", "realnvp", code="starter:flow"),
)
_FOLDERS = {part.folder for part in _PARTS}
_SAMPLES = {part.samples for part in _PARTS if part.samples is not None}

_DISCRIMINATOR = re.compile(r"(^|[^a-z])(d|disc|discriminator|netd|d_net)([^a-z]|$)")
_NOT_A_CHECKPOINT = re.compile(r"generated_samples|^mnist_cnn|^(training|test)\.pt$|(^|[^a-z])(loss|losses|log|hist)")
"""Other tensors that lie beside checkpoints: samples, the starter's own classifier, the data set, curves."""
_PREFERRED = (re.compile(r"best"), re.compile(r"checkpoint|ckpt"), re.compile(r"latest|last|final"))


def is_starter(names: Collection[str]) -> bool:
    """Whether a folder with these files and folders at its top has the starter code's layout."""
    lower = {name.lower() for name in names}
    return bool(lower & (_FOLDERS | _SAMPLES))


def starter_entries(
    files: Sequence[str], tasks: Collection[str], models: Mapping[str, object]
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Entries for the parts of the starter code that files are there for, and notes on what was taken.

    Parameters
    ----------
    files : all regular files of the submission, relative, with forward slashes
    tasks, models : what there is to grade
    """
    entries: list[Entry] = []
    notes: list[str] = []
    for part in _PARTS:
        inside = [file for file in files if file.lower().startswith(f"{part.folder}/")]
        answers = _answers(files, part)
        if not inside and answers is None:
            continue
        code = part.code if any(PurePosixPath(file).suffix.lower() == ".py" for file in inside) else None
        if part.task not in tasks or (code is None and part.model not in models):
            notes.append(f"{part.folder}/ was recognised, but there is no task for it yet; it was passed over.")
            continue
        ranked = _ranked(inside)
        if ranked and code is not None:
            entries.append(Entry(part.task, Kind.CODE, part.part, None, ranked[0], code))
            notes.append(
                f"{_taken(part, ranked, answers)} The code in {part.folder}/ is asked with it, in the sandbox."
            )
        elif ranked:
            entries.append(Entry(part.task, Kind.WEIGHTS, part.part, part.model, ranked[0]))
            notes.append(_taken(part, ranked, answers))
        elif answers is not None:
            entries.append(Entry(part.task, Kind.OUTPUTS, part.part, None, answers))
            notes.append(f"{part.part}: no checkpoint in {part.folder}/; {shown(answers)} was taken as answers only.")
        else:
            allowed = " ".join(CHECKPOINT_SUFFIXES)
            also = f" and no {part.samples}" if part.samples is not None else ""
            notes.append(f"{part.part}: {part.folder}/ holds no checkpoint ({allowed}){also}.")
    return tuple(entries), tuple(notes)


def _answers(files: Sequence[str], part: _Part) -> str | None:
    """The answers-only file, at the top or in the part's folder; the least deep."""
    found = [
        file
        for file in files
        if PurePosixPath(file).name.lower() == part.samples
        and ("/" not in file or file.lower().startswith(f"{part.folder}/"))
    ]
    return min(found, key=lambda file: (file.count("/"), file), default=None)


def _ranked(files: Sequence[str]) -> list[str]:
    """Files that may be checkpoints, the likeliest first: by name, number of epochs, suffix, then path."""
    return sorted((file for file in files if _is_checkpoint(file)), key=_rank)


def _is_checkpoint(file: str) -> bool:
    path = PurePosixPath(file.lower())
    return (
        path.suffix in CHECKPOINT_SUFFIXES
        and not _NOT_A_CHECKPOINT.search(path.name)
        and not {"data", "raw", "processed"} & set(path.parts[:-1])
    )


def _rank(file: str) -> tuple[bool, int, int, int, str]:
    path = PurePosixPath(file.lower())
    preferred = next((i for i, word in enumerate(_PREFERRED) if word.search(path.stem)), len(_PREFERRED))
    numbers = re.findall(r"[0-9]{1,12}", path.stem)
    epoch = int(numbers[-1]) if numbers else 0
    suffix = CHECKPOINT_SUFFIXES.index(path.suffix)
    return bool(_DISCRIMINATOR.search(path.stem)), preferred, -epoch, suffix, file


def _taken(part: _Part, ranked: Sequence[str], answers: str | None) -> str:
    others = [shown(file, 80) for file in ranked[1:4]] + ([f"{len(ranked) - 4} more"] if len(ranked) > 4 else [])
    if answers is not None:
        others.append(shown(answers, 80))
    beside = f" Not taken: {', '.join(others)}." if others else ""
    say = " To choose another, add a submission.toml." if others else ""
    return f"{part.part}: {shown(ranked[0], 80)} was taken as the checkpoint.{beside}{say}"


@dataclass(frozen=True)
class Owner:
    """Who handed in, as a platform's export says it."""

    id: str
    """The platform's number of the submission or user."""
    name: str
    file: str | None = None
    """The name that the file had when it was handed in, where the export is flat (Canvas)."""


_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>[0-9]{1,18})_assignsubmission_file_?", re.DOTALL)
_MOODLE_TEXT = re.compile(r".+_[0-9]{1,18}_assignsubmission_(onlinetext|comments)_?", re.DOTALL)
_CANVAS = re.compile(r"(?P<name>[^_/]+)(_LATE)?_(?P<id>[0-9]{1,18})_(?P<upload>[0-9]{3,18})_(?P<file>[^/]+)", re.DOTALL)
GRADESCOPE_METADATA = "submission_metadata.yml"


def owner_of(name: str) -> Owner | None:
    """Who a folder or file of an export belongs to, by its name; None where it is no platform's.

    Moodle: `<Full name>_<id>_assignsubmission_file[_]`. Canvas: `<sortablename>[_LATE]_<userid>_<fileid>_<original>`.
    For Gradescope's, see `gradescope_owners`.
    """
    if match := _MOODLE.fullmatch(name):
        who = match["name"]
        return Owner(match["id"], f"Participant {match['id']}" if who == "Participant" else shown(who))
    if match := _CANVAS.fullmatch(name):
        return Owner(match["id"], shown(match["name"]), match["file"])
    return None


def upload_number(name: str) -> int:
    """Canvas's number of an upload: of two files of one student and name, the later has the larger one."""
    match = _CANVAS.fullmatch(name)
    return int(match["upload"]) if match else 0


def is_ignored(name: str) -> bool:
    """Whether a name at the top of an export is a platform's own and no submission."""
    return _MOODLE_TEXT.fullmatch(name) is not None


def gradescope_owners(text: str) -> dict[str, Owner]:
    """Submitters by folder, from Gradescope's submission_metadata.yml (Ruby symbols as keys).

    Only the lines `submission_<id>:` and `:name: <name>` are read; anything else is passed over.
    """
    people: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        if match := re.fullmatch(r"(submission_[0-9]{1,18}):\s*", line):
            current = people.setdefault(match[1], [])
        elif re.match(r"\S", line):
            current = None
        elif current is not None and (match := re.fullmatch(r"\s+(?:- )?:name: (.+)", line)):
            current.append(match[1].strip().strip("'\""))
    return {
        folder: Owner(folder.removeprefix("submission_"), shown(" & ".join(names)) or folder)
        for folder, names in people.items()
    }
