"""Frauds about time, each run in the sandbox as a class's entry: void, or no faster than they are.

Two rounds and few seconds, for what makes a time void does not depend on how exact it is.
"""

from __future__ import annotations

import pytest

from classifiers.judge import Judge
from harness.tasks.base import Context
from harness.timing import protocol
from harness.types import Record, Status
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of
from tests.harness.timing.frauds import FRAUDS, HONEST, hand_in, hand_in_weights

SLOW_AS_THEY_ARE = {"patched-clock", "works-between-calls"}
"""Frauds that gain nothing, so that their time may stand."""

HONESTLY = ["honest-code", "honest-weights"]

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def timed(full, tmp_path_factory) -> dict[str, Record]:
    folder = tmp_path_factory.mktemp("timing")
    classroom = folder / "class"
    for name, code in FRAUDS.items():
        hand_in(classroom, name, code)
    hand_in(classroom, "honest-code", HONEST)
    hand_in_weights(classroom, "honest-weights")
    run = run_of(Context(embedded_digits(), Judge.shipped(), seed=0), folder / "results", timing=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "ROUNDS", 2)
        patch.setattr(protocol, "SECONDS", 4.0)
        records = grade(collect(classroom, folder / "work"), run)
    return {record.submission: record for record in records}


@pytest.mark.corpus("Timing", "patched clock", "patched-clock")
@pytest.mark.corpus("Timing", "lazy result", "lazy-tensor", "filled-in-by-a-thread")
@pytest.mark.corpus("Timing", "caching across calls", "replayed-by-label", "answers-of-the-public-seed")
@pytest.mark.corpus("Timing", "threads left running", "works-between-calls", "filled-in-by-a-thread")
@pytest.mark.corpus("Timing", "work done before the clock starts", "all-work-in-the-first-call")
@pytest.mark.parametrize("name", FRAUDS)
def test_a_fraud_is_void_or_gains_nothing(timed, name):
    record = timed[name]
    # The score stands: each of them answers the graded questions.
    assert record.status is Status.SCORED
    timing = record.timing
    if name in SLOW_AS_THEY_ARE and timing.status == "measured":
        assert timing.metrics["times_reference"].value > timed["honest-weights"].timing.metrics["times_reference"].value
        return
    assert (timing.status, timing.fault) == ("void", "submission"), timing
    assert timing.reason
    assert not timing.metrics


@pytest.mark.parametrize("name", HONESTLY)
def test_honest_entries_are_measured(timed, name):
    timing = timed[name].timing
    assert (timing.status, timing.reason) == ("measured", "")
    assert {"milliseconds", "milliseconds_single", "times_reference", "throughput", "peak_memory"} <= set(
        timing.metrics
    )
    assert timing.reference == "Reference Conditional variational autoencoder"
    assert (timing.processes, timing.questions) == (2, 500)


def test_size_and_work_are_counted_for_known_architectures_alone(timed):
    # 100 → 256, 10 → 256, 512 → 512 twice, 512 → 784: two operations for each weight and row.
    weights = 100 * 256 + 10 * 256 + 2 * 512 * 512 + 512 * 784
    metrics = timed["honest-weights"].timing.metrics
    assert metrics["floating_point_operations"].value == 2 * 500 * weights
    assert metrics["parameters"].value == 1_787_864
    assert "parameters" not in timed["honest-code"].timing.metrics


def test_seeds_are_secret_and_drawn_for_each_entry(timed):
    # A fraud that a loaded machine's deadline ended has none.
    seeds = [record.timing.seed for name, record in timed.items() if record.timing.seed or name in HONESTLY]
    assert len(seeds) >= 2
    assert len(set(seeds)) == len(seeds)
    assert all(len(seed) == 64 for seed in seeds)
