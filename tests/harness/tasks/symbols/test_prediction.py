import re
from math import log

import numpy as np
import pytest
import torch

from harness import tasks
from harness.metrics.categorical_cross_entropy import FLOOR, cross_entropy, divergence, floored
from harness.tasks.base import Context
from harness.tasks.interfaces import SymbolPredictor
from harness.tasks.symbols.streams import MODELS, REPEATED, best_predictions, draw
from harness.types import Entry, GradingError, Kind
from reference import architecture, shipped
from reference.bayes_symbols import PROCESSES, BayesPredictor, expected_cross_entropy
from tests.data import embedded_digits

pytestmark = pytest.mark.numeric

TASK = tasks.task("symbol-prediction")
PRIOR_MEAN = {  # entropy of the prior mean, where a letter is due, and nothing where RESET is
    "M1": -(10 * log(10 / 12) + 2 * log(1 / 12)) / 12 * 79 / 99,
    "M2": -(10 * log(10 / 12) + 2 * log(1 / 12)) / 12 * 94 / 99,
    "M3": log(3) * 79 / 99,
    "M4": log(3) * 94 / 99,
}
"""Nats a step. Of the 99 symbols that are predicted, 20 (T = 5) or 5 (T = 20) are RESETs, which cost nothing."""


class NoJudge:
    digest = "0" * 64
    most_doubt = 0.5


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), NoJudge(), seed=5)


def entry(which="M4"):
    return Entry("symbol-prediction", Kind.CODE, f"symbols-{which.lower()}", code="model.py:load")


def answered(context, which, model):
    """The answers of `model`, a function of one-hot streams (N, 100, 4), to all questions, in their batches."""
    answers = []
    for question in TASK.questions(context, entry(which)):
        one_hot = question.inputs["one_hot"]
        batches = [one_hot[i : i + question.batch] for i in range(0, len(one_hot), question.batch)]
        answers.append({"probabilities": np.concatenate([model(b) for b in batches]).astype(np.float32)})
    return answers


def bayes(which):
    predictor = BayesPredictor(PROCESSES[which])
    return lambda one_hot: predictor.next_symbol_probabilities(torch.from_numpy(one_hot)).numpy()


def mark(context, which, model):
    return TASK.mark(context, entry(which), answered(context, which, model))


def failure(context, which, model):
    with pytest.raises(GradingError) as caught:
        mark(context, which, model)
    return caught.value.failure


def test_questions_are_whole_one_hot_streams_of_the_models_period(context):
    first, changed, again = TASK.questions(context, entry("M2"))
    assert first.method == changed.method == again.method == "next_symbol_probabilities"
    assert [question.sitting for question in (first, changed, again)] == [0, 1, 1]
    one_hot = first.inputs["one_hot"]
    assert one_hot.shape[1:] == (100, 4) and one_hot.dtype == np.float32
    assert (one_hot.sum(axis=2) == 1).all()
    resets = one_hot[:, :, 3].astype(bool)
    assert (resets == (np.arange(100) % 20 == 19)).all()
    assert first.answers["probabilities"].shape == (len(one_hot), 99, 4)
    assert again.inputs["one_hot"].shape == (REPEATED, 100, 4)
    assert len({question.batch for question in (first, changed, again)}) == 3
    # α = (10, 1, 1) on 2,000 streams, (1.3, 1.3, 1.3) on 500, one constant stream; 99 with a changed end come later.
    assert len(one_hot) == 2000 + 500 + 1
    assert changed.inputs["one_hot"].shape == (99, 100, 4)
    ones = (one_hot[:, :, 0].sum(axis=1) == 95).sum()
    assert ones >= 1


