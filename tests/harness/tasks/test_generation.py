"""The task generation on small digits: questions, marks, evidence, floors, and the option that measures all."""

from dataclasses import replace

import numpy as np
import pytest

from harness import tasks
from harness.metrics.frechet import frechet_distance, moments
from harness.tasks.base import Context, hidden_rows
from harness.tasks.generation import NOISE, REPEATED
from harness.tasks.samples import ceilings, marking
from harness.tasks.samples.floors import Floors, measured, splits
from harness.tasks.samples.quality import MEASURES, VERSION
from harness.tasks.samples.real import SAMPLES
from harness.types import Entry, GradingError, Kind
from tests.data import embedded_digits
from tests.judges import ReadsFirstRow

pytestmark = pytest.mark.numeric

TASK = tasks.task("generation")
WEIGHTS = Entry("generation", Kind.WEIGHTS, "dcgan", "dcgan", "best.pt")
CODE = Entry("generation", Kind.CODE, "dcgan", code="model.py:load")
OUTPUTS = Entry("generation", Kind.OUTPUTS, "dcgan", None, "samples.npz")


@pytest.fixture(scope="module")
def context():
    return Context(embedded_digits(), ReadsFirstRow(), seed=5)


def pasted(seed=0):
    """Images that are no digit's copies: halves of two training digits beside each other."""
    train = embedded_digits().train.images
    rng = np.random.default_rng(seed)
    left, right = (train[rng.integers(0, len(train), SAMPLES)] for _ in range(2))
    return np.concatenate([left[..., :14], right[..., 14:]], axis=3)


def answered(images, task=TASK):
    """Answers to the questions of a run with seed 5 and no secret one: all samples, then those asked for again."""
    return [{"images": images}, {"images": images[asked_again(task)].copy()}]


def asked_again(task=TASK):
    return hidden_rows(Context(embedded_digits(), ReadsFirstRow(), seed=5), task.name, "again", SAMPLES, REPEATED)


@pytest.fixture(scope="module")
def marks(context):
    return TASK.mark(context, WEIGHTS, answered(pasted()))[0]


def test_questions_ask_for_samples_twice_with_the_same_noise(context):
    first, again, units = TASK.questions(context, WEIGHTS)
    assert (first.method, again.method) == ("generate", "generate_from_noise")
    assert first.inputs["noise"].shape == (SAMPLES, NOISE)
    assert abs(first.inputs["noise"].std() - 1) < 0.01
    assert np.array_equal(again.inputs["noise"], first.inputs["noise"][asked_again()])
    assert again.sitting != first.sitting
    assert len(np.unique(first.inputs["seeds"])) > SAMPLES - 10
    assert again.optional and not first.optional
    assert (units.method, units.optional, units.sitting) == ("hidden_units", True, 1)
    assert [q.method for q in TASK.questions(context, CODE)] == [first.method, again.method]
    other = TASK.questions(replace(context, seed=6), WEIGHTS)[0]
    assert not np.array_equal(first.inputs["noise"], other.inputs["noise"])


def test_the_primary_metric_is_the_distance_from_the_reference_set(context, marks):
    known = marking.references(context)
    assert len(known.rows) == len(context.data.train) // 2
    features = [context.judge.decide(images)[1] for images in (pasted(), context.data.train.images[known.rows])]
    expected = frechet_distance(*(moments(each) for each in features))
    metric = marks.metrics["frechet_judge_distance"]
    assert metric.value == pytest.approx(expected, rel=1e-12)
    assert metric.low < metric.value < metric.high
    assert marks.scores.mean() == pytest.approx(metric.value, rel=1e-9)
    assert set(MEASURES) <= set(marks.metrics)


def test_honest_samples_are_no_copies_and_copies_are_flagged(context, marks):
    assert not any(one.flag for one in marks.evidence)
    for name, split in (("training", context.data.train), ("test", context.data.test)):
        images = np.resize(split.images, (SAMPLES, 1, 28, 28))
        found, _ = TASK.mark(context, WEIGHTS, answered(images))
        flags = {one.name: one.flag for one in found.evidence}
        assert flags[f"copied-{name}"]
        assert not found.gates[f"copied-{name}"].holds
        assert found.metrics["distinct_samples"].value == pytest.approx(len(split), rel=1e-9)
        assert found.metrics[f"nearest_{name}"].value == 0
        assert found.metrics[f"near_copies_{name}"].value == 1


def test_samples_that_change_with_the_batch_are_flagged_and_unanswered_repeats_are_not(context):
    images = pasted()
    other = images[asked_again()].copy()
    other[7, 0, 20, 20] = 1 - other[7, 0, 20, 20]
    found, _ = TASK.mark(context, WEIGHTS, [{"images": images}, {"images": other}])
    assert next(one for one in found.evidence if one.name == "batch-dependence").flag
    found, _ = TASK.mark(context, WEIGHTS, [{"images": images}, {}])
    assert "batch-dependence" not in {one.name for one in found.evidence}


