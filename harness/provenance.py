"""Records what a result depends on, beside the submission: package versions and digests of the sources involved."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("gradebench", "torch", "numpy", "scipy", "scikit-learn", "mpmath", "safetensors")
OURS = ("harness", "reference", "classifiers")
"""Packages whose modules are followed; third-party packages count by their versions."""


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages whose arithmetic a score rests on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def sources_digest(modules: Iterable[str], files: Iterable[Path] = ()) -> str:
    """Calculate the SHA-256 over the sources of modules, of files, and of everything of ours that they import.

    Imports are followed in the syntax tree, those inside functions included, so that a file counts if and only if its
    code can be reached. Modules that are named by a string alone (registries) have to be given.

    Raises ModuleNotFoundError for a module that does not exist.
    """
    return _digest(tuple(sorted(sources(modules, files).items())))


def sources(modules: Iterable[str], files: Iterable[Path] = ()) -> dict[str, Path]:
    """Return the source file of each module that can be reached, by its name; given files go by their own names."""
    reached: dict[str, Path] = {}
    waiting = sorted(modules)
    for path in files:
        reached[path.name] = path
        waiting += _imported(path, "")
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        source = _source(name)
        if source is None:
            raise ModuleNotFoundError(f"No module named {name!r} among gradebench's sources.", name=name)
        reached[name] = source
        waiting += [parent for parent in _parents(name) if parent not in reached]
        waiting += [found for found in _imported(source, name) if found not in reached]
    return reached


@cache
def _digest(reached: tuple[tuple[str, Path], ...]) -> str:
    digest = hashlib.sha256()
    for name, path in reached:
        digest.update(f"{name}\0{_file_digest(path)}\n".encode())
    return digest.hexdigest()


def _parents(name: str) -> list[str]:
    """The packages whose `__init__` runs before the module does."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _imported(path: Path, name: str) -> tuple[str, ...]:
    """Modules of ours that a source file imports, at its top or inside a function."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name: None for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            found[node.module] = None
            # `from package import module` imports the module, too.
            found |= {f"{node.module}.{alias.name}": None for alias in node.names}
    ours = [each for each in found if each.split(".")[0] in OURS]
    return tuple(each for each in ours if each != name and _source(each) is not None)


@cache
def _source(name: str) -> Path | None:
    """The source file of a module of ours; None where there is no such module."""
    package, *rest = name.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    candidates = [base / "__init__.py"] + ([base.with_name(f"{base.name}.py")] if rest else [])
    return next((path for path in candidates if path.is_file()), None)


@cache
def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
