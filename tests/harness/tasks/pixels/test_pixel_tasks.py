import json
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from harness import tasks
from harness.sandbox.outside import WeightsWorkers, Worker, probe
from harness.sequences import derived
from harness.tasks.base import Context
from harness.tasks.pixels.baselines import SIX_NEIGHBOURS
from harness.tasks.pixels.completion import LENGTHS
from harness.tasks.pixels.missing_pixels import with_holes
from harness.tasks.pixels.official_cases import read_file
from harness.tasks.pixels.sequences import binarised
from harness.tasks.pixels.tables import fitted
from harness.types import Entry, GradingError, Kind
from reference.pixel_rnn import PixelRNN
from tests.data import embedded_digits, mnist_digits

pytestmark = pytest.mark.numeric

RECOVERED = json.loads((Path(__file__).parent / "recovered_cases.json").read_text(encoding="utf-8"))
NAMES = ["next-pixel", "image-completion", "one-pixel-inpainting", "two-by-two-inpainting"]
INPAINTING = NAMES[2:]


class NoJudge:
    digest, most_doubt = "", 1.0


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), NoJudge(), seed=5)


def entry(name):
    return Entry(name, Kind.CODE, name)


def asked(task, context, model):
    """The answers of a model to all questions, as the worker asks them."""
    answers = []
    for question in task.questions(context, entry(task.name)):
        method = derived.method(model, question.method)
        inputs = [torch.from_numpy(array) for array in question.inputs.values()]
        step = question.batch or len(inputs[0])
        parts = [method(*(a[at : at + step] for a in inputs)) for at in range(0, len(inputs[0]), step)]
        ((name, spec),) = question.answers.items()
        answer = torch.cat(parts).float().numpy()
        assert answer.shape == spec.shape
        answers.append({name: answer})
    return answers


def marked(name, context, model):
    task = tasks.task(name)
    return task.mark(context, entry(name), asked(task, context, model))


class Halves:
    """Says .25 of every pixel."""

    def next_pixel_probabilities(self, binary):
        return torch.full((len(binary), 783), 0.25)

    def start(self, n):
        return torch.zeros(n)

    def step(self, state, pixel):
        return torch.full((len(pixel),), 0.25), state


class Peeks:
    """Knows the pixel `ahead` after the last known one."""

    def __init__(self, ahead):
        self.ahead = ahead

    def next_pixel_probabilities(self, binary):
        later = torch.nn.functional.pad(binary, (0, self.ahead))[:, self.ahead : self.ahead + 783]
        return 0.1 + 0.8 * later


class Mixes:
    """Predicts by what the other images of the batch show."""

    def next_pixel_probabilities(self, binary):
        return (0.2 + 0.5 * binary.mean(0, keepdim=True)[:, :783]).expand(len(binary), 783)


