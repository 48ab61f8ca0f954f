"""Geometry of the charts, held against numbers worked out by hand and against what the paths themselves say."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from reports.charts import histogram, line, nice_ticks, panel


@pytest.mark.parametrize(
    ("low", "high", "wanted", "ticks"),
    [
        (0.0, 0.55, 5, (0.0, 0.2, 0.4)),
        (0.0, 1.0, 5, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (-3.0, 7.0, 5, (-2.0, 0.0, 2.0, 4.0, 6.0)),
        (0.0, 0.0, 5, (0.0,)),
        (0.0, 4200.0, 4, (0.0, 2000.0, 4000.0)),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, wanted: int, ticks: tuple[float, ...]) -> None:
    assert nice_ticks(low, high, wanted) == ticks


def test_areas_of_a_histogram_are_as_its_counts() -> None:
    drawn = histogram(
        [1, 3, 0, 2], [0.0, 0.1, 0.2, 0.3, 0.4], 0.2, "error", "images", "squared gray value", width=448.0, height=200.0
    )
    assert drawn is not None
    heights = [column.height for column in drawn.columns]
    # Coordinates are rounded to tenths of a pixel.
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.3)
    assert heights[3] == pytest.approx(2 * heights[0], abs=0.3)
    assert heights[2] == 0
    assert all(column.y + column.height == pytest.approx(drawn.frame.bottom) for column in drawn.columns)
    # 448 pixels less 40 and 8 at the sides: 100 a bin.
    assert [column.x for column in drawn.columns] == [40.0, 140.0, 240.0, 340.0]
    assert drawn.mean == 240.0
    assert drawn.mean_text == "mean 0.2000"
    assert "6 images by error" in drawn.label
    assert "most of them, 3, between 0.1 and 0.2" in drawn.label


def test_a_single_image_in_the_tail_is_still_seen() -> None:
    drawn = histogram([10_000, 1], [0.0, 0.5, 1.0])
    assert drawn is not None
    assert drawn.columns[1].height > 1
    assert drawn.mean is None


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        (None, None),
        ([], [0.0]),
        ([1, 2], [0.0, 1.0]),
        ([1, -2], [0.0, 1.0, 2.0]),
        ([1, None], [0.0, 1.0, 2.0]),
        ([1, math.nan], [0.0, 1.0, 2.0]),
        ([1, 2], [0.0, 2.0, 1.0]),
        (["<b>", 2], [0.0, 1.0, 2.0]),
        ([[1], [2]], [0.0, 1.0, 2.0]),
        ("12", [0.0, 1.0, 2.0]),
    ],
)
def test_what_is_no_histogram_is_not_drawn(counts: object, edges: object) -> None:
    assert histogram(counts, edges) is None


def test_a_mean_outside_the_edges_is_not_marked() -> None:
    drawn = histogram([1, 2], [0.0, 1.0, 2.0], mean=3.0)
    assert drawn is not None
    assert (drawn.mean, drawn.mean_text) == (None, "")


def test_a_line_passes_through_its_values() -> None:
    drawn = line([0.0, 0.5, 1.0], "row", "nats", width=248.0, height=142.0)
    assert drawn is not None
    # From 40 to 240 across; 100 pixels high between 8 and 108, of which the largest value takes 1 / 1.04.
    assert [x for x, _ in drawn.points] == [40.0, 140.0, 240.0]
    assert [y for _, y in drawn.points] == pytest.approx([108.0, 108 - 50 / 1.04, 108 - 100 / 1.04], abs=0.06)
    numbers = [float(number) for number in re.findall(r"[\d.]+", drawn.path)]
    assert numbers == [number for point in drawn.points for number in point]
    assert drawn.label == "nats by row: 0 to 1, largest at 2"
    assert line([0.0, None], "row", "nats") is None
    assert line([1.0], "row", "nats") is None
    flat = line([0.0, 0.0], "row", "nats")
    assert flat is not None


def heights_of(path: str, height: float, places: list[float]) -> list[float]:
    """Heights of a band at some places across: its path, which has no slanted lines, followed as it is drawn."""
    moves = re.findall(r"([MHV])([\d. ]+)", path)
    x, y = 0.0, height
    steps: list[tuple[float, float, float]] = []  # from, to, level
    for kind, numbers in moves:
        if kind == "M":
            x, y = (float(number) for number in numbers.split())
        elif kind == "H":
            steps.append((x, float(numbers), y))
            x = float(numbers)
        else:
            y = float(numbers)
    return [height - next(level for a, b, level in steps if a <= place < b) for place in places]


def test_bands_are_the_cumulative_probabilities() -> None:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(4), size=20)
    probabilities[7] = probabilities[6]  # nothing moves there
    drawn = panel("Stream 1", probabilities.tolist(), width=200.0, height=100.0)
    assert drawn is not None
    assert [kind for kind, _ in drawn.bands] == [3, 2, 1, 0]  # the ground first
    places = [10.0 * step + 5 for step in range(20)]
    for kind, path in drawn.bands:
        expected = 100 * probabilities[:, : kind + 1].sum(axis=1)
        assert heights_of(path, 100.0, places) == pytest.approx(expected, abs=0.06)
    assert "over 20 steps" in drawn.label


def test_bands_of_what_does_not_sum_to_one_fill_the_panel_nevertheless() -> None:
    drawn = panel("p", [[2.0, 2.0], [0.0, 0.0], [-1.0, 3.0]], width=30.0, height=10.0)
    assert drawn is not None
    bands = dict(drawn.bands)
    assert heights_of(bands[0], 10.0, [5, 25]) == [5.0, 0.0]
    assert heights_of(bands[1], 10.0, [5, 25]) == [10.0, 10.0]
    assert panel("p", [[1.0], [0.5, 0.5]]) is None
    assert panel("p", []) is None
    assert panel("p", [[math.nan, 1.0]]) is None
    assert panel("p", "<b>") is None
