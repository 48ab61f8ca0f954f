"""Ranks the files of a hand-in by their names: which may be checkpoints, and which most likely answers a part."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from harness.checkpoint import together
from harness.rubric import Part
from harness.starters.layout import CHECKPOINT_SUFFIXES

_SKIPPED = re.compile(
    r"(^|/)(data|raw|processed|mnist)/|generated_samples|(^|[^a-z])(loss|losses|log|hist|optim)", re.I
)
_WORDS = re.compile(r"[a-z]+|[0-9]+")


def candidates(files: Iterable[str]) -> list[str]:
    """List the files that may be checkpoints; of several that belong together the one that names them."""
    everything = sorted(files)
    found = []
    for file in everything:
        if _SKIPPED.search(file):
            continue
        if (file.endswith(".index") and together.companions(file, everything)) or file.lower().endswith(
            CHECKPOINT_SUFFIXES
        ):
            found.append(file)
    return found


def rank(part: Part, model: str, file: str, taken: Collection[str] = ()) -> tuple[bool, int, bool, int, int, int, str]:
    """Return the key of likelihood, the smallest for the likeliest.

    First come the epochs that the part asks for, then words in common with it, names of best or last, later epochs.
    """
    lower = file.lower()
    words = set(_WORDS.findall(lower))
    spoken = set(_WORDS.findall(f"{part.id} {part.title} {model} {part.task}".lower()))
    numbers = [int(number) for number in re.findall(r"[0-9]{1,6}", PurePosixPath(lower).stem)]
    epoch = numbers[-1] if numbers else -1
    wanted = part.epochs is not None and part.epochs in numbers
    preferred = next((i for i, word in enumerate(("best", "final", "last", "latest")) if word in lower), 4)
    return (not wanted, -len(words & spoken), file in taken, preferred, -epoch, file.count("/"), file)


def likeliest(part: Part, model: str, files: Iterable[str]) -> str:
    """Return the file that most likely holds a part's checkpoint; empty where none may be one."""
    return min(candidates(files), key=lambda file: rank(part, model, file), default="")
