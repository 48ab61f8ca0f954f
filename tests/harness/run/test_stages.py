"""Tests of the stages: what runs again after which change, and what does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from classifiers.judge import Judge
from harness import intake, provenance, records
from harness.assignments import coursework
from harness.likeness import answers
from harness.likeness.projection import NUMBERS
from harness.rubric import Assignment
from harness.run import kept, workers
from harness.run import run as grading
from harness.run.remark import remark
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.tasks import task
from harness.tasks.base import Context
from harness.types import Record, Role, Status
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of

SHEET = coursework.find("ucl-hw4").assignment
STREAMS = SHEET.model_copy(update={"part": [p for p in SHEET.part if p.id in ("symbols-m1", "symbols-m2")]})


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from reference.shipped import WEIGHTS

    place = tmp_path_factory.mktemp("class") / "class" / "one"
    place.mkdir(parents=True)
    text = '[submission]\nname = "One"\n'
    for which in ("m1", "m2"):
        name = f"dirichlet-lstm-{which}"
        (place / f"{which}.safetensors").write_bytes((WEIGHTS / f"{name}.safetensors").read_bytes())
        text += f'\n[[entry]]\ntask = "symbol-prediction"\npart = "symbols-{which}"\nmodel = "{name}"\n'
        text += f'checkpoint = "{which}.safetensors"\n'
    (place / "submission.toml").write_text(text, encoding="utf-8")
    return place.parent


@pytest.fixture
def graded(context: Context, handed_in: Path, tmp_path: Path) -> Run:
    run = run_of(context, tmp_path / "results", STREAMS)
    assert [r.status for r in grade(run, handed_in)] == [Status.SCORED] * 2
    return run


def grade(run: Run, handed_in: Path) -> list[Record]:
    return grading.grade(collect(handed_in, run.results.parent / "work", run.coursework), run)


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, or a checkpoint opened")

    with monkeypatch.context() as patch:
        patch.setattr(WeightsWorkers, "worker", refuse)
        patch.setattr(workers, "Worker", refuse)
        patch.setattr(intake, "open_file", refuse)
        yield


@pytest.fixture
def nobody_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("answers were marked")

    monkeypatch.setattr(grading, "mark", refuse)


def changed(assignment: Assignment, **of_part: object) -> Assignment:
    """The assignment with its first part changed."""
    first, *others = assignment.part
    return assignment.model_copy(update={"part": [first.model_copy(update=of_part), *others]})


def with_assignment(run: Run, assignment: Assignment) -> Run:
    return dataclasses.replace(run, coursework=coursework.Coursework(assignment))


def test_a_changed_threshold_scores_again_and_nothing_else(
    graded: Run, handed_in: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("nobody_is_asked")
    request.getfixturevalue("nobody_marks")
    before = grade(graded, handed_in)
    strict = with_assignment(graded, changed(STREAMS, steps=[(1e-9, 1.0)], pass_mark=1e-9))
    after = grade(strict, handed_in)
    assert (before[0].score.points, after[0].score.points) == (8, 0)
    assert after[0].keys["ask"] == before[0].keys["ask"]
    assert after[0].keys["mark"] == before[0].keys["mark"]
    assert after[0].keys["score"] != before[0].keys["score"]
    assert after[0].metrics == before[0].metrics
    assert after[0].figures == before[0].figures
    assert after[1] == before[1]
    path = records.path_of(graded.results, Role.STUDENT, "one", "symbols-m1")
    assert records.load(path).score.points == 0


def test_a_record_says_how_the_last_run_measured_also_where_there_are_no_samples(
    graded: Run, handed_in: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("nobody_is_asked")
    request.getfixturevalue("nobody_marks")
    before = grade(graded, handed_in)
    in_full = dataclasses.replace(graded, context=dataclasses.replace(graded.context, full=True))
    for run, full in ((in_full, True), (graded, False)):
        for now, then in zip(grade(run, handed_in), before, strict=True):
            assert now.full is full
            assert (now.keys == then.keys) is not full
            assert dataclasses.replace(now, full=False, keys=then.keys, graded_at=then.graded_at) == then


@pytest.mark.parametrize("change", [{"title": "Streams"}, {"gates": ["batch-dependence"]}, {"points": 7.0}])
def test_a_changed_title_gate_or_worth_asks_and_marks_nobody_again(
    graded: Run, handed_in: Path, change: dict[str, object], request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("nobody_is_asked")
    request.getfixturevalue("nobody_marks")
    after = grade(with_assignment(graded, changed(STREAMS, **change)), handed_in)
    assert after[0].part_title == change.get("title", "Symbols, M1: α = (10, 1, 1), T = 5")
    assert after[0].score.max_points == change.get("points", 8.0)


def test_an_unchanged_class_is_left_as_it_is(
    graded: Run, handed_in: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue("nobody_is_asked")
    request.getfixturevalue("nobody_marks")
    # Digests of questions are remembered, so that none is generated.
    monkeypatch.setattr(type(task("symbol-prediction")), "questions", None)
    stamps = {path: path.stat().st_mtime_ns for path in graded.results.rglob("*") if path.is_file()}
    grade(graded, handed_in)
    assert {path: path.stat().st_mtime_ns for path in graded.results.rglob("*") if path.is_file()} == stamps


def test_another_judge_marks_kept_answers_again_without_a_model(
    graded: Run, context: Context, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("nobody_is_asked")

    class Other:
        digest = "1" * 64

    before = records.load_all(graded.results).records
    other = dataclasses.replace(graded, context=dataclasses.replace(context, judge=Other()))
    done = remark(before, other)
    assert (len(done.records), done.changed, done.to_ask) == (2, 2, [])
    for old, new in zip(before, done.records, strict=True):
        assert new.digests["judge"] == "1" * 64
        assert new.keys["ask"] == old.keys["ask"]
        assert new.keys["mark"] != old.keys["mark"]
        assert new.metrics == old.metrics
        assert [f.data for f in new.figures] == [f.data for f in old.figures]
    assert remark(done.records, other).changed == 0


@pytest.mark.parametrize("lost", ["missing", "altered", "none of zip's"])
def test_answers_that_were_not_kept_or_are_no_longer_the_same_are_asked_for(
    graded: Run, context: Context, lost: str
) -> None:
    first, second = records.load_all(graded.results).records
    file = graded.results / first.answers
    if lost == "missing":
        file.unlink()
    elif lost == "altered":
        came = kept.load_answers(graded.results, first)
        came[0]["probabilities"][0, 0, 0] += 0.25
        kept.save_answers(graded.results, first, came)
    else:
        file.write_bytes(b"\x80\x04not a zip")

    class Other:
        digest = "1" * 64

    other = dataclasses.replace(graded, context=dataclasses.replace(context, judge=Other()))
    done = remark([first, second], other)
    assert [r.part for r in done.to_ask] == ["symbols-m1"]
    assert [r.part for r in done.records] == ["symbols-m2"]
    # What could not be brought up to date is left as it was.
    assert records.load(records.path_of(graded.results, Role.STUDENT, "one", "symbols-m1")) == first


def test_records_of_another_seed_are_not_marked(graded: Run, context: Context) -> None:
    known = records.load_all(graded.results).records
    done = remark(known, dataclasses.replace(graded, context=dataclasses.replace(context, seed=5)))
    assert done.elsewhere == known


def test_kept_answers_come_back_as_they_were(graded: Run) -> None:
    record = records.load_all(graded.results).records[0]
    came = kept.load_answers(graded.results, record)
    assert kept.answers_digest(came) == record.digests["answers"]
    assert [answer["probabilities"].dtype for answer in came] == [np.float32] * len(came)
    arrays = kept.load_arrays(graded.results, record)
    assert float(arrays["scores"].mean()) == pytest.approx(record.metrics[record.primary].value, abs=1e-6)
    # The sums, their mean square, and the share of it that is the entry's freedom.
    assert arrays[answers.NAME].shape == (NUMBERS + 2,)


def test_large_answers_are_kept_only_where_asked(
    context: Context, handed_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.run import score

    monkeypatch.setattr(score, "KEPT_BYTES", 1000)
    run = run_of(context, tmp_path / "results", STREAMS)
    found = grade(run, handed_in)
    assert {r.answers for r in found} == {""}
    assert not list(run.results.rglob("*.answers.npz"))
    kept_now = grade(dataclasses.replace(run, keep_answers=True, fresh=True), handed_in)
    assert {(run.results / r.answers).is_file() for r in kept_now} == {True}
    # A later run that keeps none leaves none behind that would belong to nobody.
    grade(dataclasses.replace(run, fresh=True), handed_in)
    assert not list(run.results.rglob("*.answers.npz"))


def test_a_record_of_the_former_schema_is_named_and_graded_anew(graded: Run, handed_in: Path) -> None:
    path = records.path_of(graded.results, Role.STUDENT, "one", "symbols-m1")
    old = json.loads(path.read_text()) | {"schema": 1}
    for field in ("role", "keys", "figures"):
        del old[field]
    path.write_text(json.dumps(old))
    loaded = records.load_all(graded.results)
    assert [r.part for r in loaded.records] == ["symbols-m2"]
    assert len(loaded.problems) == 1
    assert "older version" in loaded.problems[0] and "symbols-m1.json" in loaded.problems[0]
    grade(graded, handed_in)
    assert [r.part for r in records.load_all(graded.results).records] == ["symbols-m1", "symbols-m2"]


@pytest.mark.parametrize("name", ["row-inpainting", "conditional-generation", "next-pixel", "symbol-prediction"])
def test_pages_commands_and_other_tasks_are_in_no_key(name: str) -> None:
    marking = provenance.sources((type(task(name)).__module__,))
    asking = provenance.sources(("harness.sandbox.inside.entry", "reference.cvae"))
    for reached in (marking, asking):
        assert not [m for m in reached if m.startswith(("reports", "harness.cli", "harness.run", "submissions"))]
    assert "harness.metrics.mean_interval" in marking or name == "conditional-generation"
    assert "harness.tasks.inpainting.rows" in marking or name != "row-inpainting"
    others = {"harness.tasks.conditional_generation", "harness.tasks.inpainting.base", "harness.tasks.symbols.streams"}
    assert len(others & set(marking)) <= 1
    assert {"harness.sandbox.inside.serve", "harness.checkpoint.pickles", "reference.options"} <= set(asking)
    assert not [m for m in asking if m.startswith("harness.sandbox.outside")]


def test_a_changed_source_changes_its_digest_and_only_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "one.py", tmp_path / "two.py"
    first.write_text("from harness.metrics import mean_interval\n")
    second.write_text("def f():\n    from harness.evidence import same_for_all\n")
    assert "harness.metrics.mean_interval" in provenance.sources((), (first,))
    # An import inside a function counts, and so does what that imports.
    assert {"harness.evidence.same_for_all", "harness.types"} <= set(provenance.sources((), (second,)))
    before = provenance.sources_digest((), (first,))
    assert before != provenance.sources_digest((), (second,))
    other = tmp_path / "elsewhere" / "one.py"
    other.parent.mkdir()
    other.write_text("from harness.metrics import mean_interval\n# changed\n")
    assert provenance.sources_digest((), (other,)) != before
