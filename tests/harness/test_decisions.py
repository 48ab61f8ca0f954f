"""Tests of the instructor's decisions: what they give, what they are about, and files that are none."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness import decisions, records
from harness.types import Decision, Evidence, Failure, Gate, Metric, Record, Role, Score, Status
from tests.reports.examples import scored, unscored

FLAG = Evidence("sign", True, 1.0, 0.0, 0.5, "It was seen.", "sign", integrity=True)


def held(submission: str = "ada", **changes: object) -> Record:
    record = scored(submission, submission.title(), 0.99)
    score = replace(record.score, points=20.0, max_points=25.0, passed=True, unconditional=(20.0, True), held=("sign",))
    return replace(record, evidence=(FLAG,), score=score, worth=25.0, **changes)


def made(record: Record, verdict: str, points: float | None = None, reason: str = "seen") -> Decision:
    return Decision(
        record.submission, record.part, verdict, points, reason, decisions.about(record), "2026-05-01T10:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("verdict", "points", "given", "passed", "ranked", "said"),
    [
        ("accept", None, 20, True, True, "Accepted by the instructor: seen"),
        ("reject", None, 0, False, False, "Rejected by the instructor: seen"),
        ("points", 25.0, 25, True, True, "25 points given by the instructor: seen"),
        ("points", 20.0, 20, True, True, "20 points given"),
        # Fewer than the answers earn: the flag stands.
        ("points", 7.5, 7.5, False, False, "7.5 points given"),
        ("points", 0.0, 0, False, False, "0 points given"),
        # The part was worth more when it was decided.
        ("points", 40.0, 25, True, True, "25 points given"),
    ],
)
def test_the_instructors_word_replaces_the_rubrics(
    verdict: str, points: float | None, given: float, passed: bool, ranked: bool, said: str
) -> None:
    before = held()
    assert (before.held, before.state, before.ranked) == (True, "held", False)
    after = decisions.applied(before, made(before, verdict, points))
    assert (after.held, after.state, after.ranked) == (False, "scored", ranked)
    assert (after.score.points, after.score.passed) == (given, passed)
    assert after.score.explanation.startswith(before.score.explanation) and said in after.score.explanation
    assert after.by_rubric == before.score
    # To decide otherwise, or to undo it, begins with the rubric's own score.
    assert decisions.applied(after, None) == before
    assert decisions.applied(after, made(after, "accept")).score.points == 20


def test_a_deduction_from_an_entry_without_a_flag_leaves_it_passed_and_ranked() -> None:
    plain = replace(held(), evidence=())
    plain = replace(plain, score=replace(plain.score, held=()))
    after = decisions.applied(plain, made(plain, "points", 12.0))
    assert (after.score.points, after.score.passed, after.ranked) == (12, True, True)
    assert not decisions.applied(plain, made(plain, "points", 0.0)).score.passed


def test_accepting_gives_the_points_that_a_shut_gate_took() -> None:
    shut = held()
    shut = replace(shut, score=replace(shut.score, points=0.0, passed=False, held=(), shut=("diversity",)))
    after = decisions.applied(shut, made(shut, "accept"))
    assert (after.score.points, after.score.passed, after.score.shut) == (20, True, ())
    assert (shut.ranked, after.ranked) == (False, True)


def test_what_failed_can_be_given_points_alone() -> None:
    failed = replace(unscored("eve", "Eve", Failure("checkpoint", "truncated", "cut")), worth=25.0)
    after = decisions.applied(failed, made(failed, "points", 10.0, "sent by mail"))
    assert (after.score.points, after.score.max_points, after.score.passed) == (10, 25, False)
    assert (after.status, after.state) == (Status.FAILED, "failed")
    assert decisions.applied(failed, made(failed, "points", 25.0)).score.passed
    assert decisions.applied(after, None) == failed


@pytest.mark.parametrize(
    "change",
    [
        {"digests": {"checkpoint": "f" * 64}},
        {"metrics": {"accuracy": Metric(0.9901, "share", "higher", 10_000)}},
        {"evidence": (FLAG, replace(FLAG, name="other"))},
        {"compared": (replace(FLAG, name="copied-weights"),)},
        {"gates": {"diversity": Gate(False)}},
        {"failure": Failure("answers", "timeout", "late")},
        {"model": "other"},
    ],
)
def test_a_decision_is_about_its_marks_alone(change: dict[str, object]) -> None:
    before = held()
    after = decisions.applied(replace(before, **change), made(before, "accept"))
    assert after.decision is None
    assert after.score == before.score


def test_what_is_no_mark_undoes_no_decision() -> None:
    before = held()
    decision = made(before, "accept")
    metric = before.metrics["accuracy"]
    same = replace(
        before,
        metrics={**before.metrics, "accuracy": replace(metric, value=metric.value * (1 + 1e-12))},
        evidence=(replace(FLAG, value=1.01, message="It was seen again."),),
        versions={"torch": "3.0"},
        graded_at="2027-01-01T00:00:00Z",
        timings={},
    )
    assert decisions.applied(same, decision).decision == decision


def test_a_decision_is_about_no_other_entry_and_no_reference() -> None:
    before = held()
    decision = made(before, "accept")
    assert decisions.applied(replace(before, part="cgan"), decision).decision is None
    assert decisions.applied(replace(before, submission="bob"), decision).decision is None
    assert decisions.applied(replace(before, role=Role.REFERENCE), decision).decision is None


@pytest.mark.parametrize("submission", ["ada", "Zoë (2)", "名前", "a b'c\"d", "-rf", "x" * 100])
def test_decisions_come_back_as_they_were_written(submission: str, tmp_path: Path) -> None:
    decision = made(held(submission), "points", 3.0, 'said "ü" — fine')
    decisions.write(tmp_path, decision)
    assert decisions.read(tmp_path, submission, "cvae") == decision
    assert decisions.load_all(tmp_path).decisions == [decision]
    # Nothing of it is taken for a record.
    assert records.load_all(tmp_path) == records.Loaded([], ())
    assert decisions.remove(tmp_path, submission, "cvae")
    assert decisions.read(tmp_path, submission, "cvae") is None
    assert not decisions.remove(tmp_path, submission, "cvae")


def test_a_reason_is_cleaned_whoever_wrote_the_file(tmp_path: Path) -> None:
    decisions.write(tmp_path, made(held(), "accept", reason="fine\x1b[31m\u202e\nreally" + "x" * 1000))
    found = decisions.read(tmp_path, "ada", "cvae")
    assert found.reason.startswith("fine reallyxx") and len(found.reason) == decisions.REASON_LENGTH


DAMAGED = {
    "empty": b"",
    "cut": b'{"submission": "ada", "part": "cv',
    "deep": b"[" * 100_000,
    "latin": b'{"reason": "\xff"}',
    "a list": b"[]",
    "long": b" " * (decisions.LARGEST + 1),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_and_stops_no_other(name: str, tmp_path: Path) -> None:
    decisions.write(tmp_path, made(held("bob"), "accept"))
    path = decisions.path_of(tmp_path, "ada", "cvae")
    path.parent.mkdir(parents=True)
    path.write_bytes(DAMAGED[name])
    with pytest.raises(decisions.DecisionError, match=r"cvae\.json"):
        decisions.read(tmp_path, "ada", "cvae")
    loaded = decisions.load_all(tmp_path)
    assert [one.submission for one in loaded.decisions] == ["bob"]
    assert len(loaded.problems) == 1 and str(path) in loaded.problems[0]
    # It can be undone without being read.
    assert decisions.remove(tmp_path, "ada", "cvae")
    assert decisions.load_all(tmp_path).problems == ()


@pytest.mark.parametrize(
    "change",
    [
        {"submission": "bob"},
        {"part": "cgan"},
        {"schema": 2},
        {"verdict": "praise"},
        {"verdict": "points", "points": None},
        {"verdict": "points", "points": -1.0},
        {"verdict": "points", "points": "NaN"},
        {"verdict": "points", "points": 1e999},
        {"reason": 5},
    ],
)
def test_a_file_that_says_something_else_is_no_decision(change: dict[str, object], tmp_path: Path) -> None:
    path = decisions.path_of(tmp_path, "ada", "cvae")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**asdict(made(held(), "accept")), **change}))
    with pytest.raises(decisions.DecisionError):
        decisions.read(tmp_path, "ada", "cvae")


def test_pipes_folders_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / decisions.FOLDER / "ada"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "cvae.json")
    (folder / "cgan.json").mkdir()
    (folder / "flow.json").symlink_to("/dev/zero")
    (folder / "ebm.json").symlink_to("nowhere")
    loaded = decisions.load_all(tmp_path)
    assert loaded.decisions == []
    assert len(loaded.problems) == 3
    assert decisions.remove(tmp_path, "ada", "ebm")


def test_a_record_of_before_there_were_decisions_is_read(tmp_path: Path) -> None:
    path = records.path_of(tmp_path, Role.STUDENT, "ada", "cvae")
    records.save(tmp_path, scored("ada", "Ada", 0.99))
    plain = json.loads(path.read_text())
    for name in ("worth", "machine", "decision", "by_rubric"):
        del plain[name]
    for name in ("held", "unconditional"):
        del plain["score"][name]
    path.write_text(json.dumps(plain))
    found = records.load(path)
    assert (found.held, found.state, found.ranked) == (False, "scored", True)
    assert found.score == Score(**{**asdict(scored("ada", "Ada", 0.99).score), "shut": (), "held": ()})


def test_a_record_keeps_its_decision(tmp_path: Path) -> None:
    before = held()
    after = decisions.applied(before, made(before, "points", 3.0))
    saved = records.save(tmp_path, replace(after, figures=()))
    found = records.load(records.path_of(tmp_path, Role.STUDENT, "ada", "cvae"))
    assert found == saved
    assert (found.decision, found.by_rubric) == (after.decision, before.score)
    assert decisions.applied(found, None).score == before.score