def test_questions_follow_from_seed_and_model_alone(context):
    same = Context(context.data, context.judge, 5)
    other = Context(context.data, context.judge, 6)
    asked = [TASK.questions(c, entry("M1"))[0].inputs["one_hot"] for c in (context, same, other)]
    assert np.array_equal(asked[0], asked[1])
    assert not np.array_equal(asked[0], asked[2])
    assert not np.array_equal(asked[0], TASK.questions(context, entry("M3"))[0].inputs["one_hot"])


def test_changed_streams_differ_in_every_later_letter_and_in_nothing_else(context):
    exam = draw(context, "M1")
    same = exam.symbols["1"][:REPEATED]
    for row in range(REPEATED):
        letters = same[row, row + 1 :] != 3
        assert np.array_equal(exam.changed[row, : row + 1], same[row, : row + 1])
        assert ((exam.changed[row, row + 1 :] != same[row, row + 1 :]) == letters).all()
    by_stream = exam.split(np.concatenate([*exam.symbols.values()])[exam.order])
    assert all(np.array_equal(by_stream[number], exam.symbols[number]) for number in "123")


@pytest.mark.parametrize("which", MODELS)
def test_the_bayes_predictor_has_no_excess(context, which):
    marks, notes = mark(context, which, bayes(which))
    metrics = marks.metrics
    assert metrics["excess_cross_entropy"].value == pytest.approx(0, abs=1e-6)
    assert metrics["divergence"].value == pytest.approx(0, abs=1e-6)
    least = metrics["bayes_cross_entropy"]
    expected = expected_cross_entropy(PROCESSES[which])
    assert least.low - 0.004 < expected < least.high + 0.004
    assert least.low < least.value < least.high
    for number in "123":
        assert metrics[f"excess_stream_{number}"].value == pytest.approx(0, abs=1e-6)
    assert metrics["cross_entropy_stream_3"].low is None
    assert not any(e.flag for e in marks.evidence)
    assert notes == []
    (figure,) = marks.figures
    panels = figure.data["panels"]
    assert panels.shape == (6, 99, 4)
    assert panels[::2] == pytest.approx(panels[1::2], abs=1e-6)
    assert panels[::2].sum(axis=2) == pytest.approx(1)
    assert figure.columns[2:4] == ("Stream 2, model", "Stream 2, Bayes predictor")
    assert figure.series == ("1", "2", "3", "RESET")


def test_the_constant_stream_costs_what_its_counts_say(context):
    marks, _ = mark(context, "M3", bayes("M3"))
    # Letter 1 again and again: (1.3 + n) / (3.9 + n) after n of them; RESET costs nothing; the first is not predicted.
    costs = [-log((1.3 + n) / (3.9 + n)) for n in range(4)]
    assert marks.metrics["cross_entropy_stream_3"].value == pytest.approx((20 * sum(costs) - costs[0]) / 99, rel=1e-6)


@pytest.mark.parametrize("which", MODELS)
def test_the_prior_mean_costs_its_entropy_and_the_marginal_more(context, which):
    questions = TASK.questions(context, entry(which))
    value = {}
    for name, baseline in TASK.baselines.items():
        marks, notes = TASK.mark(context, entry(which), baseline.answer(context, questions))
        assert notes == []
        value[name] = marks.metrics
    excess = PRIOR_MEAN[which] - expected_cross_entropy(PROCESSES[which])
    interval = value["prior-mean"]["excess_cross_entropy"]
    assert interval.low - 0.003 < excess < interval.high + 0.003
    assert value["prior-mean"]["divergence"].value == pytest.approx(excess, abs=0.002)
    assert value["marginal"]["excess_cross_entropy"].value > 0.2
    assert value["bayes"]["excess_cross_entropy"].value == pytest.approx(0, abs=1e-6)


def test_a_baseline_knows_which_model_is_asked(context):
    for which in MODELS:
        questions = TASK.questions(context, entry(which))
        answer = TASK.baselines["bayes"].answer(context, questions)[0]["probabilities"]
        assert np.array_equal(answer, bayes(which)(questions[0].inputs["one_hot"]))


