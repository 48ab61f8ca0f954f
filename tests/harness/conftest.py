from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox.outside import Isolation, WeightsWorkers, probe

sys.path.append(str(Path(__file__).parent / "sandbox"))  # for the registry "fake_architectures:MODELS"

REGISTRY = "fake_architectures:MODELS"


@pytest.fixture(scope="session")
def full() -> Isolation:
    found = probe()
    if found.level != "full":
        pytest.skip(f"this machine's isolation is {found.level}: {[c for c in found.checks if not c.ok]}")
    return found


@pytest.fixture(scope="session")
def reduced() -> Isolation:
    from harness.sandbox.outside import isolation

    if not all(check.ok for check in isolation._try("reduced")):
        pytest.skip("this machine has no Landlock or no seccomp")
    return Isolation("reduced", (), "")


@pytest.fixture(scope="module")
def warm(full: Isolation) -> Iterator[WeightsWorkers]:
    with WeightsWorkers(full, registry=REGISTRY) as workers:
        yield workers
