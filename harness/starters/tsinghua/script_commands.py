"""Finds the commands that run a script in a README, notes or a shell script beside it. Runs nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_FILES = ("*.md", "*.txt", "*.sh", "README*")
_LARGEST = 64 << 10
"""Bytes of the largest text that is read."""
_STEPS = re.compile(r"&&|\|\|?|;|`|&(?!\d)")
"""Separators between the commands of a line, in a shell or in prose."""
_PROMPT = re.compile(r"^[\s$>!%(*\d.-]+")


@dataclass
class Command:
    """One command that runs a script."""

    flags: tuple[str, ...]
    found_in: str
    """Name of the file that holds it."""


def commands(script: Path, near: Sequence[Path]) -> Iterator[Command]:
    """Find commands with flags that run the script, in text files near it; those of the nearest folder come last.

    `python main.py` after `cd ../vae` runs another folder's script, and so does `python vae/main.py`.
    """
    for folder in reversed(near):
        start = [script.parent.name] if folder == script.parent else []
        for path in sorted({path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}):
            if path.stat().st_size > _LARGEST:
                continue
            place, homes = start, {near[-1].name}
            fenced = path.suffix == ".sh"
            for line in path.read_text("utf-8", "replace").replace("\\\n", " ").splitlines():
                fenced ^= line.lstrip().startswith("```")
                if line.startswith("#") and not fenced:
                    # After a heading, commands start in the first folder again.
                    place = start
                for words in _steps(line):
                    if words[:2] == ["git", "clone"]:
                        homes.add(PurePosixPath(words[-1]).name.removesuffix(".git"))
                    elif words[0] == "cd" and len(words) == 2:
                        place = start if words[1].strip("/") in homes else _moved(place, words[1])
                    else:
                        at = next((i for i, one in enumerate(words) if PurePosixPath(one).name == script.name), 0)
                        flags = words[at + 1 :]
                        if not any("python" in word for word in words[:at]) or not any(
                            word.startswith("-") for word in flags
                        ):
                            continue
                        inside = _moved(place, str(PurePosixPath(words[at]).parent))
                        if not inside or inside[-1].lower() == script.parent.name.lower():
                            yield Command(tuple(flags), path.name)


def _steps(line: str) -> Iterator[list[str]]:
    """Split a line into its commands, each a list of words."""
    for step in _STEPS.split(line.replace("\\", "/")):
        try:
            words = shlex.split(_PROMPT.sub("", step).rstrip(" )"))
        except ValueError:
            continue
        end = next((i for i, word in enumerate(words) if word in (">", ">>", "2>&1", "#")), len(words))
        if words[:end]:
            yield words[:end]


def _moved(place: Sequence[str], path: str) -> list[str]:
    """Return the names of the folders above, as far as they are known, after `cd path`."""
    moved = [] if path.startswith(("/", "~", "$")) else list(place)
    for part in PurePosixPath(path).parts:
        if part == "..":
            moved = moved[:-1]
        elif not part.startswith(("/", "~", "$")):
            moved.append(part)
    return moved
