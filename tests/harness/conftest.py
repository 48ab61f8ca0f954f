from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifiers.judge import Judge
from harness.sandbox.outside import Isolation, WeightsWorkers, probe
from harness.sandbox.outside.isolation import check_level
from harness.tasks.base import Context
from tests.data import embedded_digits

sys.path.append(str(Path(__file__).parent / "sandbox"))  # for the registry "fake_architectures:MODELS"

REGISTRY = "fake_architectures:MODELS"


@pytest.fixture(scope="session")
def full() -> Isolation:
    """Full isolation; skips the test where this machine has less."""
    found = probe()
    if found.level != "full":
        pytest.skip(f"this machine's isolation is {found.level}: {[c for c in found.checks if not c.ok]}")
    return found


@pytest.fixture(scope="session")
def reduced() -> Isolation:
    """Isolation without namespaces; skips the test where this machine lacks Landlock or seccomp."""
    if not all(check.ok for check in check_level("reduced")):
        pytest.skip("this machine has no Landlock or no seccomp")
    return Isolation("reduced", (), "")


@pytest.fixture(scope="module")
def warm(full: Isolation) -> Iterator[WeightsWorkers]:
    """A fork server with the fake architectures."""
    with WeightsWorkers(full, registries=(REGISTRY,)) as workers:
        yield workers


@pytest.fixture(scope="session")
def embedded_context() -> Context:
    """Digits that need no download, the shipped judge, and seed 0."""
    return Context(embedded_digits(), Judge.shipped(), seed=0)
