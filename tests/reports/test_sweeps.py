"""Curves over a quantity that a submission's parts differ in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.types import Along, Metric, Record
from reports.site import render
from reports.sweeps import of_submission
from tests.reports.examples import scored


def _part(k: int, error: float, best: float, **changes: object) -> Record:
    def metric(value: float, curve: str = "") -> Metric:
        return Metric(
            value,
            "squared gray value",
            "lower",
            10_000,
            value - 1e-4,
            value + 1e-4,
            along=Along("numbers in a code", k, curve),
        )

    record = scored(
        "gauss",
        "Team Gauss",
        0.99,
        part=f"linear-{k}",
        task="reconstruction",
        task_title="Reconstruction",
        model="linear-autoencoder",
        model_title="linear autoencoder",
        primary=f"mse_k{k}",
        metrics={
            f"mse_k{k}": metric(error),
            "mse_pca": metric(best, "principal components"),
            "mse_validation": Metric(error, "squared gray value", "lower", 6_000),
        },
        evidence=(),
        gates={},
        figures=(),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


PARTS = [_part(10, 0.0341, 0.0340), _part(2, 0.0572, 0.0557)]


def test_parts_make_a_curve_of_the_model_and_one_beside_it_in_the_order_of_the_quantity() -> None:
    (sweep,) = of_submission(PARTS)
    assert (sweep.title, sweep.axis, sweep.columns) == ("Reconstruction", "numbers in a code", ("2", "10"))
    assert [row.name for row in sweep.rows] == ["Linear autoencoder", "principal components"]
    assert [[cell[0] for cell in row.cells if cell] for row in sweep.rows] == [
        ["0.05720", "0.03410"],
        ["0.05570", "0.03400"],
    ]
    assert sweep.chart is not None
    assert [curve.kind for curve in sweep.chart.curves] == ["own", "reference-0"]
    # More numbers lie to the right, and less error further down.
    (x2, y2), (x10, y10) = sweep.chart.curves[0].points
    assert x2 < x10
    assert y2 < y10


def test_one_value_makes_no_curve_and_another_model_is_a_curve_of_its_own() -> None:
    other = _part(10, 0.0135, 0.0340, part="stacked-10", model="stacked", model_title="stacked autoencoder")
    assert of_submission([PARTS[0], other]) == ()
    (sweep,) = of_submission([*PARTS, other])
    assert [row.name for row in sweep.rows] == ["Linear autoencoder", "principal components", "Stacked autoencoder"]
    assert sweep.rows[2].cells[0] is None


def test_the_page_of_a_submission_shows_the_curve_and_its_table(tmp_path: Path) -> None:
    render(PARTS, tmp_path, tmp_path / "site")
    (page,) = (tmp_path / "site" / "submissions").iterdir()
    text = page.read_text("utf-8")
    assert "Reconstruction by numbers in a code" in text
    assert text.count('class="curve ') == 2
    assert "principal components" in text
