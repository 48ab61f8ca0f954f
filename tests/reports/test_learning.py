"""Learning curves: which records make one, what it shows, and that earlier models rank nowhere."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness import summary
from harness.types import Failure, Metric, Record, Role, Score, Status
from reports.curves import Curve, curves
from reports.leaderboard import leaderboard, totals
from reports.learning import of_class, of_submission
from reports.site import render
from tests.reports.examples import scored


def _after(epochs: int, nats: float, submission: str = "gauss", **changes: object) -> Record:
    earlier = "" if epochs == 5 else "pixel-prediction"
    record = scored(
        submission,
        "Team Gauss",
        0.99,
        part=f"pixel-prediction{f'-{epochs}' if earlier else ''}",
        part_title="Prediction of pixels" if not earlier else f"Prediction of pixels, epoch {epochs}",
        task="next-pixel",
        task_title="Next pixel",
        model="pixel-lstm",
        model_title="pixel LSTM",
        primary="cross_entropy",
        metrics={
            "cross_entropy": Metric(
                nats, "nats/pixel", "lower", 10_000, nats - 0.001, nats + 0.001, title="cross-entropy"
            ),
            "accuracy": Metric(1 - nats / 2, "share", "higher", 10_000, title="accuracy"),
        },
        score=Score(0.0 if earlier else 15.0, 0.0 if earlier else 15.0, True, ""),
        evidence=(),
        gates={},
        figures=(),
        epochs=epochs,
        earlier_of=earlier,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


CLASS = [_after(0, 0.69), _after(1, 0.148), _after(5, 0.1136)]


def test_a_submission_is_summed_up_by_epochs() -> None:
    (own,) = of_submission([CLASS[2], CLASS[0], CLASS[1]])
    assert own.title == "Prediction of pixels"
    assert own.epochs == ("before training", "after 1 epoch", "after 5 epochs")
    assert [row.name for row in own.rows] == ["Cross-entropy", "Accuracy"]
    cells = [[cell.text.split("\u202f")[0] for cell in row.cells if cell is not None] for row in own.rows]
    assert cells == [["0.6900", "0.1480", "0.1136"], ["65.50", "92.60", "94.32"]]
    # Time runs to the right, and less cross-entropy is further down.
    assert own.chart is not None
    (curve,) = own.chart.curves
    assert [x for x, _ in curve.points] == sorted(x for x, _ in curve.points)
    assert [y for _, y in curve.points] == sorted(y for _, y in curve.points)


def test_a_state_without_a_score_keeps_its_place_and_says_why() -> None:
    failed = replace(
        CLASS[1], status=Status.FAILED, failure=Failure("checkpoint", "truncated", "x"), score=None, metrics={}
    )
    (own,) = of_submission([CLASS[0], failed, CLASS[2]])
    assert [cell.text for cell in own.rows[0].cells if cell is not None][1] == "Failed"
    assert own.chart is not None and len(own.chart.curves[0].points) == 2
    (figure,) = of_class([CLASS[0], failed, CLASS[2]], {})
    assert figure.rows[0].cells[1] is not None and figure.rows[0].cells[1].text == "Failed"
    # With a single score left there is a table and no curve.
    (own,) = of_submission([failed, CLASS[2]])
    assert own.chart is None and len(own.epochs) == 2


def test_models_of_two_kinds_are_not_one_that_learns() -> None:
    assert of_submission([replace(CLASS[0], model="pixel-gru"), CLASS[2]]) == ()


def test_an_earlier_state_neither_ranks_nor_counts_nor_fails_anything() -> None:
    failed = replace(
        CLASS[0], status=Status.NOT_GRADABLE, failure=Failure("worker", "x", "x", "harness"), score=None, metrics={}
    )
    below = replace(CLASS[1], score=Score(0.0, 0.0, False, ""))
    frame = leaderboard([below, CLASS[2]])
    assert frame.set_index("part")["rank_high"].dropna().to_dict() == {"pixel-prediction": 1}
    (total,) = totals([failed, below, CLASS[2]]).to_dict("records")
    assert (total["points"], total["complete"], total["not_gradable"]) == (15, True, 0)
    assert summary.points([failed, CLASS[2]]) == 15
    assert summary.exit_code([below, CLASS[2]]) == summary.EXIT_PASSED
    assert summary.exit_code([failed, CLASS[2]]) == summary.EXIT_NOT_GRADABLE


def test_one_state_alone_is_no_curve() -> None:
    assert of_submission([CLASS[2]]) == ()
    assert of_submission([replace(record, epochs=None) for record in CLASS]) == ()


def test_the_states_of_a_reference_model_are_one_curve() -> None:
    references = [
        replace(
            _after(n, nats), submission=f"pixel-lstm-{n}", role=Role.REFERENCE, part="pixel-prediction", earlier_of=""
        )
        for n, nats in ((0, 0.4666), (1, 0.1366), (5, 0.1094))
    ]
    (figure,) = of_class([*references, *CLASS[1:]], {"gauss": "Team Gauss"})
    assert figure.epochs == ("before training", "after 1 epoch", "after 5 epochs")
    assert [(row.name, row.reference) for row in figure.rows] == [("Team Gauss", False), ("Pixel LSTM", True)]
    assert figure.rows[0].cells[0] is None
    assert figure.chart is not None
    assert [curve.kind for curve in figure.chart.curves] == ["class", "reference-0"]
    assert [curve.name_y is None for curve in figure.chart.curves] == [True, False]


def test_earlier_models_are_on_the_curve_and_in_no_ranking(tmp_path: Path) -> None:
    index = render(CLASS, tmp_path / "results", tmp_path / "site").read_text(encoding="utf-8")
    assert index.count('<table class="board stack"') == 1
    assert "Prediction of pixels: learning curves" in index
    totals = index.split('<table class="totals')[1].split("</table>")[0]
    assert len(re.findall(r"<th role=\"columnheader\"", totals)) == 3  # submission, the one part, total
    (page,) = (tmp_path / "site" / "submissions").glob("gauss-*.html")
    assert "Prediction of pixels: how it learns" in page.read_text(encoding="utf-8")


def test_names_at_the_ends_never_cover_each_other() -> None:
    given = [
        Curve(name, "reference-0", ((0.0, 0.7, None, None), (5.0, end, None, None)))
        for name, end in (("a", 0.1), ("b", 0.101), ("c", 0.102))
    ]
    drawn = curves(given, "epochs", "nats")
    assert drawn is not None
    places = sorted(curve.name_y for curve in drawn.curves if curve.name_y is not None)
    assert all(b - a >= 13 for a, b in pairwise(places))


@pytest.mark.parametrize("points", [(), ((0.0, 0.5, None, None),), ((0.0, None, None, None), (1.0, 0.2, None, None))])
def test_fewer_than_two_values_are_no_curve(points: tuple[tuple[float, float | None, None, None], ...]) -> None:
    assert curves([Curve("a", "own", points)], "epochs", "nats") is None
