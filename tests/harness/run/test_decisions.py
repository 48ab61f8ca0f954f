"""Tests of held entries and of the instructor's decisions through the stages: what they change, and who is asked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from classifiers.judge import Judge
from harness import decisions, intake, records
from harness.assignments import coursework
from harness.run import run as grading
from harness.run import workers
from harness.run.remark import remark
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.summary import exit_code
from harness.tasks.base import Context
from harness.types import Decision, Evidence, Record, Role
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of

SHEET = coursework.find("ucl-hw4").assignment
STREAM = SHEET.model_copy(update={"part": [p for p in SHEET.part if p.id == "symbols-m1"]})
FLAG = Evidence("likeness", True, 0.99, None, 0.9, "It answers as two does.", "likeness", integrity=True)


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def write(place: Path, scale: float = 1.0) -> None:
    """Hand in the shipped model of a stream, its weights times a factor."""
    from reference.shipped import WEIGHTS

    place.mkdir(parents=True, exist_ok=True)
    arrays = safetensors.numpy.load((WEIGHTS / "dirichlet-lstm-m1.safetensors").read_bytes())
    scaled = {name: np.ascontiguousarray(array * np.float32(scale)) for name, array in arrays.items()}
    (place / "m1.safetensors").write_bytes(safetensors.numpy.save(scaled))
    (place / "submission.toml").write_text(
        '[submission]\nname = "One"\n[[entry]]\ntask = "symbol-prediction"\npart = "symbols-m1"\n'
        'model = "dirichlet-lstm-m1"\ncheckpoint = "m1.safetensors"\n'
    )


@pytest.fixture
def flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison of the class that flags every entry."""

    def found(every: Sequence[Record], *_: object, **__: object) -> Mapping[object, tuple[Evidence, ...]]:
        return {grading.identity(record): (FLAG,) for record in every}

    monkeypatch.setattr(grading, "compare", found)


@pytest.fixture
def run(context: Context, tmp_path: Path) -> Run:
    write(tmp_path / "class" / "one")
    return run_of(context, tmp_path / "results", STREAM)


def grade(run: Run) -> Record:
    (record,) = grading.grade(collect(run.results.parent / "class", run.results.parent / "work", run.coursework), run)
    assert records.load(records.path_of(run.results, Role.STUDENT, "one", "symbols-m1")) == record
    return record


def decide(run: Run, record: Record, verdict: str, points: float | None = None) -> None:
    about, when = decisions.about(record), "2026-05-01T10:00:00+00:00"
    decisions.write(run.results, Decision("one", "symbols-m1", verdict, points, "seen", about, when))


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a worker was started, a checkpoint opened, or answers marked")

    with monkeypatch.context() as patch:
        patch.setattr(WeightsWorkers, "worker", refuse)
        patch.setattr(workers, "Worker", refuse)
        patch.setattr(intake, "open_file", refuse)
        patch.setattr(grading, "mark", refuse)
        yield


@pytest.mark.usefixtures("flagged")
def test_a_decision_is_applied_without_asking_anybody(run: Run, request: pytest.FixtureRequest) -> None:
    first = grade(run)
    assert (first.held, first.score.points, exit_code([first])) == (True, 8, 1)
    assert first.score.held == ("likeness",)
    request.getfixturevalue("nobody_is_asked")
    decide(run, first, "accept")
    accepted = grade(run)
    assert (accepted.held, accepted.score.points, exit_code([accepted])) == (False, 8, 0)
    assert accepted.decision.reason == "seen"
    # Known now: the record is not written again, by grading or by marking kept answers.
    path = records.path_of(run.results, Role.STUDENT, "one", "symbols-m1")
    stamp = path.stat().st_mtime_ns
    assert grade(run) == accepted
    assert remark([accepted], run).records == [accepted]
    assert path.stat().st_mtime_ns == stamp
    decide(run, accepted, "points", 3.0)
    assert grade(run).score.points == 3
    decide(run, accepted, "reject")
    assert (grade(run).score.points, grade(run).ranked) == (0, False)
    assert decisions.remove(run.results, "one", "symbols-m1")
    undone = grade(run)
    assert (undone.held, undone.decision, undone.by_rubric, undone.score) == (True, None, None, first.score)


@pytest.mark.usefixtures("flagged")
@pytest.mark.parametrize(("rule", "points", "held"), [("hold", 8, True), ("zero", 0, False), ("note", 8, False)])
def test_the_rule_for_flags_scores_again_and_asks_nobody(
    run: Run, rule: str, points: float, held: bool, request: pytest.FixtureRequest
) -> None:
    grade(run)
    request.getfixturevalue("nobody_is_asked")
    part = STREAM.part[0].model_copy(update={"on_flag": rule})
    changed = coursework.Coursework(STREAM.model_copy(update={"part": [part]}))
    after = grade(dataclasses.replace(run, coursework=changed))
    assert (after.score.points, after.held) == (points, held)
    decide(run, after, "accept")
    assert grade(dataclasses.replace(run, coursework=changed)).score.points == 8


@pytest.mark.usefixtures("flagged")
def test_another_hand_in_is_judged_anew(run: Run) -> None:
    decide(run, grade(run), "accept")
    assert not grade(run).held
    write(run.results.parent / "class" / "one", 1.001)
    again = grade(run)
    assert again.held and again.decision is None
    # The first one, handed in once more, is what was decided about.
    write(run.results.parent / "class" / "one")
    assert not grade(run).held


def test_a_flag_that_comes_later_is_not_covered_by_an_earlier_word(run: Run, request: pytest.FixtureRequest) -> None:
    first = grade(run)
    assert not first.held
    decide(run, first, "accept")
    assert grade(run).decision is not None
    request.getfixturevalue("flagged")
    later = grade(run)
    assert later.held and later.decision is None


@pytest.mark.usefixtures("flagged")
def test_a_damaged_decision_leaves_the_entry_held(run: Run) -> None:
    decide(run, grade(run), "accept")
    path = decisions.path_of(run.results, "one", "symbols-m1")
    path.write_bytes(path.read_bytes()[:-30])
    assert grade(run).held


@pytest.mark.usefixtures("flagged")
def test_no_hand_in_makes_a_decision(run: Run) -> None:
    record = grade(run)
    about, classroom = decisions.about(record), run.results.parent / "class"
    content = json.dumps(
        dataclasses.asdict(Decision("one", "symbols-m1", "points", 8.0, "mine", about, "2026-05-01T10:00:00+00:00"))
    )
    # A seat of the folder's name, an id of it, a path as an id, and the file within one's own hand-in.
    for place in (classroom / "@decisions" / "one", classroom / "one" / "@decisions" / "one"):
        place.mkdir(parents=True)
        (place / "symbols-m1.json").write_text(content)
    write(classroom / "@decisions")
    for name, identity in (("two", "@decisions"), ("three", "@decisions/one"), ("four", "../results/@decisions")):
        write(classroom / name)
        text = (classroom / name / "submission.toml").read_text()
        manifest = text.replace('"One"', f'"One"\nid = "{identity}"')
        (classroom / name / "submission.toml").write_text(manifest)
    submissions = collect(classroom, run.results.parent / "work", run.coursework)
    assert len(submissions) == 5
    assert not [one.id for one in submissions if "@" in one.id or "/" in one.id]
    found = {each.submission: each for each in grading.grade(submissions, run)}
    assert found["one"].held and not [each for each in found.values() if each.decision is not None]
    assert decisions.load_all(run.results) == decisions.Loaded([], ())
    assert not (run.results / decisions.FOLDER).exists()
