"""Baselines and reference models stand on the leaderboard beside the class, and count nowhere."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.types import Failure, Metric, Record, Role, Score
from reports.common import page_name, role_label
from reports.exports import csv as csv_export
from reports.exports import junit
from reports.index import index_view
from reports.page import submission_view
from reports.site import render
from tests.reports.examples import scored, unscored

ERROR = Metric(0.15, "squared gray value", "lower", 10_000, 0.149, 0.151, title="masked MSE")
BASELINE, REFERENCE = Role.BASELINE, Role.REFERENCE


def entry(submission: str, value: float, role: Role = Role.STUDENT, passed: bool = False) -> Record:
    """A record of patch inpainting, whose error has a narrow interval."""
    base = scored(submission, submission.title(), 0.99)
    metric = replace(ERROR, value=value, low=value - 0.001, high=value + 0.001)
    return replace(
        base,
        part="pca",
        part_title="Inpainting by PCA",
        task="patch-inpainting",
        task_title="Patch inpainting",
        role=role,
        metrics={"masked_mse": metric},
        primary="masked_mse",
        score=Score(20.0 if passed else 5.0, 20.0, passed, "told", 0.1346),
        figures=(),
        evidence=(),
        gates={},
    )


@pytest.fixture
def records() -> list[Record]:
    return [
        entry("b", 0.15),
        entry("gray", 0.199, BASELINE),
        entry("ridge", 0.0646, BASELINE, passed=True),
        entry("a", 0.13, passed=True),
        entry("pca-10", 0.1336, REFERENCE, passed=True),
        entry("c", 0.25),
    ]


def test_baselines_and_references_stand_at_their_place_without_rank_points_or_verdict(
    records: list[Record], tmp_path: Path
) -> None:
    (section,) = index_view(records, tmp_path)
    (table,) = section.tables
    seen = [(row.id, row.role, row.rank, row.points) for row in table.ranked]
    assert seen == [
        ("ridge", "baseline", "", ""),
        ("a", "", "1–3", "20 of 20"),
        ("pca-10", "reference", "", ""),
        ("b", "", "1–3", "5 of 20"),
        ("gray", "baseline", "", ""),
        ("c", "", "1–3", "5 of 20"),
    ]
    assert table.better == "lower"
    assert table.mark == "0.1346"
    assert table.unit == "squared gray value"


def test_baselines_and_references_are_in_no_sum_of_the_class(records: list[Record], tmp_path: Path) -> None:
    (section,) = index_view(records, tmp_path)
    (without,) = index_view([r for r in records if r.role is Role.STUDENT], tmp_path)
    assert section.tiles == without.tiles
    assert section.totals == without.totals
    assert [row.id for total in section.totals for row in total.rows] == ["a", "b", "c"]


def test_baselines_and_references_alone_have_no_totals(records: list[Record], tmp_path: Path) -> None:
    others = [record for record in records if record.role is not Role.STUDENT]
    (section,) = index_view(others, tmp_path)
    assert section.totals == ()
    assert [tile.count for tile in section.tiles] == [0, 0, 0, 0, 0, 0]
    render(others, tmp_path, tmp_path / "site")


def test_the_axis_is_the_classes_but_shows_what_is_better(records: list[Record], tmp_path: Path) -> None:
    (section,) = index_view(records, tmp_path)
    rows = {row.id: row.figure for row in section.tables[0].ranked}
    figures = {identity: figure for identity, figure in rows.items() if figure is not None}
    assert len(figures) == 6
    # The ridge regression, far better than the class, lies on the axis; the smaller the error, the further left.
    assert figures["ridge"].off == ""
    on = [figure.x for figure in figures.values() if not figure.off]
    assert on == sorted(on)
    far = [*records, entry("noise", 5.0, BASELINE)]
    (section,) = index_view(far, tmp_path)
    again = {row.id: row.figure for row in section.tables[0].ranked}
    worst = again.pop("noise")
    assert worst is not None
    assert worst.off == "right"
    assert again == rows


def test_exports_hold_the_class_alone(records: list[Record], tmp_path: Path) -> None:
    rows = list(csv.DictReader(csv_export.write(records, tmp_path).open(encoding="utf-8")))
    assert [(row["submission"], row["rank_low"], row["rank_high"]) for row in rows] == [
        ("a", "1", "3"),
        ("b", "1", "3"),
        ("c", "1", "3"),
    ]
    suites = ElementTree.parse(junit.write(records, tmp_path)).getroot()
    assert [suite.get("name") for suite in suites] == ["a", "b", "c"]


def test_pages_name_the_role_of_baselines_and_references(records: list[Record], tmp_path: Path) -> None:
    render(records, tmp_path, tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert index.count("baseline, unranked") == 2
    assert index.count("reference, unranked") == 1
    page = (tmp_path / "site" / "submissions" / page_name("gray", BASELINE)).read_text("utf-8")
    assert "baseline, unranked" in page
    assert "without points" in page
    assert "of 20 points" not in page
    assert "Mark missed" not in page
    # There is no submission of that name to grade again.
    assert "--only" not in page
    own = (tmp_path / "site" / "submissions" / page_name("c")).read_text("utf-8")
    assert "Mark missed" in own
    assert "gradebench check SUBMISSION --assignment=" in own


def test_a_reference_that_failed_is_named_as_one(tmp_path: Path) -> None:
    lost = unscored("flow", "Flow", Failure("worker", "crash", "gone", fault="harness"), part="pca", role=REFERENCE)
    lost = replace(lost, task="patch-inpainting")
    (section,) = index_view([entry("a", 0.13), lost], tmp_path)
    (row,) = section.tables[0].unranked
    assert (row.role, row.reason) == ("reference", "gone")
    view = submission_view([lost], tmp_path)
    assert view.role == "reference"


def test_labels() -> None:
    assert role_label(entry("x", 0.1, BASELINE)) == "baseline"
    assert role_label(entry("x", 0.1, REFERENCE)) == "reference"
    # Nobody becomes a baseline by an id or by how their entry brings its model.
    assert role_label(replace(entry("baseline-x", 0.1), kind="baseline")) == ""


def test_a_student_a_baseline_and_a_reference_of_one_id_have_pages_of_their_own(tmp_path: Path) -> None:
    three = [entry("gray", 0.1 + 0.01 * number, role) for number, role in enumerate(Role)]
    assert len({page_name("gray", role) for role in Role}) == 3
    # A student's page keeps its address, whatever stands beside the class.
    assert page_name("gray") == page_name("gray", Role.STUDENT)
    render(three, tmp_path, tmp_path / "site")
    assert len(list((tmp_path / "site" / "submissions").iterdir())) == 3
    (section,) = index_view(three, tmp_path)
    (table,) = section.tables
    assert [(row.role, row.rank) for row in table.ranked] == [("", "1"), ("baseline", ""), ("reference", "")]
    assert len({row.href for row in table.ranked}) == 3
    (total,) = section.totals
    assert [row.points for row in total.rows] == ["5"]


def test_sums_of_alternatives(tmp_path: Path) -> None:
    def part(submission: str, name: str, points: float) -> Record:
        score = Score(points, 20.0, True, "", 0.2, "energy-or-flow", 5.0)
        return replace(entry(submission, 0.1), part=name, part_title="", score=score)

    records = [part("a", "ebm", 10), part("a", "flow", 20), part("b", "ebm", 15), entry("b", 0.1, passed=True)]
    (section,) = index_view(records, tmp_path)
    (total,) = section.totals
    assert total.bonus
    assert [(row.id, row.points, row.of) for row in total.rows] == [("b", "35", "40"), ("a", "22.5", "20")]
    cells = {row.id: [(cell.text, cell.bonus) for cell in row.cells] for row in total.rows}
    assert total.parts == ("Ebm", "Flow", "Inpainting by PCA")
    assert cells["a"] == [("2.5", True), ("20", False), ("", False)]
    assert cells["b"] == [("15", False), ("", False), ("20", False)]
    render(records, tmp_path, tmp_path / "site")
    text = re.sub(r"\s+", " ", (tmp_path / "site" / "index.html").read_text("utf-8"))
    assert '2.5 <span class="unit">as bonus</span>' in text
    assert "a further one adds its bonus, and so do optional parts" in text


def test_optional_parts_come_on_top_of_the_full_marks(tmp_path: Path) -> None:
    extra = replace(entry("a", 0.1), part="extra", score=Score(3, 5.0, True, "", 0.2, optional=True))
    (section,) = index_view([entry("a", 0.1, passed=True), extra], tmp_path)
    (total,) = section.totals
    (row,) = total.rows
    assert (row.points, row.of) == ("23", "20")
    assert sorted((cell.text, cell.bonus) for cell in row.cells) == [("20", False), ("3", True)]
