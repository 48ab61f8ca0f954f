"""Results folders of earlier classes, with whose entries those of a results folder are compared.

A results folder keeps the list, one path a line, so that every later command compares with the same folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import records
from harness.files import write_atomically

FILE = "earlier.txt"
"""Name of the list in a results folder."""
_LARGEST = 1 << 20


class EarlierError(Exception):
    """A folder of the list can't be compared with; the message names it, and what to do."""


def kept(results: Path) -> tuple[Path, ...]:
    """Read the folders that a results folder is compared with; raises EarlierError where the list can't be read."""
    path = results / FILE
    try:
        if not path.exists():
            return ()
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise EarlierError(f"{path}: is no list of folders, one a line; delete it to compare with none")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EarlierError(f"{path}: can't be read ({error}); delete it to compare with no earlier class") from error
    return tuple(dict.fromkeys(Path(line.strip()) for line in lines if line.strip()))


def chosen(results: Path, named: Sequence[Path] = ()) -> tuple[Path, ...]:
    """Return the folders that are kept, and those that a command names; raises EarlierError where one can't be used."""
    known = kept(results)
    folders = dict.fromkeys([*known, *(path.resolve() for path in named)])
    for folder in folders:
        if folder == results.resolve():
            raise EarlierError(f"{folder}: is this class's own results folder; name those of earlier classes")
        if not folder.is_dir():
            advice = f"; put it back, or delete its line in {results / FILE}" if folder in known else ""
            raise EarlierError(f"{folder}: no such folder of results{advice}")
        if folder not in known and not records.load_all(folder).records:
            raise EarlierError(f"{folder}: holds no records; name the results folder of an earlier class")
    return tuple(folders)


def keep(results: Path, folders: Sequence[Path]) -> None:
    """Write the list where it is another one than before."""
    if tuple(folders) != kept(results):
        write_atomically(results / FILE, "".join(f"{folder}\n" for folder in folders).encode())
