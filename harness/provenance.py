"""What a verdict depends on, beside the submission: versions of packages and a digest of the grader's own source."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import classifiers
import harness
import reference

PACKAGES = ("gradebench", "torch", "numpy", "scikit-learn", "safetensors")


@cache
def versions() -> Mapping[str, str]:
    """Versions of Python and of the packages whose arithmetic a score rests on."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


@cache
def grader_digest() -> str:
    """SHA-256 over the Python sources of harness, reference and classifiers, names and contents."""
    digest = hashlib.sha256()
    for package in (harness, reference, classifiers):
        root = Path(str(package.__file__)).parent
        for source in sorted(root.rglob("*.py")):
            digest.update(str(source.relative_to(root.parent)).encode())
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
