"""Formats that hold one submission: Gradescope, GitHub Classroom's reporter, Codabench, EvalAI."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.types import Decision, Failure, Record, Score
from reports import exports
from reports.exports.grades import ExportError, Options
from tests.reports.examples import cgan, scored, unscored
from tests.reports.exports.classes import FULL, SIZE, expected, handed_in, number_of, records_of

HOSTILE = "x\n::error file=a::b\n##[error]c\x1b[31m<script>alert(1)</script>\u202e"

KEYS = {"score", "output", "output_format", "visibility", "stdout_visibility", "execution_time", "tests", "leaderboard"}
"""Keys of results.json in Gradescope's specification."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return records_of(handed_in("gradescope", tmp_path_factory.mktemp("gradescope")))


def written(name: str, records: list[Record], tmp_path: Path, **options: Any) -> Any:
    path = exports.export(name)(records, tmp_path, tmp_path, Options(**options))
    # A strict reader: NaN and infinity are refused.
    read: Callable[[Path], Any] = lambda p: json.loads(p.read_text("utf-8"), parse_constant=lambda c: 1 / 0)  # noqa: E731
    return {file.stem: read(file) for file in path.glob("*.json")} if path.is_dir() else read(path)


def test_a_class_in_gradescopes_layout_has_a_result_each(records: list[Record], tmp_path: Path) -> None:
    found = written("gradescope", records, tmp_path)
    assert set(found) == {str(number_of(index)) for index in range(SIZE)}
    for index in range(SIZE):
        result, points = found[str(number_of(index))], expected(index)
        assert set(result) <= KEYS
        assert result["visibility"] in {"hidden", "after_due_date", "after_published", "visible"}
        for test in result["tests"]:
            assert {"name", "number", "output", "visibility"} <= set(test)
            assert test.get("status", "passed") in {"passed", "failed"}
            assert 0 <= test.get("score", 0) <= test.get("max_score", math.inf)
        if points is None:
            # No score, neither at the top nor at a test: never a zero.
            assert "score" not in result and "leaderboard" not in result
            assert not any("score" in test for test in result["tests"])
            assert "nothing is held against" in result["output"] and result["stdout_visibility"] == "visible"
        else:
            assert result["score"] == points


def test_the_points_so_far_are_gradescopes_score_only_as_asked(records: list[Record], tmp_path: Path) -> None:
    result = written("gradescope", records, tmp_path, submission=str(number_of(1)), open_as_number=True)
    assert result["score"] == round(20 / SIZE, 4)
    assert "as asked" in result["output"]


def test_the_order_of_a_leaderboard_is_the_metrics(tmp_path: Path) -> None:
    lower = scored("s1", "A", 0.99)
    metric = replace(lower.metrics["accuracy"], better="lower")
    lower = replace(lower, metrics={"accuracy": metric}, full_marks=20.0)
    board = written("gradescope", [lower], tmp_path)["leaderboard"]
    assert [(line["value"], line["order"]) for line in board] == [(metric.value, "asc")]
    higher = written("gradescope", [scored("s1", "A", 0.99)], tmp_path)["leaderboard"]
    assert "order" not in higher[0]


def hostile() -> list[Record]:
    failure = Failure("worker", "exception", HOSTILE, detail=HOSTILE * 10_000)
    return [
        replace(scored("s1", HOSTILE, 0.99), part_title=HOSTILE, full_marks=20.0, stage_notes={"ask": (HOSTILE,)}),
        cgan(unscored("s1", HOSTILE, failure, full_marks=20.0)),
    ]


@pytest.mark.corpus("Reports", "Markdown links and table breaks")
def test_hostile_text_is_shown_as_text_and_bounded(tmp_path: Path) -> None:
    result = written("gradescope", hostile(), tmp_path)
    assert all(test["output_format"] == test["name_format"] == "text" for test in result["tests"])
    whole = json.dumps(result, ensure_ascii=False)
    assert "\x1b" not in whole and "\u202e" not in whole
    assert len(whole) < 60_000
    classroom = json.dumps(written("classroom", hostile(), tmp_path), ensure_ascii=False)
    assert "::" not in classroom and "##[" not in classroom and "\\n" not in classroom


def reported(result: Any) -> tuple[float, float] | None:
    """The reporter's rule: (points, of), or None where nothing is reported."""
    if not result.get("max_score"):
        return None
    return sum(test["score"] for test in result["tests"]), result["max_score"]


def test_classrooms_reporter_counts_the_total_of_the_assignment(records: list[Record], tmp_path: Path) -> None:
    found = written("classroom", records, tmp_path)
    for index in range(SIZE):
        result, points = found[str(number_of(index))], expected(index)
        assert {test["status"] for test in result["tests"]} <= {"pass", "fail", "error"}
        if points is None:
            assert reported(result) is None and result["status"] == "error"
        else:
            assert reported(result) == (pytest.approx(points), FULL)
            assert result["status"] == ("fail" if index <= 60 or index % 8 == 7 else "pass"), index


