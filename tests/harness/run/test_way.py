"""Tests of entries with weights and code beside them: the code is asked where weights alone do not tell the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifiers.judge import Judge
from harness.run import run as grading
from harness.run import way
from harness.sandbox.outside import probe
from harness.tasks.base import Context
from harness.types import Kind, Record, Status
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of
from tests.harness.starters.tsinghua import generator_repository

pytestmark = pytest.mark.skipif(probe().level == "minimal", reason="student code needs isolation")


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def graded(context: Context, folder: Path) -> Record:
    run = run_of(context, folder / "results")
    records = grading.grade(collect(folder / "class", folder / "work"), run)
    (record,) = [record for record in records if record.status is not Status.NOT_HANDED_IN]
    return record


@pytest.fixture(scope="module")
def by_weights(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Record:
    folder = tmp_path_factory.mktemp("weights")
    generator_repository.write(folder / "class" / "one", whole=False)
    return graded(context, folder)


def test_a_state_dict_that_fits_is_opened_as_the_architecture(by_weights: Record) -> None:
    assert by_weights.kind == "weights" and by_weights.model == "cvae"
    assert "open" not in by_weights.stage_notes
    assert by_weights.metrics["accuracy"].value > 0.98


def assert_equal_up_to_rounding(record: Record, other: Record) -> None:
    """Code multiplies by torch's own products, weights by oneDNN's, which round in another order."""
    assert record.metrics.keys() == other.metrics.keys()
    for name, metric in record.metrics.items():
        assert metric.value == pytest.approx(other.metrics[name].value, rel=1e-6)


def test_a_whole_module_is_asked_through_its_code(context: Context, by_weights: Record, tmp_path: Path) -> None:
    generator_repository.write(tmp_path / "class" / "one")
    record = graded(context, tmp_path)
    assert (record.kind, record.model) == ("code", None)
    assert_equal_up_to_rounding(record, by_weights)
    assert "whole module" in record.stage_notes["open"][0] and "starter:vae" in record.stage_notes["open"][0]


def test_what_only_the_code_shows_decides_the_answers(context: Context, by_weights: Record, tmp_path: Path) -> None:
    generator_repository.write(
        tmp_path / "class" / "one", joined="torch.relu(joined)", images="self.decode(-latent, label)"
    )
    record = graded(context, tmp_path)
    # N(0, I) is symmetric, so the mirrored noise gives other images of the same quality.
    assert record.digests["answers"] != by_weights.digests["answers"]
    assert record.metrics["accuracy"].value > 0.98


def test_weights_of_other_sizes_are_asked_through_the_code_beside_them(context: Context, tmp_path: Path) -> None:
    generator_repository.write(tmp_path / "class" / "one", whole=False, sizes=", hidden_size=args.hidden")
    record = graded(context, tmp_path)
    assert record.kind == "code" and record.status is Status.SCORED
    assert "does not fit the architecture cvae" in record.stage_notes["open"][0]
    assert any("hidden 64" in note for note in record.notes)


def test_a_module_pickled_in_a_notebook_is_asked_through_the_notebooks_definitions(
    context: Context, by_weights: Record, tmp_path: Path
) -> None:
    generator_repository.write(tmp_path / "class" / "one", notebook=True)
    record = graded(context, tmp_path)
    assert record.kind == "code"
    assert_equal_up_to_rounding(record, by_weights)
    assert any("hw3.ipynb" in note for note in record.notes)


def test_weights_of_a_notebook_are_built_by_its_cells(context: Context, tmp_path: Path) -> None:
    generator_repository.write(
        tmp_path / "class" / "one", whole=False, notebook=True, sizes=", hidden_size=args.hidden"
    )
    record = graded(context, tmp_path)
    assert record.kind == "code" and record.status is Status.SCORED


def test_a_whole_module_whose_code_can_not_be_opened_is_graded_by_its_weights(
    context: Context, by_weights: Record, tmp_path: Path
) -> None:
    root = generator_repository.write(tmp_path / "class" / "one")
    (root / "vae" / "vae.py").write_text("import a_package_that_nobody_has\n", encoding="utf-8")
    record = graded(context, tmp_path)
    assert (record.kind, record.model) == ("weights", "cvae")
    assert record.metrics == by_weights.metrics
    assert "could not be opened" in record.stage_notes["open"][0]


def test_the_decision_is_kept(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator_repository.write(tmp_path / "class" / "one")
    first = graded(context, tmp_path)

    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(way, "decide", refused)
    assert graded(context, tmp_path) == first
    assert first.kind == Kind.CODE.value