def test_excess_and_divergence_are_those_of_a_slow_count(context):
    """A model that mixes Bayes with the uniform distribution, scored symbol by symbol."""
    which = "M1"

    def mixed(one_hot):
        return 0.9 * bayes(which)(one_hot) + 0.025

    marks, _ = mark(context, which, mixed)
    exam = draw(context, which)
    symbols = exam.symbols["1"]
    best = best_predictions(PROCESSES[which], symbols)
    excess, apart = [], []
    for stream, rows in zip(symbols[:200], best[:200], strict=True):
        for t in range(99):
            p = rows[t]
            q = 0.9 * p + 0.025
            excess.append(log(p[stream[t + 1]]) - log(q[stream[t + 1]]))
            apart.append(sum(a * log(a / b) for a, b in zip(p, q, strict=True) if a > 0))
    whole = np.log(np.take_along_axis(best, symbols[:, 1:, None], 2)).mean()
    assert marks.metrics["bayes_cross_entropy"].value == pytest.approx(-whole)
    said = 0.9 * best + 0.025
    assert cross_entropy(said[:200], symbols[:200, 1:]).mean() + np.log(
        np.take_along_axis(best[:200], symbols[:200, 1:, None], 2)
    ).mean() == pytest.approx(np.mean(excess))
    assert divergence(best[:200], said[:200]).mean() == pytest.approx(np.mean(apart))
    interval = marks.metrics["excess_cross_entropy"]
    assert interval.low < interval.value < interval.high
    assert interval.value == pytest.approx(marks.metrics["divergence"].value, abs=0.003)


def test_a_model_that_peeks_one_symbol_ahead_is_caught(context):
    def peeking(one_hot):
        return 0.9 * bayes("M4")(one_hot) + 0.1 * one_hot[:, 1:]

    failed = failure(context, "M4", peeking)
    assert (failed.stage, failed.kind, failed.fault) == ("answers", "not-causal", "submission")
    assert "only symbols after" in failed.message


def test_a_model_whose_counts_use_the_whole_stream_is_caught(context):
    def whole(one_hot):
        shares = one_hot.mean(axis=1, keepdims=True)  # of the future as well
        return 0.5 * bayes("M2")(one_hot) + 0.5 * shares

    assert failure(context, "M2", whole).kind == "not-causal"


def test_predictions_better_than_the_best_are_no_score(context):
    """A peek that hides where the ends are changed shows in the score: nobody beats Bayes."""
    answers = answered(context, "M3", bayes("M3"))
    exam = draw(context, "M3")
    rows = exam.order  # row of the question -> row of the streams one below the other
    scored = (rows >= len(exam.symbols["1"]) + REPEATED) & (rows < len(exam.symbols["1"]) + len(exam.symbols["2"]))
    said = answers[0]["probabilities"]
    said[scored] = 0.97 * said[scored] + 0.03 * exam.one_hot[scored][:, 1:]
    with pytest.raises(GradingError) as caught:
        TASK.mark(context, entry("M3"), answers)
    assert caught.value.failure.kind == "better-than-bayes"
    assert "better than the best" in caught.value.failure.message


def test_noise_is_no_place_to_peek_from(context):
    def stateful(one_hot):
        answer = bayes("M1")(one_hot).copy()
        answer[:, 0] = 0.9 * answer[:, 0] + 0.1 / len(one_hot)
        answer[:, 0] /= answer[:, 0].sum(axis=1, keepdims=True)
        return answer

    with pytest.raises(GradingError, match=r"model\.eval") as caught:
        mark(context, "M1", stateful)
    assert caught.value.failure.kind == "not-causal"


