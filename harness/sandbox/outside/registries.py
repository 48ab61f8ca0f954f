"""Names where workers find architectures, outside and inside the sandbox.

A registry is "module:attribute" of an importable package, or "/path/to/file.py:attribute" of a coursework's own file: a
mapping of names to `reference.Architecture`, or to ("module:attribute", summary) of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

REGISTRY = "reference:MODELS"
"""The architectures that gradebench ships."""
_ALWAYS = "reference"
"""Package that every registry's architectures may import."""
_PLACE = "/coursework"


def packages_of(registries: Sequence[str]) -> tuple[str, ...]:
    """Return the top-level packages that workers need for some registries; none for no registry."""
    named = [_module(registry).partition(".")[0] for registry in registries if _file(registry) is None]
    return tuple(dict.fromkeys([_ALWAYS, *named])) if registries else ()


def files_of(registries: Sequence[str], remapped: bool) -> tuple[tuple[str, str], ...]:
    """Return the files among some registries, each with the place where a worker sees it."""
    files = [str(file) for registry in registries if (file := _file(registry)) is not None]
    return tuple((file, f"{_PLACE}/{number}.py" if remapped else file) for number, file in enumerate(files))


def inside(registries: Sequence[str], remapped: bool) -> list[str]:
    """Return the registries as a worker is to name them."""
    places = dict(files_of(registries, remapped))
    return [
        registry if (file := _file(registry)) is None else f"{places[str(file)]}:{registry.rpartition(':')[2]}"
        for registry in registries
    ]


def _module(registry: str) -> str:
    return registry.rpartition(":")[0]


def _file(registry: str) -> Path | None:
    path = Path(_module(registry))
    return path if path.suffix == ".py" else None
