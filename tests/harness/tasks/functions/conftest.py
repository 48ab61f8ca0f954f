from __future__ import annotations

import pytest

from harness.tasks.base import Context
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(embedded_digits(), ReadsFirstRow(), seed=5, second=ReadsFirstRow())
