"""The tables of reference/MODELS.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.types import Evidence, Failure, Metric, Record, Role, Status
from reports.models_table import rows, tables
from tests.reports.examples import scored as example


def scored(part: str, value: float, **changes: Any) -> Record:
    metrics = {
        "masked_mse": Metric(
            value, "squared gray value", "lower", 10_000, value - 0.001, value + 0.001, title="masked MSE"
        ),
        "masked_mse_corrupted": Metric(0.2, "squared gray value", "lower", 10_000, title="masked MSE corrupted"),
        "plausibility": Metric(0.9, "share", "higher", 2000, title="plausibility", beside=True),
    }
    base = replace(
        example("pca", "PCA", 0.99),
        role=Role.REFERENCE,
        part=part,
        task="patch-inpainting",
        task_title="Patch inpainting",
        metrics=metrics,
        primary="masked_mse",
        evidence=(),
        timings={"answers": 1.5},
    )
    return replace(base, **{"digests": {"checkpoint": "ab" * 32}, **changes})


def test_models_stand_by_task_the_best_first_and_failures_last() -> None:
    broken = Failure("worker", "crash", "it | broke", fault="harness")
    accuracy = {"accuracy": Metric(0.9962, "share", "higher", 9, 0.9948, 0.9972, title="accuracy")}
    conditional = {"task": "conditional-generation", "task_title": "Conditional generation", "primary": "accuracy"}
    records = [
        scored("cvae-conditional-generation", 0.0, metrics=accuracy, digests={}, **conditional),
        scored("late", 0.2),
        scored("pca", 0.1336),
        scored("lost", 0.0, status=Status.NOT_GRADABLE, failure=broken, metrics={}, primary=None),
    ]
    lines = tables(records).splitlines()
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


def test_tasks_stand_in_the_order_of_the_records() -> None:
    other = scored("x", 0.1, task="a-task", task_title="A task")
    assert [line for line in tables([scored("pca", 0.1), other, scored("b", 0.2)]).splitlines() if "#" in line] == [
        "### Patch inpainting",
        "### A task",
    ]


def test_a_task_that_names_no_metrics_beside_shows_its_first_three() -> None:
    metrics = {name: Metric(1.0, "ms", "lower", 3) for name in ("p", "q", "r", "s", "t")}
    (head,) = [line for line in tables([scored("x", 0, metrics=metrics, primary="q")]).splitlines() if "model" in line]
    assert head.startswith("| model | q | 95 % interval | p | r | s | flags |")


def test_a_task_without_a_score_has_a_table_of_reasons() -> None:
    failed = scored("a", 0.9, status=Status.FAILED, failure=Failure("worker", "crash", "gone"))
    lines = tables([failed]).splitlines()
    assert lines[2] == "Nothing was scored."
    assert lines[6] == "| a | failed: gone |  |  |  | `abababababababab…` |"


def test_scores_on_other_data_say_so() -> None:
    lines = tables([scored("pca", 0.1, data="digits")]).splitlines()
    assert lines[2].startswith("Scikit-learn’s digits, not MNIST, 10,000 cases;")


def test_flags_are_named() -> None:
    flagged = scored("ebl", 0.1, evidence=(Evidence("copies-input", True, 0.1, 0.3, None),))
    assert "| copies-input |" in tables([flagged])


def test_rows_for_a_terminal() -> None:
    failed = scored("b", 0.9, status=Status.FAILED, timings={})
    assert rows([scored("a", 0.1336), failed]) == [
        ("a", "patch-inpainting", "0.1336 masked MSE", "0.1326 – 0.1346", "1.5 s"),
        ("b", "patch-inpainting", "failed", "", "0.0 s"),
    ]
