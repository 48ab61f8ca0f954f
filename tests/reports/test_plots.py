"""Geometry and numbers of the small figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.numbers import number_text
from harness.types import Evidence, Metric
from reports.plots import bars, common_scale, heat, interval_figure, range_figure, threshold_text

ACCURACY = Metric(0.99, "share", "higher", 10_000, 0.985, 0.995)


def test_interval_figure_on_the_scale_of_a_pass_mark() -> None:
    scale = common_scale([ACCURACY], 0.98)
    figure = interval_figure(ACCURACY, 0.98, scale)
    # From the mark, 98 %, to 99.5 %, with 6 % of this beside each, on 184 of 200 pixels, 8 left at each end.
    assert figure is not None
    pixels = [8 + 184 * (share + 0.06) / 1.12 for share in (0, 1 / 3, 2 / 3, 1)]
    assert [figure.mark, figure.low, figure.x, figure.high] == pytest.approx(pixels, abs=0.06)
    assert figure.label == "99.00\u202f%, 95\u202f% interval 98.50 – 99.50\u202f%, pass mark 98\u202f%"


def test_what_lies_off_the_scale_is_at_the_edge_and_says_so() -> None:
    far = replace(ACCURACY, value=0.62, low=0.61, high=0.63)
    figure = interval_figure(far, 0.98, common_scale([ACCURACY, far], 0.98))
    assert figure is not None
    assert (figure.off, figure.x) == ("left", 8.0)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_value_no_figure(value: float | None) -> None:
    metric = replace(ACCURACY, value=value)
    assert interval_figure(metric, 0.98, common_scale([metric], 0.98)) is None
    assert number_text(value, "share") == "not measured"


def test_scale_of_other_metrics_spans_all_intervals() -> None:
    metrics = [Metric(2.0, "nats", "lower", 9, 1.0, 3.0), Metric(9.0, "nats", "lower", 9, 8.0, 11.0)]
    scale = common_scale(metrics, None)
    assert scale.low == pytest.approx(0.4)
    assert scale.high == pytest.approx(11.6)
    same = common_scale([Metric(0.0, "nats", "lower", 1)], None)
    assert same.low < 0 < same.high


def test_range_figure() -> None:
    inside = range_figure(Evidence("e", False, 0.15, 0.1, 0.2))
    assert inside is not None
    assert inside.inside
    assert inside.low < inside.x < inside.high
    outside = range_figure(Evidence("e", True, 0.02, 0.1, 0.2))
    assert outside is not None
    assert not outside.inside
    assert outside.x < outside.low
    assert range_figure(Evidence("e", True, None, 0.1, 0.2)) is None
    assert range_figure(Evidence("e", True, 1.0, None, None)) is None
    upper = range_figure(Evidence("e", False, 0.0, None, 0.0))
    assert upper is not None
    assert upper.inside
    assert upper.low == 0.0


def test_thresholds_of_evidence_stand_on_its_axis() -> None:
    drawn = range_figure(Evidence("e", False, 0.3, 0.0, 0.1, flagged_from=0.5, unusual_from=0.25))
    assert drawn is not None and drawn.unusual is not None and drawn.flagged is not None
    assert drawn.low < drawn.high < drawn.unusual < drawn.x < drawn.flagged < drawn.width
    assert drawn.label.endswith("unusual from 0.25, flagged from 0.5")
    plain = range_figure(Evidence("e", False, 0.3, 0.0, 0.1))
    assert plain is not None and plain.flagged is None and plain.unusual is None
    assert threshold_text(Evidence("e", False, 0.3, 0.4, None, flagged_from=0.4)) == "flagged up to 0.4"
    assert threshold_text(Evidence("e", False, 0.3, None, 0.1, flagged_from=0.1)) == "flagged from 0.1"
    assert threshold_text(Evidence("e", False, 0.3, None, None, flagged_from=0.1)) == "flagged at 0.1"
    assert threshold_text(Evidence("e", False, 0.3, None, 0.1)) == ""


def test_bars_against_gates() -> None:
    drawn = bars([0.2, 0.1, None], 100.0, "", [0.1, 0.1, 0.1], [0.4, 0.2, 0.1])
    assert [bar.below for bar in drawn] == [False, True, True]  # equal to the gate does not exceed it
    assert [bar.length for bar in drawn] == [50.0, 25.0, None]
    assert [bar.real for bar in drawn] == [100.0, 50.0, 25.0]
    assert drawn[2].text == "not measured"


def test_bars_name_the_lowest_only_where_there_is_one() -> None:
    assert [bar.note for bar in bars([0.9, 0.8, 1.0], 100.0, "share")] == ["", "lowest", ""]
    assert {bar.note for bar in bars([1.0, 1.0], 100.0, "share")} == {""}


def test_heat_shades_by_share_of_the_row() -> None:
    cells = heat([[998, 2, 0], [100, 600, 300], [0, None, 0]])
    assert [cell.level for cell in cells[0]] == [6, 1, 0]
    assert [cell.level for cell in cells[1]] == [4, 5, 5]
    assert [cell.kind for cell in cells[1]] == ["miss", "hit", "miss"]
    assert [cell.text for cell in cells[2]] == ["0", "—", "0"]


def test_bars_have_the_labels_that_they_are_given_if_there_is_one_for_each() -> None:
    assert [bar.label for bar in bars([1, 2], 100.0, "", labels=["north", "south"])] == ["north", "south"]
    assert [bar.label for bar in bars([1, 2], 100.0, "", labels=["north"])] == ["0", "1"]
