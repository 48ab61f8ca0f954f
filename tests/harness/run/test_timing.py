"""The stage that times a class: who is timed, when again, and what scoring makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.judge import Judge
from harness import records, rubric, summary
from harness.run import timing as stage
from harness.tasks.base import Context
from harness.totals import total
from harness.types import Metric, Timing
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of
from tests.harness.timing.frauds import hand_in_weights

TOML = """
name = "mine"
title = "Mine"
[[part]]
id = "cvae"
title = "VAE"
task = "conditional-generation"
points = 20
pass = 0.98
[[part.timing]]
at_most = {at_most}
points = 5
"""


def assignment(at_most: float = 2.0, timed: bool = True) -> rubric.Assignment:
    text = TOML.format(at_most=at_most)
    return rubric.parse((text if timed else text.partition("[[part.timing]]")[0]).encode(), "mine.toml")


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), Judge.shipped(), seed=0)


@pytest.fixture
def classroom(tmp_path):
    hand_in_weights(tmp_path / "class", "weights")
    place = tmp_path / "class" / "answers"
    place.mkdir()
    labels = np.arange(10_000) % 10
    test = embedded_digits().test
    images = np.stack([test.images[test.labels == digit][0] for digit in range(10)])[labels]
    np.savez(place / "answers.npz", imgs=images, labels=labels)
    (place / "submission.toml").write_text(
        '[[entry]]\ntask = "conditional-generation"\npart = "cvae"\noutputs = "answers.npz"\n'
    )
    return collect(tmp_path / "class", tmp_path / "work")


class Clock:
    """Stands in for the measuring, and counts how often it was asked."""

    def __init__(self, ratio: float | None, status: str = "measured", fault: str = "harness") -> None:
        self.asked = 0
        self.found = Timing(
            status,
            "" if status == "measured" else "Because.",
            fault,
            {} if ratio is None else {"times_reference": Metric(ratio, "ratio", "lower", 48, ratio - 0.1, ratio + 0.1)},
            "Reference",
            control=Metric(1.0, "ratio", "lower", 48, 0.99, 1.01),
        )

    def __call__(self, subject, reference, machine):
        self.asked += 1
        assert subject.graded.shape == (10_000,)
        assert subject.better == "higher"
        assert not subject.runs_code
        return self.found


def graded(submissions, context, folder, monkeypatch, clock, of=None, **changes):
    monkeypatch.setattr(stage, "timed", clock)
    run = run_of(context, folder / "results", of or assignment(), **changes)
    return {record.submission: record for record in grade(submissions, run)}


def test_a_timing_is_kept_and_scored_and_measured_once(context, classroom, tmp_path, monkeypatch):
    clock = Clock(1.5)
    first = graded(classroom, context, tmp_path, monkeypatch, clock)
    assert (first["weights"].score.points, first["weights"].score.max_points) == (25, 25)
    assert clock.asked == 1
    assert first["answers"].timing.reason == stage.NO_MODEL
    assert first["answers"].score.points <= 20
    assert records.load_all(tmp_path / "results").records == [first["answers"], first["weights"]]
    again = graded(classroom, context, tmp_path, monkeypatch, clock)
    assert again == first
    assert clock.asked == 1


def test_another_threshold_scores_again_without_measuring(context, classroom, tmp_path, monkeypatch):
    clock = Clock(1.5)
    first = graded(classroom, context, tmp_path, monkeypatch, clock)
    stricter = graded(classroom, context, tmp_path, monkeypatch, clock, assignment(1.0))
    assert (first["weights"].score.points, stricter["weights"].score.points) == (25, 20)
    assert stricter["weights"].timing == first["weights"].timing
    assert clock.asked == 1
    untimed = graded(classroom, context, tmp_path, monkeypatch, clock, assignment(timed=False))
    assert (untimed["weights"].score.points, untimed["weights"].timing) == (20, first["weights"].timing)


def test_nothing_is_timed_unless_asked_for(context, classroom, tmp_path, monkeypatch):
    clock = Clock(1.5)
    plain = graded(classroom, context, tmp_path, monkeypatch, clock, assignment(timed=False))
    assert (clock.asked, plain["weights"].timing) == (0, None)
    timed = graded(classroom, context, tmp_path, monkeypatch, clock, assignment(timed=False), timing=True)
    assert (clock.asked, timed["weights"].timing.status) == (1, "measured")
    assert records.repeatable(timed["weights"]) | {"keys": 0} == records.repeatable(plain["weights"]) | {"keys": 0}


def test_what_the_harness_could_not_measure_leaves_the_total_open_and_is_tried_again(
    context, classroom, tmp_path, monkeypatch
):
    failed = graded(classroom, context, tmp_path, monkeypatch, Clock(None, "not-measurable"))["weights"]
    assert (failed.score.points, failed.score.open_points) == (20, 5)
    assert not total([failed]).complete
    clock = Clock(1.0)
    measured = graded(classroom, context, tmp_path, monkeypatch, clock)["weights"]
    assert (clock.asked, measured.score.points, total([measured]).complete) == (1, 25, True)


def test_a_void_timing_takes_the_points_for_time_and_leaves_the_score(context, classroom, tmp_path, monkeypatch):
    clock = Clock(None, "void", "submission")
    void = graded(classroom, context, tmp_path, monkeypatch, clock)["weights"]
    assert (void.score.points, void.score.passed, total([void]).complete) == (20, True, True)
    assert "No points for time. Because." in void.score.explanation
    graded(classroom, context, tmp_path, monkeypatch, clock)
    assert clock.asked == 1


def test_trouble_while_timing_is_one_entry_s_and_the_harness_s(context, classroom, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no clock")

    found = graded(classroom, context, tmp_path, monkeypatch, broken)["weights"]
    assert (found.timing.status, found.timing.fault, found.score.points) == ("not-measurable", "harness", 20)
    assert "RuntimeError: no clock" in found.timing.reason


def test_the_summary_tells_the_time(context, classroom, tmp_path, monkeypatch):
    found = graded(classroom, context, tmp_path, monkeypatch, Clock(1.5))
    document = summary.summary(list(found.values()), assignment(), context.data, "full", 1.0)
    answers, weights = (submission["entries"][0]["timing"] for submission in document["submissions"])
    assert weights["metrics"]["times_reference"]["value"] == 1.5
    assert (weights["status"], answers["status"], answers["reason"]) == ("measured", "not-measurable", stage.NO_MODEL)