@pytest.mark.parametrize(
    ("change", "kind", "hint"),
    [
        (lambda p: np.log(p + 1e-9) + 3, "out-of-range", "softmax"),
        (lambda p: np.log(p + 1e-9), "out-of-range", r"exp\(\)"),
        (lambda p: p * 0.9, "not-normalised", "sum to 0.9;"),
        (lambda p: 1 / (1 + np.exp(-p)), "not-normalised", "softmax"),
    ],
)
def test_what_is_no_distribution_is_refused_by_name(context, change, kind, hint):
    failed = failure(context, "M3", lambda one_hot: change(bayes("M3")(one_hot)))
    assert failed.kind == kind
    assert re.search(hint, failed.message)


def test_sums_that_are_slightly_off_are_divided_out_and_told(context):
    right, _ = mark(context, "M2", bayes("M2"))
    marks, notes = mark(context, "M2", lambda one_hot: bayes("M2")(one_hot) * 1.004)
    assert marks.metrics["cross_entropy"].value == pytest.approx(right.metrics["cross_entropy"].value, abs=1e-6)
    assert len(notes) == 1
    assert "divided by their sum" in notes[0]


def test_a_symbol_that_was_called_impossible_costs_much_but_not_all(context):
    def sure(one_hot):
        """All on letter 1, whatever comes, but RESET when it is due."""
        answer = np.zeros((len(one_hot), 99, 4))
        answer[:, :, 0] = 1
        answer[:, 19 - 1 :: 20] = [0, 0, 0, 1]
        return answer

    marks, notes = mark(context, "M2", sure)
    exam = draw(context, "M2")
    others = sum(int(((s[:, 1:] == 1) | (s[:, 1:] == 2)).sum()) for s in exam.symbols.values())
    assert notes[0].startswith(f"{others} symbols came")
    own = exam.symbols["1"][:, 1:]
    share = ((own == 1) | (own == 2)).mean()
    assert marks.metrics["cross_entropy"].value == pytest.approx(-share * log(FLOOR), rel=1e-6)
    assert floored(np.array([[[1.0, 0.0]]]), np.array([[1]])) == 1


@pytest.mark.parametrize(
    ("part", "model", "which"),
    [
        ("symbols-m1", None, "M1"),
        ("M3", None, "M3"),
        ("dirichlet_m2", None, "M2"),
        ("anything", "dirichlet-lstm-m4", "M4"),
        ("symbols-m4", "dirichlet-lstm-m4", "M4"),
    ],
)
def test_part_or_architecture_says_which_of_the_four_it_is(context, part, model, which):
    asked = Entry("symbol-prediction", Kind.WEIGHTS, part, model, "model.pt")
    period = PROCESSES[which].period
    first = TASK.questions(context, asked)[0].inputs["one_hot"]
    assert np.array_equal(first, draw(context, which).one_hot)
    assert first[0, period - 1, 3] == 1


@pytest.mark.parametrize(
    ("part", "model", "said"),
    [("symbols", None, "end its name"), ("symbols-m5", None, "end its name"), ("sm1", None, "end its name"),
     ("symbols-m1", "dirichlet-lstm-m2", "another of the four")],
)  # fmt: skip
def test_a_part_that_does_not_say_so_is_refused(context, part, model, said):
    with pytest.raises(GradingError, match=said) as caught:
        TASK.questions(context, Entry("symbol-prediction", Kind.WEIGHTS, part, model, "model.pt"))
    assert caught.value.failure.stage == "manifest"


@pytest.mark.parametrize("which", MODELS)
def test_the_reference_models_are_within_a_hundredth_nat(context, which):
    name = f"dirichlet-lstm-{which.lower()}"
    assert architecture(name).task == TASK.name
    model = shipped.module(name)
    assert isinstance(model, SymbolPredictor)
    with torch.no_grad():
        marks, notes = mark(context, which, lambda x: model.next_symbol_probabilities(torch.from_numpy(x)).numpy())
    assert 0 < marks.metrics["excess_cross_entropy"].value < 0.01
    assert 0 < marks.metrics["divergence"].value < 0.01
    assert not any(e.flag for e in marks.evidence)
    assert notes == []
