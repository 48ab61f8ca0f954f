"""Pages of the inpainting and sequence tasks: pictures with captions, charts, and any number of metrics."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.types import Metric, Record
from reports.common import page_name, words
from reports.figures import axis, common_scale, interval_figure, number_text, unit_text
from reports.page import submission_view
from reports.site import render
from reports.tables import draw
from tests.reports.examples import scored
from tests.reports.test_site import Page, check_markup

ERROR = Metric(0.13, "squared gray value", "lower", 10_000, 0.1291, 0.1309)
NATS = Metric(0.0905, "nats/pixel", "lower", 10_000, 0.0901, 0.0909)


def record(**changes: Any) -> Record:
    base = replace(scored("s1", "Team Gauss", 0.99), tables={}, pictures={}, evidence=(), gates={})
    return replace(base, metrics={"masked_mse": ERROR}, primary="masked_mse", **changes)


def written(one: Record, tmp_path: Path) -> str:
    """The page of a record, checked to be sound."""
    for file in one.pictures.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 256, (148, 118), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / file)
    render([one], tmp_path, tmp_path / "site")
    name = f"submissions/{page_name('s1')}"
    text = (tmp_path / "site" / name).read_text("utf-8")
    check_markup(Page(text), name, tmp_path / "site")
    return text


def spoken(text: str) -> str:
    return " ".join(" ".join(Page(text).words).split())


def test_best_median_and_worst_stand_side_by_side_with_captions(tmp_path: Path) -> None:
    names = {name: f"s1/pca.{name}.png" for name in ("best", "median", "worst", "another")}
    text = written(record(pictures=names), tmp_path)
    said = spoken(text)
    assert said.count("original corrupted recovered error") == 3
    places = [said.index(f" {title} original") for title in ("Best", "Median", "Worst")]
    assert places == sorted(places)
    assert "Another" in said
    images = Page(text).of("img")
    assert [image["alt"] for image in images] == [
        "Best; columns: original, corrupted, recovered, error",
        "Median; columns: original, corrupted, recovered, error",
        "Worst; columns: original, corrupted, recovered, error",
        "Another",
    ]


def test_a_picture_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    one = record(pictures={name: f"s1/{name}.png" for name in ("best", "median", "worst")})
    written(one, tmp_path)
    (tmp_path / "s1" / "median.png").unlink()
    (part,) = submission_view([one], tmp_path).parts
    (gallery,) = part.galleries
    assert [shown.picture is None for shown in gallery.pictures] == [False, True, False]
    render([one], tmp_path, tmp_path / "site")


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("success", "failure", "high variance"), "image given drawn drawn drawn drawn drawn"),
        (("known best", "known worst", "undecided"), "hole lit? answer truth"),
    ],
)
def test_pictures_of_sequences_have_captions(names: tuple[str, ...], columns: str, tmp_path: Path) -> None:
    text = written(record(pictures={name: f"s1/{name}.png" for name in names}), tmp_path)
    assert spoken(text).count(columns) == 3


def test_the_histogram_marks_the_mean_and_takes_both_tables(tmp_path: Path) -> None:
    one = record(tables={"mse counts": [5, 10, 5], "mse edges": [0.0, 0.1, 0.2, 0.3]})
    drawn = draw(one)
    (histogram,) = drawn.histograms
    assert drawn.plain == ()
    assert histogram.mean_text == "mean 0.1300"
    text = written(one, tmp_path)
    assert "Histogram of 20 images by their mean squared error" in text
    assert len([rect for rect in Page(text).of("rect") if rect["class"] == "bar"]) == 3
    # Of a metric that is no error the mean is not that of the histogram.
    accuracy = replace(one, metrics={"accuracy": Metric(0.13, "share", "higher", 20)}, primary="accuracy")
    assert draw(accuracy).histograms[0].mean is None


def test_a_damaged_histogram_is_shown_as_text(tmp_path: Path) -> None:
    drawn = draw(record(tables={"mse counts": [5, None], "mse edges": [0.0, 0.1, 0.2]}))
    assert drawn.histograms == ()
    assert [table.title for table in drawn.plain] == ["MSE counts", "MSE edges"]


def test_cross_entropy_by_row_is_a_line(tmp_path: Path) -> None:
    values = [0.01 * row for row in range(28)]
    one = record(tables={"cross-entropy by row": values, "bits by row": values})
    drawn = draw(one)
    assert [chart.title for chart in drawn.lines] == ["Bits by row", "Cross-entropy by row"]
    assert all(len(chart.line.points) == 28 for chart in drawn.lines)
    text = written(one, tmp_path)
    assert "nats per pixel by row of the image: 0 to 0.27, largest at 27" in text


def over_time(streams: int = 3, steps: int = 99) -> list[Any]:
    rng = np.random.default_rng(1)
    halves = [rng.dirichlet(np.ones(4), size=(streams, steps)) for _ in range(2)]
    probabilities: list[Any] = np.concatenate(halves, axis=2).tolist()
    return probabilities


def test_probabilities_over_time_stand_beside_those_of_bayes(tmp_path: Path) -> None:
    one = record(tables={"probabilities over time": over_time()})
    (compared,) = draw(one).over_time
    assert [(model.title, best.title) for model, best in compared.pairs] == [
        (f"Stream {n}, model", f"Stream {n}, Bayes predictor") for n in (1, 2, 3)
    ]
    text = written(one, tmp_path)
    assert "1 2 3 RESET" in spoken(text)
    panels = [svg for svg in Page(text).of("svg") if svg.get("class") == "panel"]
    assert len(panels) == 6
    assert len(text) < 150_000


@pytest.mark.parametrize("table", [[[[0.5] * 7]], [[0.5] * 8], [[[0.5] * 8, [0.5]]], "x", [[[None] * 8]]])
def test_probabilities_of_another_shape_are_shown_as_text(table: Any, tmp_path: Path) -> None:
    one = record(tables={"probabilities over time": table})
    assert draw(one).over_time == ()
    assert len(draw(one).plain) == 1
    written(one, tmp_path)


def test_every_metric_has_its_unit_and_interval_in_the_tasks_order(tmp_path: Path) -> None:
    metrics = {
        "mse": replace(ERROR, value=0.02335, low=0.0233, high=0.0234),
        "masked_mse": ERROR,
        "cross_entropy": NATS,
        "cross_entropy_1": replace(NATS, unit="nats/case", value=0.5, low=None, high=None),
        "cross_entropy_28": NATS,
        "bits_per_dim": Metric(1.891, "bits/dim", "lower", 10),
        "elbo": Metric(-104.2, "nats", "higher", 10),
        "plausibility": Metric(0.917, "share", "higher", 2000, 0.904, 0.928),
        "nothing": Metric(None, "nats", "lower", 0),
    }
    one = replace(record(), metrics=metrics)
    (part,) = submission_view([one], tmp_path).parts
    rows = [(row.name, row.unit, row.value, row.interval) for row in part.metrics]
    thin = "\u202f"
    assert rows == [
        ("Masked MSE", "squared gray value", "0.1300", "0.1291 – 0.1309"),
        ("MSE", "squared gray value", "0.02335", "0.02330 – 0.02340"),
        ("Cross-entropy", "", f"0.09050{thin}nats/pixel", f"0.09010 – 0.09090{thin}nats/pixel"),
        ("Cross-entropy over 1 pixel", "", f"0.5000{thin}nats/case", ""),
        ("Cross-entropy over 28 pixels", "", f"0.09050{thin}nats/pixel", f"0.09010 – 0.09090{thin}nats/pixel"),
        ("Bits per dim", "", f"1.891{thin}bits/dim", ""),
        ("ELBO", "", f"\u2212104.2{thin}nats", ""),
        ("Plausibility", "", f"91.70{thin}%", f"90.40 – 92.80{thin}%"),
        ("Nothing", "", "not measured", ""),
    ]
    assert (part.headline, part.headline_unit) == ("0.1300", "squared gray value")
    (part,) = submission_view([replace(one, primary="cross_entropy")], tmp_path).parts
    assert (part.headline, part.headline_unit) == ("0.09050", "nats/pixel")
    written(one, tmp_path)


def test_units() -> None:
    assert number_text(0.07, "MSE") == "0.07000"
    assert number_text(1234.5, "MSE") == "1234"
    assert unit_text("nats/step") == unit_text("bits/dim") == unit_text("share") == ""
    assert unit_text("MSE") == "MSE"


def test_words_of_the_new_tasks() -> None:
    said = {
        "two-by-two-inpainting": "two-by-two inpainting",
        "one-pixel-inpainting": "one-pixel inpainting",
        "excess_cross_entropy": "excess cross-entropy",
        "cross_entropy_stream_2": "cross-entropy, stream 2",
        "symbols-m3": "symbols M3",
        "realnvp": "RealNVP",
        "own_cross_entropy_300": "own cross-entropy over 300 pixels",
    }
    assert {name: words(name) for name in said} == said


def test_where_lower_is_better_the_axis_has_as_much_room_beyond_the_mark() -> None:
    def error(value: float) -> Metric:
        return Metric(value, "squared gray value", "lower", 100, value, value)

    good, near, far = error(0.05), error(0.12), error(0.48)
    scale = common_scale([good, near, far], 0.10)
    # From .05 to .15, and 6 % of that beyond.
    assert (scale.low, scale.high) == pytest.approx((0.044, 0.156))
    seen = [interval_figure(metric, 0.10, scale) for metric in (good, near, far)]
    assert [figure and figure.off for figure in seen] == ["", "", "right"]
    assert [tick.text for tick in axis(scale, 0.10, "squared gray value")] == ["0.044", "0.1", "0.156"]
    # Just at the mark, half the mark is left beyond it, so that the others don't all leave the axis.
    assert common_scale([error(0.0999), near], 0.10).high > 0.12
    # Nothing reaches the mark: all are shown.
    assert common_scale([near, far], 0.10).high > 0.48
    assert common_scale([good], 0.10).low > 0


def test_labels_of_an_axis_do_not_touch() -> None:
    scale = common_scale([Metric(0.13, "MSE", "lower", 9, 0.13, 0.1301)], 0.1346)
    texts = [tick.text for tick in axis(scale, 0.1346, "MSE")]
    assert texts == ["0.13", "0.1346"]
    assert not re.search(r"\d{8}", "".join(texts))
