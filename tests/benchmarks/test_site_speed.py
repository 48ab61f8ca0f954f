"""Renders a class of 1,000 submissions in four parts, and opens its index in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.types import Failure, Record
from reports.site import render
from tests.reports.browser import CHROMIUM, started
from tests.reports.examples import cgan, sample_grid, scored, unscored

SUBMISSIONS = 1000
PICTURES = 20
FAILURE = Failure("checkpoint", "truncated", "best.pt ends after 1,048,576 of 7,163,904 bytes.")


def a_large_class(results: Path, submissions: int = SUBMISSIONS) -> list[Record]:
    """Records of a class, with pictures that are shared by many; a tenth of the parts failed."""
    for number in range(PICTURES):
        sample_grid(results / f"pictures/{number}.png", seed=number, noise=0.02)
    plain = scored("s", "S", 0.985)
    records = []
    for number in range(submissions):
        own = f"s{number:05}"
        picture = replace(plain.figures[0], file=f"pictures/{number % PICTURES}.png")
        for order in range(4):
            accuracy = 0.97 + 0.03 * ((number * 37 + order * 11) % submissions) / submissions
            metric = replace(
                plain.metrics["accuracy"], value=accuracy, low=accuracy - 0.002, high=min(1.0, accuracy + 0.002)
            )
            record = replace(
                cgan(plain) if order % 2 else plain,
                submission=own,
                name=f"Team {number:05}",
                part=f"part-{order}",
                part_title=f"Part number {order}",
                order=order,
                metrics={**plain.metrics, "accuracy": metric},
                figures=(picture, *plain.figures[1:]),
            )
            if (number + order) % 10 == 0:
                record = unscored(
                    own, record.name, FAILURE, part=record.part, part_title=record.part_title, order=order
                )
            records.append(record)
    return records


def test_a_class_of_a_thousand(compare: Any, tmp_path: Path) -> None:
    records = a_large_class(tmp_path / "results")
    few = a_large_class(tmp_path / "few", 50)
    row = compare(
        "pages of 1,000 submissions in four parts",
        lambda: render(records, tmp_path / "results", tmp_path / "site"),
        "a site for each 50 of them",
        lambda: render(few, tmp_path / "few", tmp_path / "few-site"),
        share=50 / SUBMISSIONS,
        rounds=1,
    )
    text = (tmp_path / "site" / "index.html").read_text("utf-8")
    without = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", text)
    print(f"index: {len(text) / 1000:.0f} kB, {len(without) / 1000:.0f} kB without images")
    # The cost of a page does not grow with the class.
    assert row.ours < 2 * row.naive
    assert len(without) < 700_000


TIMED = """(() => {{
  const start = performance.now();
  {};
  document.body.offsetHeight;
  return Math.round(performance.now() - start);
}})()"""
"""Milliseconds that a statement takes, the layout of what it shows included."""
FIND = """const field = document.querySelector('[data-filter=search]');
  field.value = '00123';
  field.dispatchEvent(new Event('input', {bubbles: true}))"""
ACTS = {
    "search": FIND,
    "all again": "document.querySelector('.controls button').click()",
    "sort by name": "document.querySelectorAll('thead button')[0].click()",
    "sort by number": "document.querySelectorAll('thead button')[1].click()",
}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_index_of_a_class_of_a_thousand_in_a_browser(tmp_path: Path) -> None:
    site = tmp_path / "site"
    render(a_large_class(tmp_path / "results"), tmp_path / "results", site)
    with started(tmp_path / "profile") as browser:
        for page in (site / "index.html", min((site / "parts").glob("*.html"))):
            browser.size(1280)
            browser.open(page)
            browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1")
            times = {name: browser.run(TIMED.format(act)) for name, act in ACTS.items()}
            print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB, first paint after {paint:.0f} ms; {times} ms")
            assert browser.problems == []
            assert browser.run("document.querySelectorAll('tbody.list')[0].rows.length") == 50
