"""Intervals of ratios and boards of equal models, on simulated machines."""

import numpy as np
import pytest
from scipy import stats

from harness.timing import board, protocol, statistics
from harness.timing.order import WHO, balanced
from harness.types import Metric, Timing
from tests.harness.timing.noise import Machine, session

QUIET = Machine(process=0.015, call=0.02, drift=0.02, spikes=0.02)
MACHINES = {
    "quiet": QUIET,
    "drifting": Machine(process=0.02, call=0.02, drift=0.5),
    "loaded": Machine(process=0.2, call=0.2, drift=0.3, spikes=0.3),
}
RESAMPLES = 400


def timing_of(factor: float, machine: Machine, generator: np.random.Generator) -> Timing:
    entry, first, second = session(factor, machine, generator)
    ratio = statistics.log_ratio(entry, first, second, generator, RESAMPLES)
    control = statistics.log_control(first, second, generator, RESAMPLES)

    def metric(found: statistics.Estimate) -> Metric:
        return Metric(*np.exp([found.value]), "ratio", "lower", 48, np.exp(found.low), np.exp(found.high))

    return Timing(
        "measured",
        "",
        metrics={"times_reference": metric(ratio)},
        control=metric(control),
        told_apart=statistics.told_apart(ratio, control, protocol.LEVEL),
        error=ratio.error,
        processes=len(entry),
    )


@pytest.mark.parametrize("name", MACHINES)
def test_of_a_hundred_boards_of_ten_equal_models_at_most_five_show_a_separation(name):
    generator = np.random.default_rng(list(name.encode()))
    boards = [[timing_of(1.0, MACHINES[name], generator) for _ in range(10)] for _ in range(100)]
    assert sum(bool(board.faster(timings).any()) for timings in boards) <= 5
    assert sum(any(timing.told_apart for timing in timings) for timings in boards) <= 5


@pytest.mark.parametrize(
    ("name", "factor", "least"), [("quiet", 1.15, 0.9), ("quiet", 2.0, 1.0), ("drifting", 2.0, 1.0)]
)
def test_a_slower_model_is_told_from_its_reference_and_from_its_board(name, factor, least):
    generator = np.random.default_rng([int(100 * factor), *name.encode()])
    told, ranked = [], []
    for _ in range(20):
        timings = [timing_of(each, MACHINES[name], generator) for each in (1.0, 1.0, 1.0, factor)]
        told.append(timings[-1].told_apart)
        ranked.append(board.faster(timings)[:3, 3].all())
    assert np.mean(told) >= least
    assert np.mean(ranked) >= least - 0.1


def test_on_a_loaded_machine_a_small_difference_is_not_claimed():
    generator = np.random.default_rng(5)
    told = [timing_of(1.1, MACHINES["loaded"], generator).told_apart for _ in range(60)]
    assert np.mean(told) <= 0.05


@pytest.mark.parametrize("name", MACHINES)
def test_intervals_cover_the_true_ratio_about_as_often_as_they_say(name):
    generator = np.random.default_rng([7, *name.encode()])
    covered = []
    for _ in range(300):
        found = statistics.log_ratio(*session(1.7, MACHINES[name], generator), generator, RESAMPLES)
        covered.append(found.low <= np.log(1.7) <= found.high)
    assert np.mean(covered) >= 0.92


def test_the_interval_is_student_s_where_calls_do_not_vary():
    generator = np.random.default_rng(3)
    rounds = np.exp(generator.normal(0, 0.1, size=6))
    entry, reference = np.outer(rounds, np.ones(5)), np.ones((6, 5))
    found = statistics.log_ratio(entry, reference, reference, generator, 20_000)
    logs = np.log(rounds)
    low, high = stats.t.interval(0.95, 5, logs.mean(), logs.std(ddof=1) / 6**0.5)
    assert found.value == pytest.approx(logs.mean())
    assert found.error == pytest.approx(stats.sem(logs))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_a_drift_that_all_share_changes_neither_ratio_nor_error():
    generator = np.random.default_rng(4)
    entry, first, second = (np.exp(generator.normal(0, 0.05, size=(6, 7))) for _ in range(3))
    drift = np.exp(np.linspace(0, 3, 6))[:, None]
    still = statistics.log_ratio(entry, first, second, np.random.default_rng(0), RESAMPLES)
    moved = statistics.log_ratio(entry * drift, first * drift, second * drift, np.random.default_rng(0), RESAMPLES)
    assert moved.value == pytest.approx(still.value)
    assert moved.error == pytest.approx(still.error)


def test_each_of_the_three_is_first_second_and_last_equally_often():
    orders = balanced(12, np.random.default_rng(1))
    for place in range(3):
        assert [sum(order[place] == who for order in orders) for who in WHO] == [4, 4, 4]
    assert balanced(6, np.random.default_rng(2)) != balanced(6, np.random.default_rng(3))


def measured(value: float, error: float, control: float = 1.0) -> Timing:
    ratio = Metric(value, "ratio", "lower", 1)
    return Timing(
        "measured",
        "",
        metrics={"times_reference": ratio},
        control=Metric(control, "ratio", "lower", 1),
        error=error,
        processes=6,
    )


def test_ranks_are_intervals_from_those_faster_to_those_slower():
    timings = [measured(1.0, 0.01), measured(1.01, 0.01), measured(2.0, 0.01), measured(1.5, 0.3)]
    assert board.ranks(timings) == [(1, 3), (1, 3), (3, 4), (1, 4)]


def test_entries_that_differ_by_less_than_a_reference_from_itself_are_not_told_apart():
    quiet = [measured(1.0, 0.001), measured(1.1, 0.001)]
    noisy = [measured(1.0, 0.001), measured(1.1, 0.001, control=0.8)]
    assert board.faster(quiet).tolist() == [[False, True], [False, False]]
    assert not board.faster(noisy).any()


def test_holm_s_procedure_stops_at_the_first_pair_that_is_not_told_apart():
    # One clear pair among three: the other two differences are as large as their errors.
    timings = [measured(1.0, 0.01), measured(1.2, 0.15), measured(1.6, 0.01)]
    told = board.faster(timings)
    assert told.sum() == 1
    assert told[0, 2]
