"""The three inpainting tasks: what is asked, how it is marked, and that every misbehaviour is named."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from harness import rubric, tasks
from harness.assignments import coursework
from harness.evidence.same_for_all import LEAST
from harness.metrics.accuracy import wilson
from harness.metrics.squared_error import squared_error
from harness.tasks.base import Context
from harness.tasks.inpainting.base import FOLLOWS, Inpainting
from harness.tasks.inpainting.baselines import between_rows
from harness.tasks.inpainting.corruption import coin_flips, gray_patches, noisy_rows
from harness.types import Entry, Gate, Kind
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric

NAMES = ("patch-inpainting", "row-inpainting", "half-inpainting")
PATCH, ROW, HALF = (tasks.task(name) for name in NAMES)
EVIDENCE = {"known-pixels", "batch-dependence", "copies-input", "same-for-all", "memorised-test-images", "value-range"}


@dataclass(frozen=True)
class CountsInk:
    """A judge to whom the parity of the number of white pixels is the digit, 0 or 1."""

    digest = "0" * 64
    most_doubt = 0.5

    def decide(self, images):
        ink = (images > 0.5).sum(axis=(1, 2, 3)) % 2
        return ink, np.zeros((len(images), 3), np.float32)

    def doubt(self, images, labels):
        return np.zeros(len(images), np.float32)


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), CountsInk(), seed=5)


def entry_of(task, kind=Kind.WEIGHTS, **options):
    return Entry(task.name, kind, "part", "made-up", "best.pt", options=options)


def answered(task, context, inpaint, entry=None):
    """The answers that a worker sends back for a model, batch by batch."""
    answers = []
    for question in task.questions(context, entry or entry_of(task)):
        images, mask = question.inputs["images"], question.inputs["mask"]
        parts = [
            inpaint(images[i : i + question.batch].copy(), mask[i : i + question.batch].copy())
            for i in range(0, len(images), question.batch)
        ]
        answers.append({"images": np.concatenate(parts).astype(np.float32)})
    return answers


def marked(task, context, inpaint, entry=None):
    entry = entry or entry_of(task)
    return task.mark(context, entry, answered(task, context, inpaint, entry))


def flags(marks):
    assert {e.name for e in marks.evidence} == EVIDENCE
    follows = Gate(marks.metrics["explained"].value >= LEAST, "follows the image")
    assert marks.gates == {FOLLOWS: follows} | {e.name: Gate(not e.flag, e.title) for e in marks.evidence}
    return {e.name for e in marks.evidence if e.flag}


def evidence(marks, name):
    return next(e for e in marks.evidence if e.name == name)


def figure(marks, name):
    return next(one for one in marks.figures if one.name == name)


def paste(value):
    """A model that fills the missing pixels with one gray value: valid, if not good."""
    return lambda images, mask: np.where(mask, np.float32(value), images)


# What is asked.


def test_patches_are_gray_squares_around_the_middle():
    originals = np.random.default_rng(0).random((3000, 1, 28, 28)).astype(np.float32)
    case = gray_patches(originals, torch.Generator().manual_seed(1))
    assert np.array_equal(case.shown[~case.mask], originals[~case.mask])
    assert (case.shown[case.mask] == 0.5).all()
    corners = []
    for mask in case.mask[:, 0]:
        rows, columns = np.nonzero(mask)
        top, left = rows.min(), columns.min()
        assert mask.sum() == 36
        assert mask[top : top + 6, left : left + 6].all()
        corners.append((top, left))
    counts = np.zeros((9, 9))
    for top, left in corners:
        counts[top - 7, left - 7] += 1  # 11 − 4 … 11 + 4, in both directions
    expected = 3000 / 81
    assert ((counts - expected) ** 2 / expected).sum() < 140  # 99.99 % of chi-squared with 80 degrees of freedom


def test_even_rows_are_noisy_and_clipped():
    blank = np.zeros((500, 1, 28, 28), np.float32)
    case = noisy_rows(blank, torch.Generator().manual_seed(2))
    assert case.mask[:, :, ::2].all() and not case.mask[:, :, 1::2].any()
    assert (case.shown[:, :, 1::2] == 0).all()
    noisy = case.shown[:, :, ::2]
    assert noisy.min() >= 0 and noisy.max() <= 1
    # Half of a normal draw's square is left on black, .3²/2, in half of the rows.
    assert squared_error(case.shown, blank).mean() == pytest.approx(0.3**2 / 4, rel=0.01)
    assert (noisy == 0).mean() == pytest.approx(0.5, abs=0.005)
    white = noisy_rows(blank + 1, torch.Generator().manual_seed(2)).shown
    middle = noisy_rows(blank + np.float32(0.5), torch.Generator().manual_seed(2)).shown
    assert white.max() == 1
    assert np.abs(middle[:, :, ::2] - 0.5).max() == 0.5
    assert np.corrcoef(noisy[0, 0].ravel(), middle[0, 0, ::2].ravel())[0, 1] > 0.8  # the same noise


def test_bottom_halves_are_coin_flips():
    originals = np.random.default_rng(0).random((400, 1, 28, 28)).astype(np.float32)
    case = coin_flips(originals, torch.Generator().manual_seed(3))
    flat, shown = case.mask.reshape(400, 784), case.shown.reshape(400, 784)
    assert not flat[:, :392].any() and flat[:, 392:].all()
    assert np.array_equal(shown[:, :392], originals.reshape(400, 784)[:, :392])
    assert set(np.unique(shown[:, 392:]).tolist()) == {np.float32(1e-4).item(), np.float32(0.9999).item()}
    assert (shown[:, 392:] > 0.5).mean() == pytest.approx(0.5, abs=0.006)
    assert not np.array_equal(shown[0, 392:], shown[1, 392:])


@pytest.mark.parametrize("name", NAMES)
def test_questions_follow_from_the_seed_alone(context, name):
    task = tasks.task(name)
    digits = embedded_digits()

    def asked(seed):
        questions = task.questions(Context(digits, CountsInk(), seed), entry_of(task))
        return b"".join(q.inputs[key].tobytes() for q in questions for key in ("images", "mask"))

    assert asked(5) == asked(5)
    assert asked(5) != asked(6)


DIGESTS = {
    "patch-inpainting": "5f574764c244f8a6",
    "row-inpainting": "ed51fe4cec3e1913",
    "half-inpainting": "671cc32bd05046a3",
}


@pytest.mark.parametrize("name", NAMES)
def test_questions_are_the_same_bits_on_every_machine(context, name):
    # A change here is a new protocol: whoever makes one bumps the task's version.
    main = tasks.task(name).questions(context, entry_of(tasks.task(name)))[0]
    assert tasks.task(name).protocol == 1
    assert hashlib.sha256(main.inputs["images"].tobytes()).hexdigest()[:16] == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_questions_ask_again_and_hold_no_originals(context, name):
    task = tasks.task(name)
    main, again, mixed, other, *further = task.questions(context, entry_of(task))
    n = len(again.inputs["images"])
    rows, _ = task.asked_again(context, len(main.inputs["images"]))
    assert sorted(set(rows)) == sorted(rows) and len(rows) == n
    assert [question.sitting for question in (main, again, mixed, other)] == [0, 1, 1, 1]
    assert len(main.inputs["images"]) == (100 if task is HALF else 500)
    assert n == (6 if task is HALF else 200)
    assert np.array_equal(again.inputs["images"], main.inputs["images"][rows])
    assert again.batch == mixed.batch < main.batch
    same = (mixed.inputs["images"] == again.inputs["images"]).all(axis=(1, 2, 3))
    assert same[::2].all() and not same[1::2].any()
    test = context.data.test.images
    for question in (main, again, mixed, other, *further):
        assert question.method == "inpaint"
        assert question.answers["images"].shape == question.inputs["images"].shape
        assert question.deadline >= 600
        shown = question.inputs["images"]
        assert not any((shown[:1] == original).all() for original in test[:100])
    assert len(further) == (0 if task is ROW else 1)


def test_a_thousand_images_are_the_extended_half_inpainting():
    task = tasks.task("half-inpainting-extended")
    context = Context(embedded_digits(), CountsInk(), 5)
    extended, usual = (t.questions(context, entry_of(t))[0].inputs for t in (task, HALF))
    # The embedded digits have fewer than a thousand test images.
    assert len(extended["images"]) == min(1000, len(context.data.test.images)) > len(usual["images"]) == 100
    assert (extended["mask"][:100] == usual["mask"]).all()


# How it is marked.


def test_a_constant_answer_has_the_closed_form_error(context):
    case = PATCH.asked(context)
    marks, notes = marked(PATCH, context, paste(0.25))
    truth = case.originals[case.mask].reshape(-1, 36).astype(np.float64)
    error = ((truth - 0.25) ** 2).mean(axis=1)
    metric = marks.metrics["masked_mse"]
    assert metric.value == pytest.approx(error.mean(), rel=1e-9)
    assert metric.low < metric.value < metric.high
    half_width = 1.96 * error.std(ddof=1) / np.sqrt(500)
    assert (metric.high - metric.low) / 2 == pytest.approx(half_width, rel=0.1)
    assert metric.n == 500
    assert marks.metrics["mse"].value == pytest.approx(error.mean() * 36 / 784, rel=1e-9)
    assert marks.metrics["masked_mse_corrupted"].value == pytest.approx(((truth - 0.5) ** 2).mean(), rel=1e-9)
    # In the coursework's units: pixels 2x − 1, the answer −.5.
    coursework = marks.metrics["masked_mse_coursework"]
    assert coursework.value == pytest.approx(((2 * truth - 1 + 0.5) ** 2).mean(), rel=1e-9)
    assert coursework.low == pytest.approx(4 * metric.low)
    assert marks.primary == "masked_mse"
    # Worse than the mean image: no cheat, and nothing that follows the image either.
    assert flags(marks) == set()
    assert not marks.gates[FOLLOWS].holds
    assert notes == []


def test_the_row_metrics_are_over_whole_images(context):
    marks, _ = marked(ROW, context, paste(0.5))
    case = ROW.asked(context)
    filled = case.originals.astype(np.float64).copy()
    filled[:, :, ::2] = 0.5
    error = ((filled - case.originals) ** 2).reshape(500, -1).mean(axis=1)
    assert marks.primary == "mse"
    assert marks.metrics["mse"].value == pytest.approx(error.mean(), rel=1e-6)
    assert marks.metrics["mse_std"].value == pytest.approx(error.std(ddof=1), rel=1e-6)
    assert marks.metrics["mse_min"].value == pytest.approx(error.min(), rel=1e-6)
    assert marks.metrics["mse_max"].value == pytest.approx(error.max(), rel=1e-6)
    assert marks.metrics["masked_mse"].value == pytest.approx(2 * error.mean(), rel=1e-6)
    shown = ((case.shown.astype(np.float64) - case.originals) ** 2).reshape(500, -1).mean(axis=1)
    assert marks.metrics["mse_corrupted"].value == pytest.approx(shown.mean(), rel=1e-6)
    assert marks.metrics["mse_corrupted_max"].value == pytest.approx(shown.max(), rel=1e-6)
    assert "plausibility" not in marks.metrics


def test_half_inpainting_has_a_second_figure_on_training_images(context):
    marks, _ = marked(HALF, context, paste(0.0))
    train = context.data.train.images[:100, :, 14:].astype(np.float64)
    assert marks.metrics["masked_mse_training"].value == pytest.approx((train**2).mean(), rel=1e-6)
    test = context.data.test.images[:100, :, 14:].astype(np.float64)
    assert marks.metrics["masked_mse"].value == pytest.approx((test**2).mean(), rel=1e-6)
    assert marks.metrics["masked_mse"].n == marks.metrics["masked_mse_training"].n == 100


def test_the_second_figure_is_left_out_where_it_was_not_answered(context):
    answers = answered(HALF, context, paste(0.0))
    marks, _ = HALF.mark(context, entry_of(HALF), [*answers[:4], {}])
    assert "masked_mse_training" not in marks.metrics
    assert marks.metrics["masked_mse"].value is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_answer_has_no_error_and_no_flag(context, name):
    task = tasks.task(name)
    answers = answered(task, context, paste(0.0))
    case = task.asked(context)
    again, mixed = task.asked_again(context, len(case.shown))
    _, altered = task._probed(context)
    for answer, own in zip(answers, (case, case[again], case[mixed], altered), strict=False):
        answer["images"] = own.originals
    marks, _ = task.mark(context, entry_of(task), answers)
    assert marks.metrics[task.primary].value == marks.metrics[task.primary].high == 0
    assert flags(marks) == set()
    assert figure(marks, "errors").data["counts"][0] == len(case.shown)


def test_plausibility_is_of_the_completed_images(context):
    # The judge counts white pixels; those that a black patch hides make the difference.
    marks, _ = marked(PATCH, context, lambda images, mask: np.where(mask, -7, images + np.float32(1e-3)))
    case = PATCH.asked(context)
    completed = np.where(case.mask, 0, case.originals)
    read = (completed > 0.5).sum(axis=(1, 2, 3)) % 2
    hits = int((read == context.data.test.labels).sum())
    metric = marks.metrics["plausibility"]
    assert 10 < hits < 490
    assert (metric.value, metric.low, metric.high) == (hits / 500, *wilson(hits, 500))


@pytest.mark.parametrize("name", NAMES)
def test_pictures_show_the_best_the_median_and_the_worst(context, name):
    task = tasks.task(name)
    marks, _ = marked(task, context, paste(0.0))
    case = task.asked(context)
    errors = task.errors(paste(0.0)(case.shown, case.mask), case)
    order = np.argsort(errors, kind="stable")
    assert [one.name for one in marks.figures] == ["first", "best", "median", "worst", "errors"]
    for picture, first in (
        ("first", 0),
        ("best", order[0]),
        ("worst", order[-1]),
        ("median", order[(len(order) - 5) // 2]),
    ):
        pixels = figure(marks, picture).data["pixels"]
        assert pixels.shape == (5 * 30 - 2, 4 * 30 - 2)
        panels = [pixels[:28, 30 * column : 30 * column + 28] for column in range(4)]
        recovered = paste(0.0)(case.shown[first : first + 1], case.mask[first : first + 1])[0, 0]
        expected = [case.originals[first, 0], case.shown[first, 0], recovered, case.originals[first, 0] - recovered]
        for panel, wanted in zip(panels, expected, strict=True):
            assert np.array_equal(panel, np.rint(np.abs(wanted) * 255).astype(np.uint8))
    counts, edges = (figure(marks, "errors").data[key] for key in ("counts", "edges"))
    assert counts.sum() == len(errors)
    assert len(edges) == len(counts) + 1
    assert edges[-1] == pytest.approx(errors.max())


def test_intervals_are_the_same_whatever_was_graded_before(context):
    first, _ = marked(PATCH, context, paste(0.25))
    marked(ROW, context, paste(0.5))
    again, _ = marked(PATCH, context, paste(0.25))
    assert first.metrics == again.metrics


# Every misbehaviour is seen and named.


def autoencoder(digits, components):
    """The best linear autoencoder of clean images: what a generator becomes that is trained on them by mistake."""
    flat = digits.train.images.reshape(-1, 784).astype(np.float64)
    mean = flat.mean(axis=0)
    basis = np.linalg.svd(flat - mean, full_matrices=False)[2][:components]

    def inpaint(images, mask):
        rows = images.reshape(-1, 784)
        projected = ((rows - mean) @ basis.T @ basis + mean).reshape(images.shape)
        return np.where(mask, projected, images)

    return inpaint


def test_a_generator_that_was_trained_on_clean_images_is_named(context):
    marks, _ = marked(PATCH, context, autoencoder(context.data, 100))
    assert flags(marks) == {"copies-input"}
    assert "trained on clean images" in evidence(marks, "copies-input").message
    for fair in (PATCH.baselines["ridge"], autoencoder(context.data, 5)):
        if isinstance(fair, type(PATCH.baselines["ridge"])):
            answers = fair.answer(context, PATCH.questions(context, entry_of(PATCH)))
            good, _ = PATCH.mark(context, entry_of(PATCH), answers)
        else:
            good, _ = marked(PATCH, context, fair)
        assert flags(good) == set()


def mean_image(digits):
    mean = digits.train.images.mean(axis=0, keepdims=True)
    return lambda images, mask: np.where(mask, mean, images)


@pytest.mark.parametrize("name", ["patch-inpainting", "half-inpainting"])
def test_to_fill_all_images_alike_is_named_and_earns_nothing(context, name):
    task, part = (
        tasks.task(name),
        {p.task: p for a in coursework.shipped().values() for p in a.assignment.part if p.id in {"ebl", "flow"}},
    )
    # A flag says that the answers are as good as the mean image's; that they earn nothing needs no flag.
    for fill, named in ((paste(0.3955), set()), (mean_image(context.data), {"same-for-all"})):
        marks, _ = marked(task, context, fill)
        assert flags(marks) == named
        assert not marks.gates[FOLLOWS].holds
        assert evidence(marks, "same-for-all").state != "clear"
        assert evidence(marks, "same-for-all").value < 1e-6
        assert rubric.score(part[name], marks).points == 0
    # What an honest, if poor, model fills in varies.
    marks, _ = marked(task, context, lambda images, mask: np.where(mask, images[:, :, 13:14] * 0.5, images))
    assert "same-for-all" not in flags(marks)
    assert marks.gates[FOLLOWS].holds == (evidence(marks, "same-for-all").value >= LEAST)


def test_answers_too_large_for_their_differences_are_scored(context):
    signs = 1.0, -1.0, 1.0, -1.0
    case = ROW.asked(context)
    answers = []
    for question, sign in zip(ROW.questions(context, entry_of(ROW)), signs, strict=True):
        filled = np.where(question.inputs["mask"], np.float32(sign * 3e38), question.inputs["images"])
        answers.append({"images": filled.astype(np.float32)})
    marks, _ = ROW.mark(context, entry_of(ROW), answers)
    numbers = [e.value for e in marks.evidence] + [m.value for m in marks.metrics.values()]
    assert np.isfinite(numbers).all()
    assert len(case.shown) == marks.metrics["mse"].n


@pytest.mark.parametrize("name", NAMES)
def test_what_hands_back_its_input_is_named(context, name):
    marks, _ = marked(tasks.task(name), context, lambda images, mask: images)
    assert flags(marks) == {"copies-input"}
    # Noise is added to the rows, which still show; gray and coin flips show nothing.
    assert marks.gates[FOLLOWS].holds == (tasks.task(name) is ROW)
    metrics = marks.metrics
    assert metrics["masked_mse"].value == metrics["masked_mse_corrupted"].value


def test_the_share_of_the_noise_that_is_left_is_measured(context):
    case = ROW.asked(context)
    _, altered = ROW._probed(context)
    shown, originals = (
        np.concatenate([getattr(own, name) for own in (case, altered)]) for name in ("shown", "originals")
    )
    truth = dict(zip(map(bytes, shown), originals, strict=True))

    def half_way(images, mask):
        return np.stack([0.5 * image + 0.5 * truth[bytes(image)] for image in images])

    marks, _ = marked(ROW, context, half_way)
    assert evidence(marks, "copies-input").value == pytest.approx(0.5, abs=1e-4)
    assert "50% of the noise" in evidence(marks, "copies-input").message
    assert flags(marks) == set()


@pytest.mark.parametrize("name", NAMES)
def test_altered_known_pixels_are_named_and_both_scores_are_given(context, name):
    task = tasks.task(name)

    def alters(images, mask):
        out = paste(0.3)(images, mask)
        out[np.nonzero(~mask)] += np.float32(0.02)
        return out

    marks, _ = marked(task, context, alters)
    n = marks.metrics["mse"].n
    assert flags(marks) == {"known-pixels"}
    assert not marks.gates[FOLLOWS].holds
    assert f"in {n} of {n} images, by up to 0.02" in evidence(marks, "known-pixels").message
    honest, _ = marked(task, context, paste(0.3))
    known = (~task.asked(context).mask[0]).mean()
    assert marks.metrics["mse_clamped"].value == pytest.approx(honest.metrics["mse"].value, rel=1e-6)
    expected = honest.metrics["mse"].value + known * 0.02**2
    assert marks.metrics["mse"].value == pytest.approx(expected, rel=1e-3)
    assert marks.metrics["masked_mse"].value == pytest.approx(honest.metrics["masked_mse"].value, rel=1e-6)
    assert "mse_clamped" not in honest.metrics


def test_rounding_of_known_pixels_is_no_alteration(context):
    signed_and_back = lambda images, mask: paste(0.3)((images * 2 - 1 + 1) / 2, mask)  # noqa: E731
    marks, _ = marked(ROW, context, signed_and_back)
    assert flags(marks) == set()


@pytest.mark.parametrize("name", NAMES)
def test_values_in_minus_one_to_one_are_named_not_rescaled(context, name):
    task = tasks.task(name)
    marks, notes = marked(task, context, lambda images, mask: 2 * paste(0.1)(images, mask) - 1)
    assert {"value-range", "known-pixels"} <= flags(marks)
    assert "[-1, 1]" in evidence(marks, "value-range").message
    assert "(x + 1) / 2" in evidence(marks, "value-range").message
    assert notes == []
    case = task.asked(context)
    wrong = ((-0.8 - case.originals[case.mask].astype(np.float64)) ** 2).mean()
    assert marks.metrics["masked_mse"].value == pytest.approx(wrong, rel=1e-5)


def test_a_hole_in_minus_one_to_one_among_right_pixels_is_named(context):
    case = PATCH.asked(context)
    ridge = PATCH.baselines["ridge"].answer(context, PATCH.questions(context, entry_of(PATCH)))
    answers = [
        {"images": np.where(question.inputs["mask"], 2 * answer["images"] - 1, answer["images"]).astype(np.float32)}
        for question, answer in zip(PATCH.questions(context, entry_of(PATCH)), ridge, strict=True)
    ]
    marks, _ = PATCH.mark(context, entry_of(PATCH), answers)
    assert (case.mask.sum(axis=(1, 2, 3)) == 36).all()
    assert "value-range" in flags(marks)
    assert "known-pixels" not in flags(marks)


def test_the_option_maps_the_answers_of_code_and_says_so(context):
    entry = entry_of(PATCH, Kind.CODE, value_range="-1,1")
    signed = lambda images, mask: 2 * paste(0.25)(images, mask) - 1  # noqa: E731
    marks, notes = marked(PATCH, context, signed, entry)
    plain, _ = marked(PATCH, context, paste(0.25))
    assert flags(marks) == flags(plain) == set()
    assert marks.gates == plain.gates
    assert marks.metrics["masked_mse"].value == pytest.approx(plain.metrics["masked_mse"].value, rel=1e-6)
    assert notes == ["The answers were mapped from [-1, 1] to [0, 1], as the option value_range says."]
    weights, none = marked(PATCH, context, signed, entry_of(PATCH, value_range="-1,1"))
    assert "value-range" in flags(weights)
    assert none == []


@pytest.mark.parametrize(("scale", "said"), [(255, "0 to 255"), (30, "far outside")])
def test_other_ranges_are_named(context, scale, said):
    marks, _ = marked(HALF, context, lambda images, mask: scale * paste(0.2)(images, mask))
    assert said in evidence(marks, "value-range").message
    assert "value-range" in flags(marks)


def test_a_slight_overshoot_is_told_and_scored_as_it_is(context):
    marks, _ = marked(ROW, context, paste(-0.05))
    said = evidence(marks, "value-range")
    assert not said.flag
    assert said.value == pytest.approx(0.5)
    assert "50.00% of them outside" in said.message
    case = ROW.asked(context)
    error = ((case.originals[case.mask].astype(np.float64) + 0.05) ** 2).mean()
    assert marks.metrics["masked_mse"].value == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_depends_on_its_neighbours_is_named(context, name):
    def normalises(images, mask):
        return np.where(mask, images.mean(axis=0, keepdims=True) * 0.5, images)

    marks, _ = marked(tasks.task(name), context, normalises)
    assert "batch-dependence" in flags(marks)
    assert "batch norm" in evidence(marks, "batch-dependence").message


@pytest.mark.parametrize("name", NAMES)
def test_a_step_that_shrinks_with_the_batch_is_named(context, name):
    def averages(images, mask):
        return np.where(mask, np.float32(2.0 / len(images)), images)

    marks, _ = marked(tasks.task(name), context, averages)
    assert "batch-dependence" in flags(marks)
    assert "size of the batch" in evidence(marks, "batch-dependence").message


@pytest.mark.parametrize("name", NAMES)
def test_noise_of_the_models_own_is_told_but_no_fault(context, name):
    # The worker sets the global seed before each question; within one, later batches draw other noise.
    def langevin(seed):
        generator = np.random.default_rng(seed)

        def inpaint(images, mask):
            steps = sum(0.05 * generator.standard_normal(images.shape) for _ in range(2))
            return np.where(mask, 0.4 + steps, images)

        return inpaint

    task, entry = tasks.task(name), entry_of(tasks.task(name))
    answers = []
    for question in task.questions(context, entry):
        inpaint = langevin(0)
        images, mask, step = question.inputs["images"], question.inputs["mask"], question.batch
        parts = [inpaint(images[i : i + step], mask[i : i + step]) for i in range(0, len(images), step)]
        answers.append({"images": np.concatenate(parts).astype(np.float32)})
    marks, _ = task.mark(context, entry, answers)
    assert flags(marks) == set()
    said = evidence(marks, "batch-dependence").message
    assert "noise of the model's own" in said


# Baselines.


def test_every_baseline_answers_every_question_and_keeps_known_pixels(context):
    for task in (PATCH, ROW, HALF):
        assert isinstance(task, Inpainting)
        questions = task.questions(context, entry_of(task))
        assert len(task.baselines) >= 4
        for name, baseline in task.baselines.items():
            answers = baseline.answer(context, questions)
            for question, answer in zip(questions, answers, strict=True):
                images, mask = question.inputs["images"], question.inputs["mask"]
                assert answer["images"].dtype == np.float32
                assert np.array_equal(answer["images"][~mask], images[~mask]), (task.name, name)
            marks, _ = task.mark(context, entry_of(task, Kind.BASELINE), answers)
            expected = {"copies-input"} if name in {"gray", "noisy", "coin-flips"} else set()
            expected |= {"same-for-all"} if name == "mean-image" else set()
            assert flags(marks) == expected, (task.name, name)
            alike = name in {"gray", "black", "mean-image", "coin-flips"}
            assert marks.gates[FOLLOWS].holds != alike, (task.name, name)


def test_patch_ridge_is_the_regression_on_the_known_pixels(context):
    question = PATCH.questions(context, entry_of(PATCH))[0]
    answer = PATCH.baselines["ridge"].answer(context, [question])[0]["images"]
    training = context.data.train.images[100:].reshape(-1, 784).astype(np.float64)
    mean = training.mean(axis=0)
    for row in (0, 77, 499):
        missing = question.inputs["mask"][row].reshape(784)
        known = training[:, ~missing] - mean[~missing]
        # Least squares with a penalty, written out: (X'X + n λ I)⁻¹ X'y.
        gram = known.T @ known + len(known) * 1e-3 * np.eye(known.shape[1])
        weights = np.linalg.solve(gram, known.T @ (training[:, missing] - mean[missing]))
        shown = question.inputs["images"][row].reshape(784)[~missing]
        expected = ((shown - mean[~missing]) @ weights + mean[missing]).clip(0, 1)
        assert answer[row].reshape(784)[missing] == pytest.approx(expected, abs=1e-4)


def test_the_nearest_image_is_nearest_by_its_known_half(context):
    question = HALF.questions(context, entry_of(HALF))[0]
    answer = HALF.baselines["nearest-image"].answer(context, [question])[0]["images"]
    training = context.data.train.images[100:]
    for row in range(20):
        distances = [((image[:, :14] - question.inputs["images"][row, :, :14]) ** 2).sum() for image in training]
        assert np.array_equal(answer[row, :, 14:], training[int(np.argmin(distances)), :, 14:])


def test_rows_are_interpolated_from_both_neighbours():
    images = np.arange(28, dtype=np.float32)[None, None, :, None] ** 2 * np.ones((1, 1, 28, 28), np.float32)
    filled = between_rows(images)
    assert filled[0, 0, 0, 0] == 1
    assert filled[0, 0, 2, 0] == (1 + 9) / 2
    assert filled[0, 0, 26, 5] == (25**2 + 27**2) / 2
    assert np.array_equal(filled[:, :, 1::2], images[:, :, 1::2])


FLOORS = {
    # task, baseline, metric: value, how far below and above it a draw of the seed may lie
    ("patch-inpainting", "gray", "masked_mse_coursework"): (0.796, 0.002, 0.002),
    ("patch-inpainting", "black", "masked_mse_coursework"): (1.378, 0.008, 0.008),
    ("patch-inpainting", "mean-image", "masked_mse_coursework"): (0.723, 0.003, 0.003),
    ("row-inpainting", "noisy", "mse"): (0.02335, 0.0001, 0.00004),
    ("row-inpainting", "noisy", "mse_std"): (0.0025, 0.00005, 0.00005),
    ("row-inpainting", "neighbour-rows", "mse"): (0.00686, 0.000005, 0.000005),
    ("row-inpainting", "blended-rows", "mse"): (0.00628, 0.00002, 0.00002),
    ("row-inpainting", "ridge", "mse"): (0.00295, 0.00001, 0.000015),
    # These were measured on the starter's own question, the first 100 training images.
    ("half-inpainting", "coin-flips", "masked_mse_training"): (0.4808, 0.005, 0.005),
    ("half-inpainting", "black", "masked_mse_training"): (0.1110, 0.00005, 0.00005),
    ("half-inpainting", "mean-image", "masked_mse_training"): (0.0683, 0.00005, 0.00005),
    ("half-inpainting", "nearest-image", "masked_mse_training"): (0.0617, 0.0025, 0.0001),
    ("half-inpainting", "ridge", "masked_mse_training"): (0.0421, 0.0004, 0.00005),
    # On the first 100 test images, which rank.
    ("half-inpainting", "black", "masked_mse"): (0.1081, 0.00005, 0.00005),
    ("half-inpainting", "mean-image", "masked_mse"): (0.0672, 0.00005, 0.00005),
    ("half-inpainting", "nearest-image", "masked_mse"): (0.0588, 0.00005, 0.00005),
    ("half-inpainting", "ridge", "masked_mse"): (0.0433, 0.00005, 0.00005),
}


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_baselines_reach_the_floors_on_mnist(name):
    context = Context(mnist_digits(), CountsInk(), seed=0)
    task = tasks.task(name)
    entry = entry_of(task, Kind.BASELINE)
    for baseline in dict.fromkeys(b for t, b, _ in FLOORS if t == name):
        answers = task.baselines[baseline].answer(context, task.questions(context, entry))
        marks, _ = task.mark(context, entry, answers)
        for (own, which, metric), (value, below, above) in FLOORS.items():
            if (own, which) == (name, baseline):
                found = marks.metrics[metric].value
                assert value - below <= found <= value + above, (baseline, metric, found)
