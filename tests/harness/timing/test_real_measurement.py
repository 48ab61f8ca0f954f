"""A real measurement: the shipped conditional VAE, and code that computes thrice.

The machine may be loaded, so nothing is asserted of how exact it is, but that it says so.
"""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.judge import Judge
from harness.tasks.base import Context
from harness.timing import board, protocol
from harness.types import Record, Timing
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of
from tests.harness.timing.frauds import HONEST, hand_in, hand_in_weights

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def timed(full, tmp_path_factory) -> dict[str, Timing]:
    folder = tmp_path_factory.mktemp("timing")
    for name in ("a", "b"):
        hand_in_weights(folder / "class", name)
    hand_in(folder / "class", "thrice", HONEST)
    run = run_of(Context(embedded_digits(), Judge.shipped(), seed=0), folder / "results", timing=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "SECONDS", 12.0)
        records: list[Record] = grade(collect(folder / "class", folder / "work"), run)
    return {record.submission: record.timing for record in records if record.timing is not None}


def test_equal_models_are_not_told_apart(timed):
    equal = [timed["a"], timed["b"]]
    assert [timing.status for timing in equal] == ["measured", "measured"]
    assert not any(timing.told_apart for timing in equal)
    assert not board.faster(equal).any()


def test_a_model_that_computes_three_times_is_told_apart_or_the_machine_says_that_it_can_t_tell(timed):
    slow, control = timed["thrice"], timed["thrice"].control
    assert slow.status == "measured"
    ratio = slow.metrics["times_reference"].value
    assert ratio > 1
    noise = max(np.log(control.high), -np.log(control.low))
    assert slow.told_apart or np.log(ratio) <= max(noise, 4.78 * slow.error)
