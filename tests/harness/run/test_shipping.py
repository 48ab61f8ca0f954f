"""Tests of the shipped results of baselines and reference models: that none is stale, and how they are renewed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from classifiers.facts import SHIPPED as JUDGE
from classifiers.judge import Judge
from harness import mnist, records
from harness.assignments import coursework
from harness.likeness import answers
from harness.mnist import Digits, Split
from harness.run import beside_results, floors, kept, keys, plan, shipping
from harness.run import run as grading
from harness.run.questions import Questions
from harness.run.settings import Run
from harness.tasks.base import Context
from harness.types import Role
from tests.data import mnist_digits
from tests.harness.run.grading import run_of

NONE = Split(np.zeros((0, 1, 28, 28), np.float32), np.zeros(0, np.int64))
LARGEST = 6 << 20
"""Bytes that all shipped results together may have."""
RENEW = "renew them: gradebench reference records"


def run_for(folder: Path, name: str, context: Context) -> Run:
    return run_of(context, folder / name, name, beside="all")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """A run for each shipped assignment. Keys need no digits: which ones, their digest says."""
    digits = Digits("mnist", mnist.MNIST, "", lambda: (NONE, NONE))
    folder = tmp_path_factory.mktemp("runs")
    judge = Judge.shipped()
    context = Context(digits, judge, 0, floors=floors.read(JUDGE, judge.digest, digits.digest))
    return [run_for(folder, name, context) for name in coursework.shipped()]


def test_no_shipped_result_is_stale(runs: list[Run]) -> None:
    stale = [
        f"{run.assignment.name}: {each.submission.id} · {each.part.id}"
        for run in runs
        for whole in shipping.stale(run)
        for each in whole
    ]
    assert stale == [], RENEW


def test_nothing_else_is_shipped_and_all_of_it_is_small(runs: list[Run]) -> None:
    assert shipping.superfluous(runs) == [], RENEW
    assert sum(path.stat().st_size for path in beside_results.SHIPPED.rglob("*") if path.is_file()) <= LARGEST


def test_a_shipped_result_is_what_asking_gives(tmp_path: Path) -> None:
    context = Context(mnist_digits(), Judge.shipped(), 0)
    run = run_for(tmp_path, "tu-berlin-sheet10", context)
    chosen = [[each for each in whole if each.part.id == "pca"] for whole in plan.beside(run)]
    chosen = [whole for whole in chosen if whole and whole[0].submission.id in ("pca", "ridge")]
    shipped = grading.grade_beside(chosen, run)
    asked = grading.grade_beside(chosen, dataclasses.replace(run, fresh=True, results=tmp_path / "fresh"))
    assert len(shipped) == len(asked) == 2
    for ours, theirs in zip(shipped, asked, strict=True):
        assert ours.timings == {}, RENEW
        assert theirs.timings
        assert ours.metrics.keys() == theirs.metrics.keys()
        for name, metric in ours.metrics.items():
            # As far apart as processors are (CONTRIBUTING.md).
            assert metric.value == pytest.approx(theirs.metrics[name].value, rel=1e-4)
        assert [one.flag for one in ours.evidence] == [one.flag for one in theirs.evidence]
        sketches = (
            kept.load_arrays(r, one)[answers.NAME] for r, one in ((run.results, ours), (tmp_path / "fresh", theirs))
        )
        np.testing.assert_allclose(*sketches, rtol=1e-3, atol=1e-3)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(beside_results, "SHIPPED", tmp_path / "records")
    return tmp_path / "records"


def only(planned: list[plan.Plan], *names: str) -> list[plan.Plan]:
    return [whole for whole in planned if whole[0].submission.id in names]


def test_what_is_renewed_is_current_until_its_key_changes(
    elsewhere: Path, tmp_path: Path, embedded_context: Context
) -> None:
    run = run_for(tmp_path, "tu-berlin-sheet10", embedded_context)
    stale = shipping.stale(run)
    assert len(stale) == len({whole[0].submission.id for whole in stale}) == 8
    # Both parts ask a baseline the same, which is shipped once.
    assert [len(whole) for whole in only(stale, "black")] == [1]
    assert shipping.renew(only(stale, "black", "pca"), run) == []
    assert [whole[0].submission.id for whole in shipping.stale(run)] == [
        whole[0].submission.id for whole in stale if whole[0].submission.id not in ("black", "pca")
    ]
    assert len(shipping.stale(dataclasses.replace(run, context=dataclasses.replace(embedded_context, seed=1)))) == 8
    # Another results folder has them without asking, in both parts, and without a cache.
    other = run_for(tmp_path / "other", "tu-berlin-sheet10", embedded_context)
    known: list[bool] = []
    found = grading.grade_beside(only(plan.beside(other), "black", "pca"), other, lambda _, old: known.append(old))
    assert known == [True] * 3
    assert [(r.submission, r.part) for r in found] == [("black", "ebl"), ("black", "pca"), ("pca", "pca")]
    # Without what no page needs.
    assert kept.load_arrays(other.results, found[-1]).keys() == {answers.NAME}
    assert found[-1].answers == ""
    assert found[-1].timings == {}
    assert all((other.results / name).is_file() for name in records.files_of(found[-1]))
    files = sorted(path for path in elsewhere.rglob("*") if path.is_file())
    assert [path.relative_to(elsewhere).as_posix() for path in files] == [
        "baseline/black/patch-inpainting.patch-inpainting.json",
        "reference/pca/patch-inpainting.pca.json",
    ]
    assert json.loads(files[1].read_bytes())["record"]["submission"] == "pca"


def test_a_stale_result_is_not_used_and_a_superfluous_one_named(
    elsewhere: Path, tmp_path: Path, embedded_context: Context
) -> None:
    run = run_for(tmp_path, "tu-berlin-sheet10", embedded_context)
    shipping.renew(only(shipping.stale(run), "black"), run)
    (black,) = only(plan.beside(run), "black")
    key = keys.of_asking(black[0], run, Questions(run), {})
    assert beside_results.recalled(black[0], run, key) is not None
    path = beside_results.shipped_file(black[0])
    result = beside_results.read(path)
    assert result is not None
    for stage in ("ask", "mark"):
        old = dataclasses.replace(result.record, keys={**result.record.keys, stage: "0" * 64})
        path.write_bytes(beside_results.packed(dataclasses.replace(result, record=old)))
        assert beside_results.recalled(black[0], run, key) is None
        assert only(shipping.stale(run), "black")
    assert shipping.superfluous([run]) == []
    gone = elsewhere / "baseline" / "former" / "patch-inpainting.patch-inpainting.json"
    gone.parent.mkdir()
    gone.write_bytes(path.read_bytes())
    assert shipping.superfluous([run]) == [gone]


def test_what_can_t_be_scored_is_not_shipped(
    elsewhere: Path, tmp_path: Path, embedded_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_for(tmp_path, "tu-berlin-sheet10", embedded_context)

    def breaks(*_: object) -> None:
        raise RuntimeError("no training images")

    black = run.coursework.task("patch-inpainting").baselines["black"]
    rows = {"black": dataclasses.replace(black, answer=breaks)}
    monkeypatch.setattr(run.coursework.task("patch-inpainting"), "baselines", rows, raising=False)
    (failed,) = shipping.renew(only(shipping.stale(run), "black"), run)
    assert (failed.role, failed.submission) == (Role.BASELINE, "black")
    assert not elsewhere.exists()
