"""The summary of a class, and the runs that a results folder remembers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.types import Failure
from reports.classroom import BAR, summary
from reports.history import FILE, earlier, remember
from tests.reports.examples import a_class, cgan, scored, unscored


def test_difficulty_counts_what_was_passed_and_leaves_out_what_the_harness_broke(tmp_path: Path) -> None:
    found = summary(a_class(tmp_path), [20.0, 20.0, 20.0, 12.5, 12.5, 0.0, 0.0], 20.0)
    assert found is not None
    first, second = found.difficulty
    # Four of eight reached 98 %: s1001, s1002, s1003 and s1008; s1007 could not be graded.
    assert (first.passed, first.count, first.share, first.length) == (4, 8, "50\u202f%", BAR / 2)
    values = sorted([0.9962, 0.9948, 0.9871, 1.0, 0.9604, 0.6212])
    assert first.median == f"{100 * (values[2] + values[3]) / 2:.2f}\u202f%"
    assert (second.passed, second.count) == (1, 2)
    assert found.median == "12.5"


def test_reasons_are_grouped_and_most_frequent_first() -> None:
    failure = Failure("checkpoint", "truncated", "…")
    records = [unscored(f"s{n}", "S", failure) for n in range(3)] + [scored(f"t{n}", "T", 0.9) for n in range(2)]
    found = summary(records, [0.0] * 5, 20.0)
    assert found is not None
    assert found.reasons == (("Truncated", 3), ("Pass mark missed", 2))


def test_distribution_counts_every_total_once() -> None:
    records = [scored(f"s{n}", "S", 0.99) for n in range(5)]
    found = summary(records, [0.0, 9.99, 10.0, 20.0, None], 20.0)
    assert found is not None and found.totals is not None
    bars = found.totals.columns
    heights = [bar.height for bar in bars]
    assert [index for index, height in enumerate(heights) if height] == [0, 4, 5, 9]
    assert summary(records[:2], [1.0, 2.0], 20.0) is None


def test_runs_are_remembered_when_totals_change_and_name_nobody(tmp_path: Path) -> None:
    records = [scored("s1001", "Team Gauss", 0.9), cgan(scored("s1001", "Team Gauss", 0.99)), scored("s2", "B", 0.99)]
    remember(tmp_path, records)
    remember(tmp_path, records)
    assert earlier(tmp_path, "tsinghua-hw3", "mnist") == ()
    better = [replace(scored("s1001", "Team Gauss", 0.99), graded_at="2026-03-09T08:00:00Z"), *records[1:]]
    remember(tmp_path, better)
    runs = earlier(tmp_path, "tsinghua-hw3", "mnist")
    assert [(run.day, run.submissions, run.parts, run.passed, run.median) for run in runs] == [
        ("2026-03-02", 2, 3, 2, "26.25"),
        ("2026-03-09", 2, 3, 3, "30"),
    ]
    text = (tmp_path / FILE).read_text("utf-8")
    assert "s1001" not in text and "Gauss" not in text
    assert earlier(tmp_path, "another", "mnist") == ()


def test_lines_that_are_no_runs_are_passed_over(tmp_path: Path) -> None:
    remember(tmp_path, [scored("a", "A", 0.99)])
    line = json.loads((tmp_path / FILE).read_text("utf-8"))
    odd = ["{", "[]", '"x"', json.dumps({**line, "totals": 3}), json.dumps({**line, "totals": ["x", None, True]})]
    with (tmp_path / FILE).open("a") as file:
        file.write("\n".join(odd) + "\n")
    assert [run.median for run in earlier(tmp_path, "tsinghua-hw3", "mnist")] == ["20", "—"]
