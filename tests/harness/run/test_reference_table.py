"""The tables of reference/MODELS.md, and the assignment that reference models are graded by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from classifiers.card import BEGIN, END
from harness.rubric import AssignmentError
from harness.run import reference_table, references
from harness.types import Entry, Evidence, Failure, Kind, Metric, Status, Submission
from tests.harness.test_records import record


def scored(part: str, value: float, **changes: object) -> object:
    metrics = {
        "masked_mse": Metric(value, "squared gray value", "lower", 10_000, value - 0.001, value + 0.001),
        "plausibility": Metric(0.9, "share", "higher", 2000),
    }
    base = record(task="patch-inpainting", part=part, metrics=metrics, primary="masked_mse", evidence=())
    return replace(base, **{"digests": {"checkpoint": "ab" * 32}, **changes})


def test_every_shipped_model_has_a_part_of_its_own_and_no_points() -> None:
    submissions = references.submissions()
    assignment = reference_table.assignment(submissions)
    assert [part.id for part in assignment.part] == [e.part for s in submissions for e in s.entries]
    assert [part.task for part in assignment.part] == [e.task for s in submissions for e in s.entries]
    assert assignment.max_points == 0
    marks = {part.id: part.pass_mark for part in assignment.part}
    assert (marks["cvae"], marks["cgan"]) == (0.98, 0.98)


def test_a_task_that_no_assignment_has_is_an_error() -> None:
    entry = Entry("no-such-task", Kind.WEIGHTS, "mine", "mine")
    with pytest.raises(AssignmentError, match="no-such-task"):
        reference_table.assignment([Submission("house-mine", "Mine", Path(), (entry,))])


def test_models_stand_by_task_the_best_first_and_failures_last() -> None:
    broken = Failure("worker", "crash", "it | broke", fault="harness")
    records = [
        scored("late", 0.2),
        scored("pca", 0.1336),
        scored("lost", 0.0, status=Status.NOT_GRADABLE, failure=broken, metrics={}, primary=None),
        replace(record(), part="cvae", metrics={"accuracy": Metric(0.9962, "share", "higher", 9, 0.9948, 0.9972)}),
    ]
    lines = reference_table.tables(records, "mnist").splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert headings == ["### Conditional generation", "### Patch inpainting"]
    rows = [line for line in lines if line.startswith("| ") and "---" not in line]
    assert rows[1] == "| cvae | 99.62% | 99.48% – 99.72% | none | 1.5 |  |"
    assert rows[2].startswith("| model | masked MSE | 95 % interval | plausibility | flags | seconds |")
    assert rows[3] == "| pca | 0.1336 | 0.1326 – 0.1346 | 90.00% | none | 1.5 | `abababababababab…` |"
    assert [row.split(" | ")[0] for row in rows[3:]] == ["| pca", "| late", "| lost"]
    assert "not-gradable: it \\| broke" in rows[5]
    assert "MNIST, 10,000 cases; masked MSE in squared gray value, lower is better." in lines
    # Every row of a table has as many cells as its head.
    assert len({row.replace("\\|", "").count("|") for row in rows[2:]}) == 1


def test_flags_are_named() -> None:
    flagged = scored("ebl", 0.1, evidence=(Evidence("copies-input", True, 0.1, 0.3, None),))
    assert "| copies-input |" in reference_table.tables([flagged], "mnist")


def test_the_table_is_rewritten_between_its_marks_alone(tmp_path: Path) -> None:
    path = tmp_path / "MODELS.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    reference_table.write_table(path, [scored("pca", 0.1336)], "mnist")
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "0.1336" in text


def test_the_exit_code_asks_whether_all_were_scored_not_whether_they_passed() -> None:
    low = scored("a", 0.9)
    failed = scored("b", 0.9, status=Status.FAILED)
    lost = scored("c", 0.9, status=Status.NOT_GRADABLE)
    codes = [reference_table.exit_code(of) for of in ([low], [low, failed], [failed, lost], [])]
    assert codes == [0, 1, 3, 3]


def test_rows_for_a_terminal() -> None:
    failed = scored("b", 0.9, status=Status.FAILED, timings={})
    assert reference_table.rows([scored("a", 0.1336), failed]) == [
        ("a", "patch-inpainting", "0.1336 masked MSE", "0.1326 – 0.1346", "1.5 s"),
        ("b", "patch-inpainting", "failed", "", "0.0 s"),
    ]
