"""Recognises the layout of Tsinghua University's Deep Learning homework 3 by the names of files and folders.

The starter code has the folders `ebm`, `flow`, `vae` and `gan`. The conditional VAE and GAN are fixed architectures,
whose answers the code saves as `vae_generated_samples.pt` and `gan_generated_samples.pt`. The energy-based model and
the flow inpaint with a method that the student writes, so their Python code runs if the folder holds any. The code of
the fixed architectures is asked where a checkpoint does not hold their weights alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.starters.layout import CHECKPOINT_SUFFIXES, Recognised, Starter
from harness.text import shown
from harness.types import Entry, Kind


@dataclass(frozen=True)
class _Part:
    folder: str
    task: str
    part: str
    model: str
    samples: str | None = None
    """File of answers that the starter code writes."""
    code: str | None = None
    """`Entry.code` of a folder that holds Python or a notebook."""
    fixed: bool = False
    """True if the architecture is fixed, so that the code is asked only where the weights are not this one's."""


_PARTS = (
    _Part("vae", "conditional-generation", "cvae", "cvae", "vae_generated_samples.pt", code="starter:vae", fixed=True),
    _Part("gan", "conditional-generation", "cgan", "cgan", "gan_generated_samples.pt", code="starter:gan", fixed=True),
    _Part("ebm", "row-inpainting", "ebm", "ebm", code="starter:ebm"),
    _Part("flow", "half-inpainting", "flow", "realnvp", code="starter:flow"),
)
_FOLDERS = {part.folder for part in _PARTS}
_SAMPLES = {part.samples for part in _PARTS if part.samples is not None}

_DISCRIMINATOR = re.compile(r"(^|[^a-z])(d|disc|discriminator|netd|d_net)([^a-z]|$)")
_NOT_A_CHECKPOINT = re.compile(r"generated_samples|^mnist_cnn|^(training|test)\.pt$|(^|[^a-z])(loss|losses|log|hist)")
"""Other tensors that lie beside checkpoints: samples, the starter's own classifier, the data set, loss curves."""
_PREFERRED = (re.compile(r"best"), re.compile(r"checkpoint|ckpt"), re.compile(r"latest|last|final"))


def _is_layout(names: Collection[str]) -> bool:
    """Return True if a folder with these names at its top has a folder, or a file of answers, of the starter."""
    lower = {name.lower() for name in names}
    return bool(lower & (_FOLDERS | _SAMPLES))


def _entries(files: Sequence[str], tasks: Collection[str], models: Mapping[str, object]) -> Recognised:
    """Make an entry for each part that has a checkpoint or a file of answers, and notes on what was taken."""
    entries: list[Entry] = []
    notes: list[str] = []
    for part in _PARTS:
        inside = [file for file in files if file.lower().startswith(f"{part.folder}/")]
        answers = _answers(files, part)
        if not inside and answers is None:
            continue
        code = part.code if any(PurePosixPath(file).suffix.lower() in (".py", ".ipynb") for file in inside) else None
        if part.task not in tasks or (code is None and part.model not in models):
            notes.append(f"{part.folder}/ was recognised, but there is no task for it yet; it was not graded.")
            continue
        ranked = _ranked(inside)
        if ranked and code is not None and not (part.fixed and part.model in models):
            entry = Entry(part.task, Kind.CODE, part.part, None, ranked[0], code)
            notes.append(
                f"{_taken(entry, ranked, answers)} The code in {part.folder}/ is asked with it, in the sandbox."
            )
        elif ranked:
            entry = Entry(part.task, Kind.WEIGHTS, part.part, part.model, ranked[0], code)
            notes.append(_taken(entry, ranked, answers))
        elif answers is not None:
            entry = Entry(part.task, Kind.OUTPUTS, part.part, None, answers)
            notes.append(
                f"{part.part}: {part.folder}/ holds no checkpoint, so {shown(answers)} was taken as answers only."
            )
        else:
            notes.append(_missing(part))
            continue
        entries.append(entry)
    return tuple(entries), tuple(notes)


TSINGHUA = Starter(
    summary="Tsinghua University, Deep Learning, homework 3: folders ebm, flow, vae and gan",
    layout="one or more of the folders ebm/, flow/, vae/ and gan/ of Tsinghua's homework 3",
    codes=tuple(part.code for part in _PARTS if part.code is not None),
    is_layout=_is_layout,
    entries=_entries,
    opening="harness.starters.tsinghua.opening:open_starter",
)


def _answers(files: Sequence[str], part: _Part) -> str | None:
    """Find the file of answers, at the top or in the part's folder; of several, the one in the fewest folders."""
    found = [
        file
        for file in files
        if PurePosixPath(file).name.lower() == part.samples
        and ("/" not in file or file.lower().startswith(f"{part.folder}/"))
    ]
    return min(found, key=lambda file: (file.count("/"), file), default=None)


def _ranked(files: Sequence[str]) -> list[str]:
    """Sort the files that may be checkpoints, the likeliest first: by name, number of epochs, suffix, then path."""
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


def _taken(entry: Entry, ranked: Sequence[str], answers: str | None) -> str:
    """Say which checkpoint an entry has, which files were left out, and the lines that choose another."""
    sentence = f"{entry.part}: {shown(ranked[0], 80)} was taken as the checkpoint."
    others = [shown(file, 80) for file in ranked[1:4]] + ([f"{len(ranked) - 4} more"] if len(ranked) > 4 else [])
    if answers is not None:
        others.append(shown(answers, 80))
    if not others:
        return sentence
    by_code = entry.kind is Kind.CODE
    way = f'part = "{entry.part}", code = "{entry.code}"' if by_code else f'model = "{entry.model}"'
    lines = (
        f'{way} and checkpoint = "{others[0]}"'
        if len(ranked) > 1
        else f'part = "{entry.part}" and outputs = "{others[0]}"'
    )
    return (
        f"{sentence} Not taken: {', '.join(others)}. "
        f'To choose another, list every [[entry]] in a submission.toml; here, task = "{entry.task}", {lines}.'
    )


def _missing(part: _Part) -> str:
    """Say what a part's folder has to hold."""
    also = f" and no {part.samples}" if part.samples is not None else ""
    return (
        f"{part.part}: {part.folder}/ holds no checkpoint{also}. A checkpoint is a file that ends in "
        f"{', '.join(CHECKPOINT_SUFFIXES)}; put it into {part.folder}/."
    )
