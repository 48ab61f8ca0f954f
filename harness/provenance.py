"""Records what a result depends on, beside the submission: package versions and digests of the sources involved."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import platform
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGES = ("gradebench", "torch", "numpy", "scipy", "scikit-learn", "mpmath", "safetensors")
OURS = ("harness", "reference", "classifiers")
"""Packages whose modules are followed; third-party packages count by their versions."""
_parsing = threading.Lock()
"""Python 3.11's parser fails at random with a SystemError where two threads use it (python/cpython#106905)."""


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


def code_digest(modules: Iterable[str], files: Iterable[Path] = (), without: tuple[str, ...] = ()) -> str:
    """Calculate the SHA-256 over the code of sources: comments, docstrings and layout don't count.

    Modules below a package in `without` count only where they are given themselves.
    """
    reached = sources(modules, files, without)
    digest = hashlib.sha256()
    for name, path in sorted(reached.items()):
        digest.update(f"{name}\0{_code(path)}\n".encode())
    return digest.hexdigest()


def sources(modules: Iterable[str], files: Iterable[Path] = (), without: tuple[str, ...] = ()) -> dict[str, Path]:
    """Return the source file of each module that can be reached, by its name; given files go by their own names.

    Imports of modules in `without`, or below them, are not followed.
    """
    reached: dict[str, Path] = {}
    waiting = sorted(modules)
    for path in files:
        reached[path.name] = path
        waiting += [each for each in _imported(path, "") if not _below(each, without)]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        source = _source(name)
        if source is None:
            raise ModuleNotFoundError(f"No module named {name!r} among gradebench's sources.", name=name)
        reached[name] = source
        found = [*_parents(name), *_imported(source, name)]
        waiting += [each for each in found if each not in reached and not _below(each, without)]
    return reached


@cache
def _digest(reached: tuple[tuple[str, Path], ...]) -> str:
    digest = hashlib.sha256()
    for name, path in reached:
        digest.update(f"{name}\0{_file_digest(path)}\n".encode())
    return digest.hexdigest()


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def _code(path: Path) -> str:
    """The syntax tree of a source file, without docstrings, as text."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            # A string that stands alone is a docstring, of a module, class or function, or of the field above it.
            body[:] = [each for each in body if not _is_string(each)] or [ast.Pass()]
    return ast.dump(tree)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _parents(name: str) -> list[str]:
    """The packages whose `__init__` runs before the module does."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


@cache
def _imported(path: Path, name: str) -> tuple[str, ...]:
    """Modules of ours that a source file imports, at its top or inside a function."""
    found: dict[str, None] = {}
    with _parsing:
        tree = ast.parse(path.read_bytes())
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name: None for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            found[node.module] = None
            # `from package import module` imports the module, too.
            found |= {f"{node.module}.{alias.name}": None for alias in node.names}
    ours = [each for each in found if each.split(".")[0] in OURS]
    return tuple(each for each in ours if each != name and _source(each) is not None)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, which imports are; expressions, most of a syntax tree, are passed over."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


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
