"""Which files a worker sees: the interpreter, its libraries, the harness's code; never truth, weights or results.

One description serves both ways of confining: bubblewrap binds it into an empty file system, Landlock allows it path
by path where bubblewrap can't be had.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SUBMISSION = "/submission"
_OURS = "/gradebench"

_SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/proc/cpuinfo", "/sys/devices/system/cpu")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")

_WORKER_LIBRARIES = ("torch", "numpy", "safetensors")
_TRUTH_IN_LIBRARIES = ("sklearn/datasets/data",)
_LIBRARY_FOLDERS = ("python3*/site-packages", "python3*/dist-packages", "site-packages", "dist-packages")
_TRUTH_BESIDE_HARNESS = ("reference/weights", "classifiers", "submissions", "tests", "reports")


@dataclass(frozen=True)
class Exposure:
    """What is bound where, what in it is hidden, and how the worker's Python finds its modules."""

    interpreter: str
    binds: tuple[tuple[str, str], ...]
    """Read-only: (source, destination), outer folders before inner ones. Every source exists."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links of the root, such as /lib: (destination, target)."""
    hidden: tuple[str, ...]
    """Existing folders, as destinations, that look empty from inside."""
    sys_path: tuple[str, ...]
    """Entries after the standard library's."""
    packages: tuple[tuple[str, str], ...]
    """The trusted packages by name, found apart from sys.path: (name, folder)."""


@lru_cache(maxsize=16)
def expose(registry_package: str | None, submission: str | None, remapped: bool) -> Exposure:
    """What to show to a worker.

    `registry_package` is the top-level package of the registry, or None for a worker that runs student code;
    `submission` is a submission's root, or None. `remapped` is True under bubblewrap, where trusted packages and the
    submission get places of their own, and False where the worker sees the machine's own paths.
    """
    import harness

    interpreter = str(Path(sys.executable).resolve())
    library_folders = _library_folders()
    sources = [*_SYSTEM_LIBRARIES, *_SYSTEM_FILES, *_interpreter_folders(), interpreter, *library_folders]
    binds = [(path, path) for path in sources if Path(path).exists() and not Path(path).is_symlink()]
    links = [(path, str(Path(path).readlink())) for path in _SYSTEM_LIBRARIES if Path(path).is_symlink()]

    packages = [("harness", str(Path(harness.__file__ or "").resolve().parent))]
    if registry_package is not None:
        # `reference` for any registry, since its architectures are of the type `reference.Architecture`.
        packages += [(name, _folder_of(name)) for name in dict.fromkeys(("reference", registry_package))]
    placed = [(name, f"{_OURS}/{name}" if remapped else folder) for name, folder in packages]
    binds += [(folder, place) for (_, folder), (_, place) in zip(packages, placed, strict=True)]
    if submission is not None:
        binds.append((submission, SUBMISSION if remapped else submission))

    # Outer before inner, so that a bind never covers another; the order is otherwise of no meaning.
    unique = sorted(dict.fromkeys(binds), key=lambda bind: (len(Path(bind[1]).parts), bind[1]))
    return Exposure(
        interpreter,
        tuple(unique),
        tuple(links),
        tuple(_hidden(unique, {place for name, place in placed if name != "harness"})),
        tuple(library_folders),
        tuple(placed),
    )


def readable_paths(exposure: Exposure) -> tuple[list[str], list[str]]:
    """The exposure for Landlock, which can allow but not except.

    Returns the paths whose content may be read, and the folders that may only be listed because something hidden lies
    below them.
    """
    hidden = [Path(path) for path in exposure.hidden]
    read: list[str] = []
    listing: list[str] = []

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
    """The folders of sys.path that hold the worker's libraries, wherever they were installed."""
    specs = [importlib.util.find_spec(name) for name in _WORKER_LIBRARIES]
    found = [str(Path(spec.origin).resolve().parents[1]) for spec in specs if spec is not None and spec.origin]
    return list(dict.fromkeys(found))


def _interpreter_folders() -> list[str]:
    """The standard library, and the shared libraries beside it, of the Python that runs."""
    base = Path(sys.base_prefix).resolve()
    folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    if str(base) not in ("/", "/usr", "/usr/local"):
        folders.append(str(base / "lib"))
    return [str(Path(folder).resolve()) for folder in folders if folder]


def _folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No package named {package!r} holds the reference architectures.")
    return str(Path(next(iter(spec.submodule_search_locations))).resolve())


def _hidden(binds: list[tuple[str, str]], registries: set[str]) -> list[str]:
    """Everything below the binds that is truth, weights or somebody's results, as destinations."""
    data = os.environ.get("GRADEBENCH_DATA")
    hidden: dict[str, None] = {}
    for bound, destination in binds:
        source = Path(bound)
        if not source.is_dir():
            continue
        suspects = [source / "weights"] if destination in registries else []
        for folder in [source, *(found for pattern in _LIBRARY_FOLDERS for found in source.glob(pattern))]:
            suspects += [folder / path for path in _TRUTH_IN_LIBRARIES]
            if (folder / "harness" / "sandbox").is_dir():
                suspects += [folder / path for path in _TRUTH_BESIDE_HARNESS]
        if data and source in Path(data).resolve().parents:
            suspects.append(Path(data).resolve())
        hidden |= {str(Path(destination) / path.relative_to(source)): None for path in suspects if path.is_dir()}
    return list(hidden)
