"""Comparison of timed answers with graded and with untimed ones."""

import numpy as np
import pytest

from harness.timing import agreement
from harness.types import ArraySpec, Question


def test_equal_scores_are_hardly_ever_worse_and_clearly_worse_ones_always():
    generator = np.random.default_rng(0)
    graded = generator.binomial(1, 0.98, size=10_000).astype(float)
    honest = [generator.binomial(1, 0.98, size=3000).astype(float) for _ in range(500)]
    assert sum(agreement.worse(scores, graded, "higher") for scores in honest) <= 1
    cheap = [generator.binomial(1, 0.95, size=3000).astype(float) for _ in range(20)]
    assert all(agreement.worse(scores, graded, "higher") for scores in cheap)
    # Better ones are no objection, in either direction of the metric.
    assert not agreement.worse(1 - graded[:2000], graded, "lower")


def test_skewed_errors_of_few_rows_do_not_accuse():
    generator = np.random.default_rng(1)
    graded = generator.lognormal(0, 1, size=100)
    assert sum(agreement.worse(generator.lognormal(0, 1, size=60), graded, "lower") for _ in range(500)) <= 1
    assert agreement.worse(generator.lognormal(1, 1, size=600), graded, "lower")


def test_scores_without_any_spread_are_compared_as_they_are():
    ones = np.ones(50)
    assert agreement.worse(np.zeros(50), ones, "higher")
    assert not agreement.worse(ones, ones, "higher")


def test_rounding_agrees_and_other_answers_do_not():
    generator = np.random.default_rng(2)
    first = generator.random((50, 1, 28, 28), dtype=np.float32)
    near, other = first * np.float32(1 + 1e-6), first.copy()
    other[:10] += 0.01
    assert agreement.agree([{"images": first}], [{"images": near}])
    assert not agreement.agree([{"images": first}], [{"images": other}])
    assert agreement.agreeing({"images": first}, {"images": other}).sum() == 40


def test_answers_that_come_again_are_found():
    generator = np.random.default_rng(3)
    rows = [{"images": generator.random((20, 4))} for _ in range(3)]
    assert not agreement.repeated(rows)
    assert agreement.repeated([rows[0], {"images": rows[0]["images"][::-1]}, rows[0]])


def question(inputs: np.ndarray, batch: int | None = None) -> Question:
    return Question("draw", {"noise": inputs}, {"images": ArraySpec((len(inputs), 2))}, batch)


def test_timed_rows_are_hidden_at_random_places_of_a_graded_question():
    graded = question(np.zeros((40, 3), np.float32), 10)
    timed = [question(np.full((n, 3), n, np.float32)) for n in (1, 7, 30)]
    found = agreement.as_in_grading(graded, timed, 30, np.random.default_rng(0))
    assert found is not None
    asked, places = found
    assert (asked.batch, asked.answers["images"].shape, len(asked.inputs["noise"])) == (10, (30, 2), 30)
    # As many as fit into half of the places, in order.
    assert asked.inputs["noise"][places, 0].tolist() == [1] + [7] * 7 + [30] * 7
    assert (asked.inputs["noise"] != 0).any(axis=1).sum() == 15
    assert not graded.inputs["noise"].any()
    assert agreement.as_in_grading(question(np.zeros((40, 4))), timed, 30, np.random.default_rng(0)) is None


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_a_model_is_held_to_its_own_noise_and_no_more(noise):
    generator = np.random.default_rng(4)
    truth = generator.random((400, 100))

    def drawn(mean: np.ndarray) -> dict[str, np.ndarray]:
        return {"images": mean + noise * generator.standard_normal(mean.shape)}

    first, second = drawn(truth), drawn(truth)
    assert agreement.close_enough(drawn(truth), first, second)
    assert not agreement.close_enough(drawn(generator.random((400, 100)) + 0.4), first, second)
    # One batch in ten cheap in grading, too, excuses nothing.
    first["images"][:40] = 0.5
    second["images"][40:80] = 0.5
    assert not agreement.close_enough({"images": np.full((400, 100), 2.0)}, first, second)
