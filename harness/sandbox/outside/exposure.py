"""Lists the files that a worker may see: the interpreter, its libraries, the harness; never truth, weights or results.

The list serves both kinds of isolation: bubblewrap binds it into an empty file system, and Landlock allows it path by
path where bubblewrap isn't available.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.sandbox.outside.registries import files_of, packages_of

SUBMISSION = "/submission"
_OURS = "/gradebench"

_SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/proc/cpuinfo", "/sys/devices/system/cpu")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")

_WORKER_LIBRARIES = ("torch", "numpy", "safetensors")
_TRUTH_IN_LIBRARIES = ("sklearn/datasets/data",)
_LIBRARY_FOLDERS = ("python3*/site-packages", "python3*/dist-packages", "site-packages", "dist-packages")
_PACKAGES = ("classifiers", "harness", "reference", "reports", "submissions", "tests")
"""Folders of gradebench, which lie side by side: hidden wherever a worker would find them beside its libraries."""
_OPENS_CODE = (
    "__init__.py",
    "hints.py",
    "registry.py",
    "text.py",
    "types.py",
    "checkpoint",
    "sandbox/__init__.py",
    "sandbox/inside",
    "sandbox/wire.py",
    "sequences",
    "starters",
    "student_code",
)
"""Parts of `harness` that a worker needs to run student code."""


@dataclass(frozen=True)
class Exposure:
    """The paths that a worker sees, those hidden among them, and where its Python finds modules."""

    interpreter: str
    binds: tuple[tuple[str, str], ...]
    """Paths bound read-only, as (source, destination), outer folders before inner ones. Every source exists."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links in the root, such as /lib, as (destination, target)."""
    hidden: tuple[str, ...]
    """Existing folders below the destinations that look empty to the worker."""
    sys_path: tuple[str, ...]
    """Entries of the worker's sys.path, after those of the standard library."""
    packages: tuple[tuple[str, str], ...]
    """Trusted packages, as (name, folder), which are imported from there and not by sys.path."""
    listed: tuple[str, ...] = ()
    """Folders whose names a worker may see, but of whose files it may read those alone that are bound."""


def expose(registries: tuple[str, ...], submission: str | None, remapped: bool) -> Exposure:
    """Lists what a worker may see.

    Parameters
    ----------
    registries : where architectures are found (see `registries`); none for a worker that runs student code
    submission : root folder of the submission, or None
    remapped : True under bubblewrap, where trusted packages and the submission are bound at fixed places; False where
        the worker sees the machine's own paths
    """
    found = _without_submission(registries, remapped)
    if submission is None:
        return found
    return replace(found, binds=_ordered([*found.binds, (submission, SUBMISSION if remapped else submission)]))


@lru_cache(maxsize=16)
def _without_submission(registries: tuple[str, ...], remapped: bool) -> Exposure:
    import harness

    interpreter = str(Path(sys.executable).resolve())
    library_folders = _library_folders()
    sources = [*_SYSTEM_LIBRARIES, *_SYSTEM_FILES, *_interpreter_folders(), interpreter, *library_folders]
    binds = [(path, path) for path in sources if Path(path).exists() and not Path(path).is_symlink()]
    links = [(path, str(Path(path).readlink())) for path in _SYSTEM_LIBRARIES if Path(path).is_symlink()]

    own = Path(harness.__file__ or "").resolve().parent
    packages = [("harness", str(own)), *((package, _folder_of(package)) for package in packages_of(registries))]
    placed = [(name, f"{_OURS}/{name}" if remapped else folder) for name, folder in packages]
    whole = [(folder, place) for (_, folder), (_, place) in zip(packages, placed, strict=True)]
    listed: list[str] = []
    if not registries:
        _, place = placed[0]
        listed = [place, f"{place}/sandbox"]
        whole = [(f"{own}/{part}", f"{place}/{part}") for part in _OPENS_CODE]
    every = _ordered([*binds, *whole, *files_of(registries, remapped)])
    hidden = _hidden(every, {place for name, place in placed if name != "harness"}, own.parent)
    shown = {place for _, place in whole}
    return Exposure(
        interpreter,
        every,
        tuple(links),
        tuple(path for path in hidden if path not in shown),
        tuple(library_folders),
        tuple(placed),
        tuple(listed),
    )


def _ordered(binds: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Each bind once, outer before inner, so that no bind covers another."""
    return tuple(sorted(dict.fromkeys(binds), key=lambda bind: (len(Path(bind[1]).parts), bind[1])))


def readable_paths(exposure: Exposure) -> tuple[list[str], list[str]]:
    """The exposure as Landlock needs it, which can allow a folder but not except one below it.

    Returns the paths that may be read with everything below them, and the folders that may only be listed because
    something hidden lies below them.
    """
    hidden = [Path(path) for path in exposure.hidden]
    read: list[str] = []
    listing = list(exposure.listed)

    def allow(path: Path) -> None:
        if path in hidden:
            return
        if not any(path in other.parents for other in hidden):
            read.append(str(path))
            return
        listing.append(str(path))
        for child in sorted(path.iterdir()):
            allow(child)

    for _, destination in exposure.binds:
        allow(Path(destination))
    return read, listing


def _library_folders() -> list[str]:
    """The folders that the worker's libraries are installed in."""
    specs = [importlib.util.find_spec(name) for name in _WORKER_LIBRARIES]
    found = [str(Path(spec.origin).resolve().parents[1]) for spec in specs if spec is not None and spec.origin]
    return list(dict.fromkeys(found))


def _interpreter_folders() -> list[str]:
    """The folders of this Python's standard library, and of the shared libraries beside it."""
    base = Path(sys.base_prefix).resolve()
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    if str(base) not in ("/", "/usr", "/usr/local"):
        folders.append(str(base / "lib"))
    return [str(Path(folder).resolve()) for folder in folders if folder]


def _folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"There is no package {package!r} to take the architectures from.")
    return str(Path(next(iter(spec.submodule_search_locations))).resolve())


def _hidden(binds: Iterable[tuple[str, str]], registries: set[str], ours: Path) -> list[str]:
    """The folders below the binds that hold truth, weights, results or gradebench itself, as destinations.

    `ours` is the folder that gradebench's packages lie in: a library folder, or a checkout.
    """
    data = os.environ.get("GRADEBENCH_DATA")
    hidden: dict[str, None] = {}
    for bound, destination in binds:
        source = Path(bound)
        if not source.is_dir():
            continue
        suspects = [source / "weights", source / "records"] if destination in registries else []
        places = [source, *(found for pattern in _LIBRARY_FOLDERS for found in source.glob(pattern))]
        for folder in [*places, *([ours] if source in ours.parents else [])]:
            suspects += [folder / path for path in _TRUTH_IN_LIBRARIES]
            if (folder / "harness" / "sandbox").is_dir():
                suspects += [folder / name for name in _PACKAGES]
        if data and source in Path(data).resolve().parents:
            suspects.append(Path(data).resolve())
        hidden |= {str(Path(destination) / path.relative_to(source)): None for path in suspects if path.is_dir()}
    return list(hidden)