def test_alternatives_count_once_for_classrooms_reporter(tmp_path: Path) -> None:
    pair = [scored("s1", "A", 0.99, full_marks=20.0), cgan(scored("s1", "A", 0.99, full_marks=20.0))]
    pair = [replace(r, score=replace(r.score, choice="one", bonus=5)) for r in pair if r.score]
    assert reported(written("classroom", pair, tmp_path)) == (25.0, 20.0)


def test_codabench_and_evalai_hold_numbers_alone_and_nothing_of_what_is_open(
    records: list[Record], tmp_path: Path
) -> None:
    scores = written("codabench", records, tmp_path)
    results = written("evalai", records, tmp_path)
    for index in range(SIZE):
        name, points = str(number_of(index)), expected(index)
        told = scores.get(name, {})
        assert all(isinstance(value, float | int) for value in told.values())
        assert all(key.replace("_", "").isalnum() for key in told)
        assert told.get("points") == points
        if index % 12 == 1 and index % 8 != 7:
            assert "cvae_points" in told and "cgan_points" not in told
        result = results[name]
        if points is None:
            assert result["result"] == [] and result["error"]
        else:
            assert result["result"] == [{"tsinghua-hw3": told}] and not result["error"]


def test_scores_txt_is_read_as_lines(records: list[Record], tmp_path: Path) -> None:
    wanted = Options(file=tmp_path / "scores.txt", submission=str(number_of(5)))
    path = exports.export("codabench")(records, tmp_path, tmp_path, wanted)
    told = dict(line.split(": ") for line in path.read_text().splitlines())
    assert float(told["points"]) == expected(5)
    with pytest.raises(ExportError, match="--submission"):
        exports.export("codabench")(records, tmp_path, tmp_path, Options(file=tmp_path / "scores.txt"))


def test_several_assignments_and_unknown_ids_are_refused(records: list[Record], tmp_path: Path) -> None:
    mixed = [*records, replace(records[0], assignment="other")]
    with pytest.raises(ExportError, match="other, tsinghua-hw3; choose one by --assignment"):
        written("gradescope", mixed, tmp_path)
    assert len(written("gradescope", mixed, tmp_path, assignment="tsinghua-hw3")) == SIZE
    with pytest.raises(ExportError, match="no such id"):
        written("gradescope", records, tmp_path, submission="nobody")
    with pytest.raises(ExportError, match="can't be mixed"):
        written("gradescope", [*records, replace(records[0], data="digits")], tmp_path)


def held(**changes: Any) -> Record:
    """A part that passes, but for a flag that nobody has decided about."""
    record = scored("s1", "A", 0.99, full_marks=20.0)
    assert record.score is not None
    score = replace(record.score, points=17.5, passed=True, explanation="17.5 points.", held=("mode collapse",))
    return replace(record, score=score, **changes)


@pytest.mark.parametrize("name", ["gradescope", "classroom", "codabench", "evalai", "csv", "junit"])
def test_a_held_part_has_no_points_anywhere_unless_they_are_asked_for(name: str, tmp_path: Path) -> None:
    def text(record: Record, **options: Any) -> str:
        try:
            path = exports.export(name)([record], tmp_path, tmp_path, Options(**options))
        except ExportError:
            return ""
        return path.read_text("utf-8")

    assert "17.5" not in text(held())
    if name in ("gradescope", "classroom", "codabench", "evalai"):
        assert "17.5" in text(held(), open_as_number=True)
    score = held().score
    assert score is not None
    word = Decision("s1", "cvae", "accept", None, "The samples do vary.", "0" * 64, "2026-11-26T12:00:00Z")
    decided = held(decision=word)
    decided = replace(decided, score=replace(score, held=()))
    assert "17.5" in text(decided)
    if name == "gradescope":
        assert written("gradescope", [decided], tmp_path)["score"] == 17.5


def test_a_decision_on_what_could_not_be_graded_is_final(tmp_path: Path) -> None:
    failure = Failure("worker", "crashed", "The sandbox could not be made.", fault="harness")
    word = Decision("s1", "cvae", "points", 11.0, "Seen by hand.", "0" * 64, "2026-11-26T12:00:00Z")
    score = Score(11.0, 20.0, True, "The instructor gave 11 points: Seen by hand.")
    record = unscored("s1", "A", failure, full_marks=20.0)
    assert "score" not in written("gradescope", [record], tmp_path)
    assert written("gradescope", [replace(record, decision=word, score=score)], tmp_path)["score"] == 11.0
