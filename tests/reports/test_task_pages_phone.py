"""Pages of the inpainting and sequence tasks in a real browser, as wide as a phone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.types import Figure, Metric, Role
from reports.common import page_name
from reports.site import render
from tests.reports.examples import scored
from tests.reports.test_browser import CHROMIUM, dump, outer
from tests.reports.test_task_pages import COLUMNS, bands, histogram, line, picture

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
WIDTH = 390


def test_charts_and_galleries_fit_and_nothing_is_refused_by_the_policy(tmp_path: Path) -> None:
    results, site = tmp_path / "results", tmp_path / "site"
    results.mkdir()
    sizes = {
        "best": (148, 118),
        "median": (148, 118),
        "success": (118, 208),
        "undecided": (428, 342),
        "other": (9, 999),
    }
    for name, size in sizes.items():
        pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(results / f"{name}.png")
    metrics = {
        f"own_cross_entropy_{10 * n}": Metric(0.1234, "nats/pixel", "lower", 100, 0.1, 0.2) for n in range(1, 9)
    } | {"masked_mse": Metric(0.13, "squared gray value", "lower", 10_000, 0.129, 0.131)}
    record = replace(
        scored("s1", "Team Gauss", 0.99),
        metrics=metrics,
        primary="masked_mse",
        figures=(
            picture("best", "best.png", "Best and median images", COLUMNS),
            picture("median", "median.png", "Best and median images", COLUMNS),
            picture("success", "success.png", "Completions", ("image", "given", *["drawn"] * 5)),
            picture("undecided", "undecided.png", "Missing pixels", ("hole", "lit?", "answer", "truth")),
            Figure("other", "picture", "Other", {}, file="other.png"),
            histogram([int(10_000 * 0.8**n) for n in range(40)], [n / 100 for n in range(41)]),
            line("cross-entropy-by-row", [0.01 * n for n in range(28)]),
            bands(),
        ),
    )
    baseline = replace(record, submission="gray", name="A baseline with a rather long name", role=Role.BASELINE)
    render([record, baseline], results, site)
    for name in ("index.html", f"submissions/{page_name('s1')}"):
        _, log = dump(site / name, tmp_path / "profile")
        assert log == ""
        folder = tmp_path / page_name(name)
        folder.mkdir()
        script = """
        const wide = document.documentElement.scrollWidth;
        const seen = Array.from(document.querySelectorAll("svg.chart, svg.panel, .gallery img"));
        const beyond = seen.filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).length;
        parent.postMessage(wide + "/" + seen.length + "/" + beyond, "*");
        """
        inner = outer(site / name, folder, script, WIDTH)
        frame = folder / "frame.html"
        frame.write_text(
            "<!doctype html><script>onmessage = e => document.body.dataset.told = e.data</script>"
            f'<body><iframe src="{inner.name}" style="width:{WIDTH}px;height:800px;border:0"></iframe>'
        )
        dom, _ = dump(frame, folder / "profile")
        told = re.search(r'data-told="(\d+)/(\d+)/(\d+)"', dom)
        assert told is not None
        wide, drawn, beyond = (int(number) for number in told.groups())
        assert wide <= WIDTH
        assert beyond == 0
        # Two charts, six panels, four pictures in galleries.
        assert drawn == (0 if name == "index.html" else 12)
