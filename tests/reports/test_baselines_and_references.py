"""House rows stand on the leaderboard beside the class, and count nowhere."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.types import Failure, Metric, Record, Score
from reports import junit
from reports.common import house_label, page_name
from reports.csv_export import to_csv
from reports.index import index_view
from reports.page import submission_view
from reports.site import render
from tests.reports.examples import scored, unscored

ERROR = Metric(0.15, "squared gray value", "lower", 10_000, 0.149, 0.151)


def entry(submission: str, value: float, kind: str = "weights", passed: bool = False) -> Record:
    """A record of patch inpainting, whose error has a narrow interval."""
    base = scored(submission, submission.title(), 0.99)
    metric = replace(ERROR, value=value, low=value - 0.001, high=value + 0.001)
    return replace(
        base,
        part="pca",
        task="patch-inpainting",
        kind=kind,
        metrics={"masked_mse": metric},
        primary="masked_mse",
        score=Score(20.0 if passed else 5.0, 20.0, passed, "told", 0.1346),
        pictures={},
        tables={},
        evidence=(),
        gates={},
    )


@pytest.fixture
def records() -> list[Record]:
    return [
        entry("b", 0.15),
        entry("house-gray", 0.199, "baseline"),
        entry("house-ridge", 0.0646, "baseline", passed=True),
        entry("a", 0.13, passed=True),
        entry("house-pca-10", 0.1336, passed=True),
        entry("c", 0.25),
    ]


def test_house_rows_stand_at_their_place_without_rank_tier_points_or_verdict(
    records: list[Record], tmp_path: Path
) -> None:
    (section,) = index_view(records, tmp_path)
    (table,) = section.tables
    seen = [(row.id, row.house, row.rank, row.tier, row.points) for row in table.ranked]
    assert seen == [
        ("house-ridge", "baseline", None, None, ""),
        ("a", "", 1, 1, "20 of 20"),
        ("house-pca-10", "reference", None, None, ""),
        ("b", "", 2, 2, "5 of 20"),
        ("house-gray", "baseline", None, None, ""),
        ("c", "", 3, 3, "5 of 20"),
    ]
    assert table.better == "lower"
    assert table.mark == "0.1346"
    assert table.unit == "squared gray value"


def test_house_rows_are_in_no_sum_of_the_class(records: list[Record], tmp_path: Path) -> None:
    (section,) = index_view(records, tmp_path)
    (without,) = index_view([r for r in records if not r.submission.startswith("house-")], tmp_path)
    assert section.tiles == without.tiles
    assert section.totals == without.totals
    assert [row.id for total in section.totals for row in total.rows] == ["a", "b", "c"]


def test_house_rows_alone_have_no_totals(records: list[Record], tmp_path: Path) -> None:
    house = [record for record in records if record.submission.startswith("house-")]
    (section,) = index_view(house, tmp_path)
    assert section.totals == ()
    assert [tile.count for tile in section.tiles] == [0, 0, 0, 0, 0]
    render(house, tmp_path, tmp_path / "site")


def test_the_axis_is_the_classes_but_shows_what_is_better(records: list[Record], tmp_path: Path) -> None:
    (section,) = index_view(records, tmp_path)
    rows = {row.id: row.figure for row in section.tables[0].ranked}
    figures = {identity: figure for identity, figure in rows.items() if figure is not None}
    assert len(figures) == 6
    # The ridge regression, far better than the class, lies on the axis; the smaller the error, the further left.
    assert figures["house-ridge"].off == ""
    on = [figure.x for figure in figures.values() if not figure.off]
    assert on == sorted(on)
    far = [*records, entry("house-noise", 5.0, "baseline")]
    (section,) = index_view(far, tmp_path)
    again = {row.id: row.figure for row in section.tables[0].ranked}
    worst = again.pop("house-noise")
    assert worst is not None
    assert worst.off == "right"
    assert again == rows


def test_exports_hold_the_class_alone(records: list[Record], tmp_path: Path) -> None:
    to_csv(records, tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").open(encoding="utf-8")))
    assert [(row["submission"], row["rank"]) for row in rows] == [("a", "1"), ("b", "2"), ("c", "3")]
    junit.write(records, tmp_path / "junit.xml")
    suites = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [suite.get("name") for suite in suites] == ["a", "b", "c"]


def test_pages_say_what_a_house_row_is(records: list[Record], tmp_path: Path) -> None:
    render(records, tmp_path, tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert index.count("baseline, unranked") == 2
    assert index.count("reference, unranked") == 1
    page = (tmp_path / "site" / "submissions" / page_name("house-gray")).read_text("utf-8")
    assert "baseline, unranked" in page
    assert "without points" in page
    assert "of 20 points" not in page
    assert "Mark missed" not in page
    # There is no submission of that name to grade again.
    assert "--only" not in page
    own = (tmp_path / "site" / "submissions" / page_name("c")).read_text("utf-8")
    assert "Mark missed" in own
    assert "--only=c" in own


def test_a_house_row_that_failed_is_named_as_one(tmp_path: Path) -> None:
    lost = unscored("house-flow", "Flow", Failure("worker", "crash", "gone", fault="harness"), part="pca")
    lost = replace(lost, task="patch-inpainting")
    (section,) = index_view([entry("a", 0.13), lost], tmp_path)
    (row,) = section.tables[0].unranked
    assert (row.house, row.reason) == ("reference", "gone")
    view = submission_view([lost], tmp_path)
    assert view.house == "reference"


def test_labels() -> None:
    assert house_label(entry("house-x", 0.1, "baseline")) == "baseline"
    assert house_label(entry("house-x", 0.1)) == "reference"
    # Nobody becomes a baseline by what is written in a record of their own.
    assert house_label(entry("housewife", 0.1, "baseline")) == ""


def test_sums_of_alternatives(tmp_path: Path) -> None:
    def part(submission: str, name: str, points: float) -> Record:
        score = Score(points, 20.0, True, "", 0.2, "energy-or-flow", 5.0)
        return replace(entry(submission, 0.1), part=name, score=score)

    records = [part("a", "ebm", 10), part("a", "flow", 20), part("b", "ebm", 15), entry("b", 0.1, passed=True)]
    (section,) = index_view(records, tmp_path)
    (total,) = section.totals
    assert total.bonus
    assert [(row.id, row.points, row.of) for row in total.rows] == [("b", "35", "40"), ("a", "22.5", "20")]
    cells = {row.id: [(cell.text, cell.bonus) for cell in row.cells] for row in total.rows}
    assert total.parts == ("EBM", "Flow", "PCA")
    assert cells["a"] == [("2.5", True), ("20", False), ("", False)]
    assert cells["b"] == [("15", False), ("", False), ("20", False)]
    render(records, tmp_path, tmp_path / "site")
    text = re.sub(r"\s+", " ", (tmp_path / "site" / "index.html").read_text("utf-8"))
    assert '2.5 <span class="unit">as bonus</span>' in text
    assert "a further one adds its bonus" in text