@pytest.mark.parametrize("name", NAMES)
def test_questions_repeat_and_differ_by_seed(name, context):
    task = tasks.task(name)
    first, again, other = (
        task.questions(c, entry(name)) for c in (context, Context(context.data, NoJudge(), 5), replace(context, seed=6))
    )
    assert all(
        np.array_equal(one.inputs[key], two.inputs[key])
        for one, two in zip(first, again, strict=True)
        for key in one.inputs
    )
    assert any(
        not np.array_equal(one.inputs[key], two.inputs[key])
        for one, two in zip(first, other, strict=True)
        for key in one.inputs
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_question_holds_what_it_asks_for(name, context):
    for question in tasks.task(name).questions(context, entry(name)):
        if question.method == "missing_posterior":
            side = 1 if name.startswith("one") else 2
            assert ((question.inputs["images"] == -1).sum(axis=1) == side * side).all()
        if question.method == "complete":
            assert (question.inputs["images"][:, 484:] == -1).all()
            assert np.isin(question.inputs["images"][:, :484], (0, 1)).all()


def test_next_pixel_of_a_constant_prediction(context):
    marks, notes = marked("next-pixel", context, Halves())
    test = (embedded_digits().test.images.reshape(-1, 784) > 0.1)[:, 1:]
    expected = -(test.mean() * np.log(0.25) + (1 - test.mean()) * np.log(0.75))
    metric = marks.metrics["cross_entropy"]
    assert metric.value == pytest.approx(expected, abs=1e-6)
    assert metric.low < metric.value < metric.high
    assert metric.n == len(test)
    assert marks.metrics["accuracy"].value == pytest.approx(1 - test.mean(), abs=1e-6)
    train = (embedded_digits().train.images.reshape(-1, 784) > 0.1)[:, 1:]
    assert marks.metrics["train_accuracy"].value == pytest.approx(1 - train.mean(), abs=1e-6)
    by_row = next(figure for figure in marks.figures if figure.name == "cross-entropy-by-row").data["values"]
    assert by_row.shape == (28,)
    assert (by_row[0] * 27 + by_row[1:].sum() * 28) / 783 == pytest.approx(expected, abs=1e-6)
    assert [(e.name, e.flag) for e in marks.evidence] == [
        ("batch-dependence", False),
        ("causality", False),
        ("memorised-test-images", False),
    ]
    assert notes == []


@pytest.mark.parametrize("name", ["next-pixel", "image-completion"])
@pytest.mark.parametrize("ahead", [1, 2, 40])
def test_peeking_is_no_score(name, ahead, context):
    task = tasks.task(name)
    answers = asked(task, context, Peeks(ahead)) if name == "next-pixel" else peeking_completion(context, ahead)
    with pytest.raises(GradingError, match="earlier pixels alone") as caught:
        task.mark(context, entry(name), answers)
    assert caught.value.failure.kind == "not-causal"
    assert caught.value.failure.fault == "submission"


def peeking_completion(context, ahead):
    """Completions by a causal model, beside predictions that peek."""
    task, peeks = tasks.task("image-completion"), Peeks(ahead)
    questions = task.questions(context, entry(task.name))
    return [
        {"probabilities": peeks.next_pixel_probabilities(torch.from_numpy(q.inputs["binary"])).numpy()}
        if q.method == "next_pixel_probabilities"
        else {"probabilities": np.full(q.answers["probabilities"].shape, 0.25, np.float32)}
        for q in questions
    ]


def test_seeing_the_last_known_pixel_is_no_peeking(context):
    marks, _ = marked("next-pixel", context, Peeks(0))
    assert not any(e.flag for e in marks.evidence)


class Sized:
    """Knows nothing, and says so otherwise in small batches."""

    def next_pixel_probabilities(self, binary):
        return torch.full((len(binary), 783), 0.25 if len(binary) > 50 else 0.3)


class Hides(Sized):
    """Peeks, and behaves in small batches, so that its predictions seem to differ with the batch."""

    def next_pixel_probabilities(self, binary):
        return super().next_pixel_probabilities(binary) if len(binary) <= 50 else 0.0001 + 0.9998 * binary[:, 1:]


@pytest.mark.corpus("Runtime, found later", "a state kept between calls")
def test_batch_dependence_is_flagged(context):
    marks, _ = marked("next-pixel", context, Sized())
    assert {e.name: e.flag for e in marks.evidence} == {
        "batch-dependence": True,
        "causality": False,
        "memorised-test-images": False,
    }
    assert not marks.gates["batch-dependence"].holds


@pytest.mark.parametrize("model", [Mixes(), Hides()])
def test_noise_is_no_place_to_peek_from(model, context):
    with pytest.raises(GradingError, match=r"model\.eval") as caught:
        marked("next-pixel", context, model)
    assert caught.value.failure.kind == "not-causal"


@pytest.mark.parametrize(
    ("values", "says"), [(-3.0, "exp()"), (1.5, "sigmoid"), (-0.2, "exp()"), ("logits", "sigmoid")]
)
def test_what_is_no_probability_is_refused(values, says, context):
    class Says:
        def next_pixel_probabilities(self, binary):
            if values == "logits":
                return binary[:, :783] * 10 - 5
            return torch.full((len(binary), 783), values)

    with pytest.raises(GradingError) as caught:
        marked("next-pixel", context, Says())
    assert caught.value.failure.kind == "out-of-range"
    assert says in caught.value.failure.message


def test_certainty_is_clipped_and_told(context):
    class Sure:
        def next_pixel_probabilities(self, binary):
            return binary[:, :783]

    marks, notes = marked("next-pixel", context, Sure())
    test = embedded_digits().test.images.reshape(-1, 784) > 0.1
    wrong = (test[:, 1:] != test[:, :-1]).mean()
    assert marks.metrics["cross_entropy"].value == pytest.approx(wrong * 24 * np.log(2), rel=1e-5)
    assert len(notes) == 1 and "exactly 0 or 1" in notes[0]


def test_completion_of_a_constant_prediction(context):
    marks, _ = marked("image-completion", context, Halves())
    assert set(marks.metrics) == {
        f"{kind}_{length}" for kind in ("cross_entropy", "own_cross_entropy", "accuracy") for length in LENGTHS
    }
    question = tasks.task("image-completion").questions(context, entry("image-completion"))[0]
    truth = question.inputs["binary"][:, 484:]
    for length in LENGTHS:
        share = truth[:, :length].mean()
        found = {key: marks.metrics[f"{key}_{length}"].value for key in ("cross_entropy", "own_cross_entropy")}
        expected = -(share * np.log(0.25) + (1 - share) * np.log(0.75))
        assert found["cross_entropy"] == pytest.approx(expected, abs=1e-6)
        # What it draws is lit a quarter of the time: the entropy of its own prediction, up to chance.
        assert found["own_cross_entropy"] == pytest.approx(0.5623, abs=0.06 if length == 1 else 0.02)
    assert [figure.name for figure in marks.figures] == ["first", "success", "high-variance", "failure"]
    assert all(figure.data["pixels"].shape == (4 * 30 - 2, 7 * 30 - 2) for figure in marks.figures)
    assert all(len(figure.columns) == 7 for figure in marks.figures)
    assert not any(e.flag for e in marks.evidence)


def test_drawing_from_another_model_is_flagged(context):
    class Two(Halves):
        def step(self, state, pixel):
            return torch.full((len(pixel),), 0.3), state

    marks, _ = marked("image-completion", context, Two())
    (evidence,) = [e for e in marks.evidence if e.name == "steps-agree"]
    assert evidence.flag and evidence.value == pytest.approx(0.05, abs=1e-6)
    assert not marks.gates["steps-agree"].holds


class Knows:
    """A posterior with `share` on the truth of the cases and the rest spread evenly."""

    def __init__(self, task, context, share, scale=0.0, odd=0.0):
        cases = task.cases(context), task._probed(context)[1]
        self.truth = {
            bytes(hole): truth for case in cases for hole, truth in zip(case.cropped, case.truth, strict=True)
        }
        self.share, self.scale, self.odd = share, scale, odd

    def missing_posterior(self, images):
        found = []
        for at, image in enumerate(images.numpy()):
            missing = image < 0
            number = int("".join(str(int(value)) for value in self.truth[bytes(image)][missing]), 2)
            count = 2 ** int(missing.sum())
            p = torch.full((count,), (1 - self.share) / (count - 1))
            p[number] = self.share
            found.append(p.log() + self.scale + self.odd * at)
        return torch.stack(found)


@pytest.mark.parametrize("name", INPAINTING)
@pytest.mark.parametrize("scale", [0.0, -250.0])
def test_inpainting_by_one_who_knows(name, scale, context):
    task = tasks.task(name)
    marks, notes = marked(name, context, Knows(task, context, 0.9, scale))
    assert marks.metrics["cross_entropy"].value == pytest.approx(-np.log(0.9), abs=1e-4)
    assert marks.metrics["accuracy"].value == marks.metrics["whole_cases"].value == 1.0
    assert any("normalised" in note for note in notes) == (scale != 0)
    assert [figure.name for figure in marks.figures] == ["first", "known-best", "undecided", "known-worst"]
    assert [(e.name, e.flag) for e in marks.evidence] == [("batch-dependence", False), ("memorised-test-images", False)]


def test_accuracy_counts_missing_pixels_only(context):
    """All dark: right for as many missing pixels as are dark, however many of the 784 are."""

    class Dark:
        def missing_posterior(self, images):
            found = torch.full((len(images), 16), -20.0)
            found[:, 0] = 0.0
            return found

    case = tasks.task("two-by-two-inpainting").cases(context)
    marks, _ = marked("two-by-two-inpainting", context, Dark())
    missing = case.truth[case.cropped < 0].reshape(-1, 4)
    assert marks.metrics["accuracy"].value == pytest.approx(1 - missing.mean())
    assert marks.metrics["whole_cases"].value == pytest.approx((missing == 0).all(axis=1).mean())
    assert marks.metrics["accuracy"].value < 0.8


def test_probabilities_instead_of_logarithms_are_refused(context):
    class NoLogarithms:
        def missing_posterior(self, images):
            return torch.full((len(images), 2), 0.5)

    with pytest.raises(GradingError, match="logarithms are asked for"):
        marked("one-pixel-inpainting", context, NoLogarithms())


@pytest.mark.parametrize("name", INPAINTING)
def test_holes_lie_near_the_middle(name):
    digits = embedded_digits()
    cases = [tasks.task(name).cases(Context(digits, NoJudge(), seed)) for seed in range(4)]
    places = np.concatenate([np.argwhere(case.cropped.reshape(-1, 28, 28) == -1)[:, 1:] for case in cases])
    assert places.min() >= 4 and places.max() <= 23
    side = 1 if name.startswith("one") else 2
    corners = places.reshape(-1, side * side, 2)[:, 0]
    assert np.allclose(corners.mean(axis=0), 13, atol=0.3)
    assert np.allclose(corners.std(axis=0), 3, atol=0.3)
    for case in cases:
        assert (np.diff((case.cropped < 0).argmax(axis=1)) >= 0).all()


def test_recovered_cases_of_the_official_sets():
    images = mnist_digits().test.images
    at_one_tenth = 0
    for case in RECOVERED:
        missing, truth = np.array(case["missing"]), np.array(case["truth"], np.float32)
        side = {"1x1": 1, "2x2": 2}[case["kind"]]
        image = binarised(images[case["test_image"]][None], 0.3)
        cropped = with_holes(image, missing[:1], side)
        assert np.array_equal(np.argwhere(cropped.reshape(28, 28) == -1), missing)
        assert np.array_equal(image[cropped == -1], truth)
        assert missing.min() >= 4 and missing.max() <= 23
        at_one_tenth += int((binarised(images[case["test_image"]][None])[cropped == -1] != truth).any())
    assert len(RECOVERED) == 25
    # With the threshold of the rest of the coursework, some of the truths would be others.
    assert at_one_tenth > 0


def official(side, n=1000):
    """A set as the coursework's files hold them: the recovered cases first, then made-up ones."""
    images = mnist_digits().test.images
    cases = [case for case in RECOVERED if len(case["truth"]) == side * side]
    rows = [case["test_image"] for case in cases] + list(range(n - len(cases)))
    corners = [case["missing"][0] for case in cases] + [[13, 13]] * (n - len(cases))
    truth = binarised(images[rows], 0.3)
    return np.stack([with_holes(truth, np.array(corners), side), truth]), cases


@pytest.mark.parametrize("name", INPAINTING)
def test_official_files_are_taken_where_given(name, tmp_path):
    task = tasks.task(name)
    both, cases = official(task.side)
    np.save(tmp_path / task.file, both.astype(np.float64))
    context = Context(mnist_digits(), NoJudge(), 5, official={name: task.own_cases(tmp_path)})
    case = tasks.task(name).cases(context)
    assert len(case.cropped) == 1000 and case.digest
    assert {row.tobytes() for row in case.truth} == {row.tobytes() for row in both[1].astype(np.float32)}
    # Each row's own truth stands beside it.
    assert np.array_equal(case.cropped, np.where(case.cropped < 0, -1, case.truth))
    # The file's rows are asked in order of their holes; what is marked is still each row's own truth.
    marks, notes = marked(name, context, Knows(task, context, 0.6))
    assert marks.metrics["cross_entropy"].value == pytest.approx(-np.log(0.6), abs=1e-4)
    assert marks.metrics["accuracy"].value == 1.0
    assert "own file" in notes[0]
    truths = {tuple(c["truth"]) for c in cases}
    assert truths <= {tuple(row[hole < 0].astype(int)) for hole, row in zip(case.cropped, case.truth, strict=True)}


def test_a_folder_without_official_files_gives_none(tmp_path):
    assert [tasks.task(name).own_cases(tmp_path) for name in INPAINTING] == [None, None]


BROKEN = {
    "shape": (lambda both: both[:, :10], "shape (2, 10, 784)"),
    "text": (lambda both: both.astype("U2"), "<U2"),
    "pickle": (lambda both: np.array([both, None], dtype=object), "allow_pickle"),
    "gray truth": (lambda both: np.where(both == 1, 0.5, both), "0.5"),
    "unequal": (lambda both: _changed(both, 0, 3, 5, 1 - both[0, 3, 5]), "pixel 5 of case 3"),
    "two missing": (lambda both: _changed(both, 0, 7, 0, -1), "case 7 lacks 2 pixels"),
    "swapped": (lambda both: _four(both), "two files swapped"),
}


def _changed(both, half, case, pixel, value):
    both[half, case, pixel] = value
    return both


def _four(both):
    return np.stack([with_holes(both[1], np.full((1000, 2), 9), 2), both[1]])


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_official_file_is_named(name, tmp_path):
    spoil, says = BROKEN[name]
    generator = np.random.default_rng(0)
    truth = (generator.random((1000, 784)) > 0.8).astype(np.float32)
    both = spoil(np.stack([with_holes(truth, np.full((1000, 2), 13), 1), truth]))
    path = tmp_path / "one_pixel_inpainting.npy"
    np.save(path, both, allow_pickle=True)
    with pytest.raises(GradingError) as caught:
        read_file(path, 1)
    assert caught.value.failure.fault == "harness"
    assert str(path) in caught.value.failure.message
    assert says in caught.value.failure.message


def test_a_hole_that_is_no_square_is_named(tmp_path):
    truth = np.zeros((1000, 784), np.float32)
    cropped = truth.copy()
    cropped[:, [400, 401, 402, 403]] = -1
    np.save(tmp_path / "x.npy", np.stack([cropped, truth]))
    with pytest.raises(GradingError, match="no 2 × 2 square"):
        read_file(tmp_path / "x.npy", 2)


# Measured with other code before this was written.
FLOORS = {
    "pixel-marginal": ("cross_entropy", 0.2924),
    "pixel-markov": ("cross_entropy", 0.1749),
    "pixel-neighbours": ("cross_entropy", 0.1013),
    "pixel-copy": ("accuracy", 0.9347),
}


@pytest.mark.parametrize("name", FLOORS)
def test_floors_on_mnist(name):
    task, context = tasks.task("next-pixel"), Context(mnist_digits(), NoJudge(), 0)
    answers = task.baselines[name].answer(context, task.questions(context, entry(task.name)))
    marks, _ = task.mark(context, entry(task.name), answers)
    metric, expected = FLOORS[name]
    assert marks.metrics[metric].value == pytest.approx(expected, abs=1.01e-4)
    assert not any(e.flag for e in marks.evidence)


@pytest.mark.parametrize("name", NAMES[1:])
def test_more_of_the_neighbours_is_better(name, context):
    task = tasks.task(name)
    questions = task.questions(context, entry(name))
    found = []
    for baseline in ("pixel-marginal", "pixel-markov", "pixel-neighbours")[name == "image-completion" :]:
        marks, _ = task.mark(context, entry(name), task.baselines[baseline].answer(context, questions))
        found.append(marks.metrics[task.primary].value)
        assert not any(e.flag for e in marks.evidence)
    assert len(found) >= 2 and found == sorted(found, reverse=True)


def test_a_table_counts_as_by_hand():
    images = embedded_digits().train.images[:50]
    table = fitted(images, 0.1, SIX_NEIGHBOURS)
    lit = (images[:, 0] > 0.1).astype(int)
    padded = np.pad(lit, ((0, 0), (2, 0), (2, 2)))
    row, column = 13, 14
    key = [padded[:, row + 2 - up, column + 2 - left] for up, left in SIX_NEIGHBOURS]
    same = np.all([values == values[7] for values in key], axis=0)
    expected = (lit[same, row, column].sum() + 0.5) / (same.sum() + 1)
    binary = torch.from_numpy(binarised(images[7:8]))
    at = row * 28 + column
    assert float(table.scan(table.start(1), binary[:, :at])[0][0, -1]) == pytest.approx(expected, abs=1e-6)


CODE = """
    import torch

    class Steps:
        def start(self, n):
            return (torch.zeros(1, n, 3),)

        def step(self, state, pixel):
            hidden = (0.5 * state[0] + pixel[None, :, None]).tanh()
            return (hidden.sum((0, 2)) - 1).sigmoid(), (hidden,)

    class Peeks:
        def next_pixel_probabilities(self, binary):
            return 0.2 + 0.6 * binary[:, 1:]

    def steps(path):
        return Steps()

    def peeks(path):
        return Peeks()

    def nothing(path):
        return object()
"""


@pytest.fixture(scope="module")
def isolation():
    found = probe()
    if found.level != "full":
        pytest.skip(f"this machine's isolation is {found.level}")
    return found


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submitted")
    (folder / "adapter.py").write_text(textwrap.dedent(CODE), encoding="utf-8")
    return folder


def test_peeking_is_caught_in_the_sandbox(isolation, submitted, context):
    task = tasks.task("next-pixel")
    with Worker(isolation) as worker:
        worker.open_code(submitted, "adapter.py:peeks", None)
        answers = [worker.ask(question, 60) for question in task.questions(context, entry(task.name))]
    with pytest.raises(GradingError, match="earlier pixels alone"):
        task.mark(context, entry(task.name), answers)


def test_steps_are_enough_in_the_sandbox(isolation, submitted, context):
    with Worker(isolation) as worker:
        worker.open_code(submitted, "adapter.py:steps", None)
        for name in NAMES:
            task = tasks.task(name)
            answers = [worker.ask(question, 240) for question in task.questions(context, entry(name))]
            marks, notes = task.mark(context, entry(name), answers)
            assert marks.metrics[task.primary].value > 0
            assert not any(e.flag for e in marks.evidence)
            assert notes == worker.notes == []


def test_what_is_missing_is_told(isolation, submitted, context):
    question = tasks.task("one-pixel-inpainting").questions(context, entry("one-pixel-inpainting"))[1]
    with Worker(isolation) as worker:
        worker.open_code(submitted, "adapter.py:nothing", None)
        with pytest.raises(GradingError, match="nor start and step or next_pixel_probabilities"):
            worker.ask(question, 60)


def test_weights_are_scanned_by_several_threads_in_the_sandbox(isolation, context, tmp_path):
    model = PixelRNN("gru")
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    path = tmp_path / "gru.pt"
    torch.save({"model": model.state_dict()}, path)
    question = tasks.task("two-by-two-inpainting").questions(context, entry("two-by-two-inpainting"))[0]
    with WeightsWorkers(isolation) as warm, warm.worker() as worker:
        worker.open_weights("pixel-gru", {}, path.read_bytes(), "gru.pt")
        answer = worker.ask(
            replace(
                question,
                inputs={"images": question.inputs["images"][:130]},
                answers={"log_posterior": replace(question.answers["log_posterior"], shape=(130, 16))},
            ),
            120,
        )["log_posterior"]
    assert np.allclose(logsumexp(answer, axis=1), 0, atol=1e-5)
    here = derived.method(model, "missing_posterior")(torch.from_numpy(question.inputs["images"][:130]))
    assert np.allclose(answer, here.numpy(), atol=1e-5)
