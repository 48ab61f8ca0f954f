"""Finds hand-ins in a folder that fills: those whose files have stopped changing, and are new or have been replaced.

The folder is looked at again and again, since a network share tells nobody of what another machine writes to it
(inotify sees this machine alone). A hand-in has stopped changing when the names, sizes and times of its files are
those of the look before; so half of a copy is not taken for a hand-in.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import intake

_MOST_FILES = 50_000
"""Files of a hand-in that are looked at."""


@dataclass(frozen=True)
class State:
    """The files of a hand-in at one look."""

    names: tuple[str, ...]
    """Names in the class's folder: of most hand-ins one, of a platform's owner perhaps several."""
    digest: str
    """SHA-256 of the names, sizes and times of all files."""
    files: int
    bytes: int


@dataclass(frozen=True)
class Look:
    """The differences that one look has found from the look before; hand-ins are named by their seats."""

    seen: tuple[str, ...] = ()
    """New, or changed since the last look: waited for."""
    ready: tuple[str, ...] = ()
    """As at the last look, and not graded as they are now."""
    gone: tuple[str, ...] = ()


@dataclass
class Arrivals:
    """Remembers what was seen in a class's folder, and what of it was graded."""

    folder: Path
    beside: Collection[Path] = ()
    """Folders of gradebench's own, resolved, which are no hand-ins."""
    states: dict[str, State] = field(default_factory=dict)
    graded: dict[str, str] = field(default_factory=dict)
    """By seat the digest of the state that was graded, also of what is gone: a share that comes back has nothing new.
    """

    def look(self) -> Look:
        """Look at the folder. Raises OSError where it can't be read; nothing is forgotten then."""
        now = states(self.folder, self.beside)
        before, self.states = self.states, now
        changed = [seat for seat, state in now.items() if before.get(seat) != state]
        steady = [seat for seat in now if seat not in changed]
        return Look(
            tuple(seat for seat in changed if self.graded.get(seat) != now[seat].digest),
            tuple(seat for seat in steady if self.graded.get(seat) != now[seat].digest),
            tuple(seat for seat in before if seat not in now),
        )

    def take(self, taken: Mapping[str, State]) -> None:
        """Remember that hand-ins were graded as they were in these states."""
        self.graded |= {seat: state.digest for seat, state in taken.items()}

    def changed(self) -> set[str]:
        """Return the seats that are no longer as they were at the last look, or gone; all where nothing can be read."""
        try:
            now = states(self.folder, self.beside)
        except OSError:
            return set(self.states)
        return {seat for seat, state in self.states.items() if now.get(seat) != state}


def states(folder: Path, beside: Collection[Path] = ()) -> dict[str, State]:
    """Return the state of each hand-in in a class's folder, by its seat: a platform's owner, or the name.

    Links are not followed. Raises OSError where the folder can't be read.
    """
    names: dict[str, list[str]] = {}
    with os.scandir(folder) as listing:
        for item in listing:
            if Path(folder.resolve(), item.name) in beside or intake.is_no_seat(item.name):
                continue
            names.setdefault(intake.seat_of(item.name), []).append(item.name)
    return {seat: _state(folder, sorted(own)) for seat, own in sorted(names.items())}


def _state(folder: Path, names: Sequence[str]) -> State:
    digest, count, size = hashlib.sha256(), 0, 0
    for name in names:
        for path, state in _files(folder / name):
            regular = stat.S_ISREG(state.st_mode)
            # Of a folder, a network share may tell another size and time at each look.
            line = (os.fsencode(path), stat.S_IFMT(state.st_mode), regular and (state.st_size, state.st_mtime_ns))
            digest.update(repr(line).encode())
            if regular:
                count, size = count + 1, size + state.st_size
            if count >= _MOST_FILES:
                break
    return State(tuple(names), digest.hexdigest(), count, size)


def _files(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield a file, or a folder and all below it, in order. What vanishes meanwhile is left out."""
    try:
        state = path.lstat()
    except OSError:
        return
    yield path, state
    if stat.S_ISDIR(state.st_mode):
        try:
            below = sorted(path.iterdir())
        except OSError:
            return
        for inner in below:
            yield from _files(inner)
