"""Pages of the inpainting and sequence tasks: pictures with captions, charts, and any number of metrics."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.types import Figure, Metric, Record
from reports.common import page_name
from reports.drawing import draw
from reports.index import index_view
from reports.page import submission_view
from reports.plots import axis, common_scale, interval_figure
from reports.site import render
from tests.reports.examples import scored
from tests.reports.test_site import Page, check_markup

ERROR = Metric(0.13, "squared gray value", "lower", 10_000, 0.1291, 0.1309, title="masked MSE")
NATS = Metric(0.0905, "nats/pixel", "lower", 10_000, 0.0901, 0.0909, title="cross-entropy")
COLUMNS = ("original", "corrupted", "recovered", "error")
GROUP = "Best, median and worst images"


def record(**changes: Any) -> Record:
    base = replace(scored("s1", "Team Gauss", 0.99), figures=(), evidence=(), gates={})
    return replace(base, metrics={"masked_mse": ERROR}, primary="masked_mse", **changes)


def picture(name: str, file: str, group: str, columns: tuple[str, ...]) -> Figure:
    return Figure(name, "picture", name.capitalize(), {}, "What is seen.", columns=columns, group=group, file=file)


def histogram(counts: Any, edges: Any) -> Figure:
    data = {"counts": counts, "edges": edges}
    axes = {"x": "mean squared error of an image", "y": "images", "unit": "squared gray value"}
    return Figure("errors", "histogram", "Error of single images", data, **axes)


def line(name: str, values: Any) -> Figure:
    return Figure(name, "line", name.capitalize(), {"values": values}, x="row of the image", y="nats per pixel")


def bands(panels: Any = None) -> Figure:
    """Probabilities over time of three streams, as a model and the Bayes predictor have them."""
    if panels is None:
        panels = np.random.default_rng(1).dirichlet(np.ones(4), size=(6, 99)).tolist()
    titles = tuple(f"Stream {n}, {whose}" for n in (1, 2, 3) for whose in ("model", "Bayes predictor"))
    series = ("1", "2", "3", "RESET")
    return Figure("over-time", "bands", "Over time", {"panels": panels}, "99 steps.", columns=titles, series=series)


def written(one: Record, tmp_path: Path) -> str:
    """The page of a record, checked to be sound."""
    for figure in one.figures:
        if figure.file:
            (tmp_path / figure.file).parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(0).integers(0, 256, (148, 118), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / figure.file)
    render([one], tmp_path, tmp_path / "site")
    name = f"submissions/{page_name('s1')}"
    text = (tmp_path / "site" / name).read_text("utf-8")
    check_markup(Page(text), name, tmp_path / "site")
    return text


def spoken(text: str) -> str:
    return " ".join(" ".join(Page(text).words).split())


def test_best_median_and_worst_stand_side_by_side_with_captions(tmp_path: Path) -> None:
    three = [picture(name, f"s1/pca.{name}.png", GROUP, COLUMNS) for name in ("best", "median", "worst")]
    another = Figure("another", "picture", "Another", {}, file="s1/pca.another.png")
    text = written(record(figures=(another, *three)), tmp_path)
    said = spoken(text)
    assert said.count("original corrupted recovered error") == 3
    places = [said.index(f" {title} original") for title in ("Best", "Median", "Worst")]
    assert places == sorted(places)
    assert said.count(f"{GROUP} What is seen.") == 1
    assert "Another" in said
    images = Page(text).of("img")
    assert [image["alt"] for image in images] == [
        "Best; columns: original, corrupted, recovered, error",
        "Median; columns: original, corrupted, recovered, error",
        "Worst; columns: original, corrupted, recovered, error",
        "Another",
    ]


def test_a_picture_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    names = ("best", "median", "worst")
    one = record(figures=tuple(picture(name, f"s1/{name}.png", GROUP, COLUMNS) for name in names))
    written(one, tmp_path)
    (tmp_path / "s1" / "median.png").unlink()
    (part,) = submission_view([one], tmp_path).parts
    (gallery,) = part.drawings.galleries
    assert [shown.picture is None for shown in gallery.pictures] == [False, True, False]
    render([one], tmp_path, tmp_path / "site")


@pytest.mark.parametrize("columns", [("image", "given", *["drawn"] * 5), ("hole", "lit?", "answer", "truth")])
def test_pictures_of_a_group_have_titles_above_their_columns(columns: tuple[str, ...], tmp_path: Path) -> None:
    names = ("success", "high-variance", "failure")
    text = written(record(figures=tuple(picture(name, f"s1/{name}.png", "Group", columns) for name in names)), tmp_path)
    assert spoken(text).count(" ".join(columns)) == 3


def test_a_picture_alone_has_titles_above_its_columns_too(tmp_path: Path) -> None:
    one = picture("samples", "s1/samples.png", "", tuple("0123456789"))
    text = written(record(figures=(one,)), tmp_path)
    assert spoken(text).count("0 1 2 3 4 5 6 7 8 9") == 1
    (image,) = Page(text).of("img")
    assert image["alt"] == "Samples; columns: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"


@pytest.mark.parametrize(
    ("strip", "height"),
    [((0.0, 0.2), 30), ((1 / 3, 2 / 3), 50), ((0.75, 1.0), 37), ((0.0, 0.0), None), ((-1.0, 9.0), None)],
)
def test_the_strip_beside_an_entry_is_the_one_that_the_figure_names(
    strip: tuple[float, float], height: int | None, tmp_path: Path
) -> None:
    without = picture("best", "s1/best.png", GROUP, COLUMNS)
    one = record(figures=(without, replace(without, name="median", file="s1/median.png", strip=strip)))
    written(one, tmp_path)
    (section,) = index_view([one], tmp_path)
    samples = section.tables[0].ranked[0].samples
    assert (None if samples is None else samples.height) == height


def test_the_histogram_marks_the_mean(tmp_path: Path) -> None:
    one = record(figures=(histogram([5, 10, 5], [0.0, 0.1, 0.2, 0.3]),))
    drawn = draw(one, tmp_path)
    (chart,) = drawn.charts
    assert drawn.plain == ()
    assert chart.title == "Error of single images"
    assert chart.histogram is not None
    assert chart.histogram.mean_text == "mean 0.1300"
    text = written(one, tmp_path)
    assert "Histogram of 20 images by mean squared error of an image" in text
    assert len([rect for rect in Page(text).of("rect") if rect["class"] == "bar"]) == 3
    # The mean of another unit is not that of the histogram.
    accuracy = replace(one, metrics={"accuracy": Metric(0.13, "share", "higher", 20)}, primary="accuracy")
    (chart,) = draw(accuracy, tmp_path).charts
    assert chart.histogram is not None
    assert chart.histogram.mean is None


def test_a_damaged_histogram_is_shown_as_text(tmp_path: Path) -> None:
    drawn = draw(record(figures=(histogram([5, None], [0.0, 0.1, 0.2]),)), tmp_path)
    assert drawn.charts == ()
    assert [table.title for table in drawn.plain] == ["Error of single images: counts", "Error of single images: edges"]


def test_a_line_has_titles_on_both_axes(tmp_path: Path) -> None:
    values = [0.01 * row for row in range(28)]
    one = record(figures=(line("bits by row", values), line("cross-entropy by row", values)))
    drawn = draw(one, tmp_path)
    assert [chart.title for chart in drawn.charts] == ["Bits by row", "Cross-entropy by row"]
    assert all(chart.line is not None and len(chart.line.points) == 28 for chart in drawn.charts)
    text = written(one, tmp_path)
    assert "nats per pixel by row of the image: 0 to 0.27, largest at 27" in text


def test_bands_stand_in_pairs_under_their_titles(tmp_path: Path) -> None:
    one = record(figures=(bands(),))
    (drawn,) = draw(one, tmp_path).bands
    assert [panel.title for panel in drawn.panels] == [
        f"Stream {n}, {whose}" for n in (1, 2, 3) for whose in ("model", "Bayes predictor")
    ]
    text = written(one, tmp_path)
    assert "1 2 3 RESET" in spoken(text)
    assert "Over time 99 steps." in spoken(text)
    panels = [svg for svg in Page(text).of("svg") if svg.get("class") == "panel"]
    assert len(panels) == 6
    assert len(text) < 150_000


SHAPELESS = [
    [[[0.5] * 7]],
    [[0.5] * 8],
    [[[0.5] * 4, [0.5]]],
    [[[0.5] * 4], [[0.5] * 3]],
    "x",
    [[[None] * 4]],
    None,
    {},
    [],
    7,
]


@pytest.mark.parametrize("values", SHAPELESS)
@pytest.mark.parametrize("kind", ["bands", "bars", "matrix", "histogram", "line", "table", "picture"])
def test_data_of_another_shape_is_shown_as_text(kind: Any, values: Any, tmp_path: Path) -> None:
    data = dict.fromkeys(("values", "counts", "edges", "panels", "gate", "real"), values)
    one = record(figures=(replace(bands(), kind=kind, data=data), replace(bands(), kind=kind, data={})))
    drawn = draw(one, tmp_path)
    assert drawn.bands == drawn.heats == drawn.charts == drawn.bars == ()
    assert len(drawn.plain) == (0 if kind == "picture" else 6)
    written(one, tmp_path)


def test_every_metric_has_its_unit_and_interval_in_the_tasks_order(tmp_path: Path) -> None:
    metrics = {
        "mse": replace(ERROR, value=0.02335, low=0.0233, high=0.0234, title="MSE"),
        "masked_mse": ERROR,
        "cross_entropy": NATS,
        "cross_entropy_1": replace(
            NATS, unit="nats/case", value=0.5, low=None, high=None, title="cross-entropy over 1 pixel"
        ),
        "cross_entropy_28": replace(NATS, title="cross-entropy over 28 pixels"),
        "bits_per_dim": Metric(1.891, "bits/dim", "lower", 10),
        "elbo": Metric(-104.2, "nats", "higher", 10, title="ELBO"),
        "plausibility": Metric(0.917, "share", "higher", 2000, 0.904, 0.928, title="plausibility"),
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