def test_answers_only_files_are_marked_and_ranges_are_named(context, marks):
    found, _ = TASK.mark(context, OUTPUTS, [{"imgs": pasted()}])
    assert found.metrics == marks.metrics
    with pytest.raises(GradingError, match="tanh"):
        TASK.mark(context, OUTPUTS, [{"imgs": pasted() * 2 - 1}])
    mapped = replace(OUTPUTS, options={"value_range": "-1,1"})
    found, notes = TASK.mark(context, mapped, [{"imgs": pasted() * 2 - 1}])
    assert found.metrics["kernel_distance"].value == pytest.approx(marks.metrics["kernel_distance"].value, abs=1e-6)
    assert len(notes) == 1


def test_ceilings_are_gray_values_with_the_training_images_mean():
    train = embedded_digits().train
    drawn = ceilings.gaussian(train, 4_000)
    assert drawn.shape == (4_000, 1, 28, 28) and drawn.dtype == np.float32
    assert drawn.min() == 0 and drawn.max() <= 1
    bright = train.images.mean(axis=0) > 0.3
    # Clipping moves the mean where pixels are dark.
    assert np.abs(drawn.mean(axis=0) - train.images.mean(axis=0))[bright].max() < 0.1
    assert np.array_equal(ceilings.noise(train, 9), ceilings.noise(train, 9))
    assert ceilings.noise(train, 4_000).mean() == pytest.approx(0.5, abs=0.002)


def test_splits_are_consecutive_and_disjoint():
    found = list(splits(60_000))
    assert len(found) == 20
    for block, reference, rest in found:
        assert len(block) == len(reference) == 10_000 and len(rest) == 50_000
        assert set(np.diff(block)) <= {1, -59_999}
        assert not np.intersect1d(block, reference).size
        assert np.isin(reference, rest).all()
    assert len({int(block[0]) for block, _, _ in found}) == 20


@pytest.fixture(scope="module")
def floors(context):
    return measured(context.data, context.judge, samples=600)


def test_floors_hold_what_is_measured_and_survive_their_file(context, floors):
    again = Floors.model_validate_json(floors.model_dump_json(by_alias=True))
    assert again == floors
    assert again.fit(context.judge.digest, context.data.digest)
    assert not again.fit("1" * 64, context.data.digest)
    assert not again.fit(context.judge.digest, "1" * 64)
    assert not again.model_copy(update={"version": VERSION + 1}).fit(context.judge.digest, context.data.digest)
    known = marking.references(context)
    assert again.moments.mean == pytest.approx(known.real.moments.mean, rel=1e-15)
    assert again.moments.factor == pytest.approx(known.real.moments.factor, rel=1e-15)
    assert again.bounds == pytest.approx(known.bounds, rel=1e-15)
    for name, of_real in floors.real.items():
        assert of_real.low <= of_real.mean <= of_real.high
        assert set(floors.ceilings[name]) == {"noise", "pca-samples"}
    assert floors.ceilings["frechet_judge_distance"]["noise"] > 10 * floors.real["frechet_judge_distance"].high


def test_marks_with_floors_are_the_same_and_show_a_table(context, floors, marks):
    found, _ = TASK.mark(Context(context.data, context.judge, 5, floors=floors), WEIGHTS, answered(pasted()))
    assert found.metrics == marks.metrics
    table = next(figure for figure in found.figures if figure.name == "between")
    rows = {row[0]: row[1:] for row in table.data["values"]}
    of_real = floors.real["coverage"]
    assert rows["coverage"][:4] == [marks.metrics["coverage"].value, of_real.low, of_real.mean, of_real.high]
    assert len(table.columns) == 5 + len(ceilings.CEILINGS)
    assert "between" not in {figure.name for figure in marks.figures}


def test_conditional_generation_measures_all_where_it_is_asked_to(context):
    task = tasks.task("conditional-generation")
    entry = Entry(task.name, Kind.WEIGHTS, "cvae", "cvae", "best.pt")
    brief, _ = task.mark(context, entry, answered(pasted(), task))
    full, _ = task.mark(replace(context, full=True), entry, answered(pasted(), task))
    assert "frechet_judge_distance" in brief.metrics and "coverage" not in brief.metrics
    assert set(MEASURES) <= set(full.metrics)
    assert {name: full.metrics[name] for name in brief.metrics} == dict(brief.metrics)
    assert {"copied-training", "copied-test"} <= {one.name for one in full.evidence}
