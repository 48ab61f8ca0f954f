"""Ranks and who may be compared with whom, against cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.totals import primary_metric
from harness.types import NOTHING_HANDED_IN, Failure, Metric, Record, Role, Score, Status
from reports.leaderboard import leaderboard, places, totals
from tests.reports.examples import scored, unscored, with_scores


def entry(
    submission: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any
) -> Record:
    """A record whose primary metric is exactly this."""
    metric = Metric(value, "share", "higher", 10_000, low, high, **more.pop("metric", {}))
    return replace(scored(submission, submission.upper(), 0.99), metrics={"accuracy": metric}, **more)


def right(hits: int, n: int = 1000) -> list[float]:
    """Scores of an entry that is right on the first questions."""
    return [1.0] * hits + [0.0] * (n - hits)


def ends(frame: pd.DataFrame) -> list[tuple[int, int] | None]:
    """Ranks in the order of the rows; None for none."""
    rows = zip(frame["rank_low"], frame["rank_high"], strict=True)
    return [None if pd.isna(low) else (low, high) for low, high in rows]


def test_ranks_and_order(tmp_path: Path) -> None:
    # Right where another is wrong: a of b 4 (p = .125), of c 9 (.0039), of d 30, b of c 5 (.0625), of d 26, c of d 21.
    # By Holm's procedure d differs from all, and a from c: .0039 ≤ .05 / 3.
    hits = {"d": 960, "a": 990, "c": 981, "b": 986}
    records = [with_scores(tmp_path, entry(name, of / 1000), right(of)) for name, of in hits.items()]
    records.append(with_scores(tmp_path, entry("x", 0.999, role=Role.REFERENCE), right(999)))
    frame = leaderboard(records, tmp_path)
    assert list(frame["submission"]) == ["x", "a", "b", "c", "d"]
    assert list(frame["role"]) == ["reference", *["student"] * 4]
    # The reference model, though clear of all, moves no rank.
    assert ends(frame) == [None, (1, 2), (1, 3), (2, 3), (4, 4)]
    assert list(frame["record"]) == [4, 1, 3, 2, 0]


def test_without_scores_nobody_is_told_apart(tmp_path: Path) -> None:
    apart = [with_scores(tmp_path, entry(name, of / 1000), right(of)) for name, of in (("a", 990), ("b", 500))]
    assert ends(leaderboard(apart, tmp_path)) == [(1, 1), (2, 2)]
    assert ends(leaderboard(apart)) == [(1, 2), (1, 2)]
    lost = entry("c", 0.7)
    assert ends(leaderboard([*apart, lost], tmp_path)) == [(1, 2), (1, 3), (2, 3)]
    fewer = with_scores(tmp_path, lost, right(7, 10))
    assert ends(leaderboard([*apart, fewer], tmp_path)) == [(1, 2), (1, 3), (2, 3)]
    (tmp_path / fewer.arrays).write_bytes(b"no archive")
    assert ends(leaderboard([*apart, fewer], tmp_path)) == [(1, 2), (1, 3), (2, 3)]


def test_lower_is_better_ranks_the_smallest_first(tmp_path: Path) -> None:
    low = Metric(0.02, "mse", "lower", 100, 0.019, 0.021)
    records = [
        replace(scored(name, name, 0.99), metrics={"accuracy": replace(low, value=value, low=None, high=None)})
        for name, value in (("x", 0.05), ("y", 0.02), ("z", 0.03))
    ]
    noise = np.random.default_rng(0).normal(0, 0.001, 100)
    kept = [with_scores(tmp_path, r, r.metrics["accuracy"].value + place * noise) for place, r in enumerate(records)]
    frame = leaderboard(kept, tmp_path)
    assert list(frame["submission"]) == ["y", "z", "x"]
    assert ends(frame) == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_has_no_finite_value_never_ranks(value: float | None) -> None:
    frame = leaderboard([entry("bad", value, 0.9, 1.0), entry("good", 0.1, 0.09, 0.11)])
    assert list(frame["submission"]) == ["good", "bad"]
    assert ends(frame) == [(1, 1), None]
    assert pd.isna(frame["value"].iloc[1])
    assert frame["table"].nunique() == 1
    total = totals([entry("bad", value, 0.9, 1.0)]).iloc[0]
    assert total["points"] == 0.0
    assert total["complete"]
    assert not total["passed"]


def test_a_nan_interval_falls_back_to_the_value() -> None:
    frame = leaderboard([entry("a", 0.99, math.nan, math.nan)])
    assert (frame["low"].iloc[0], frame["high"].iloc[0]) == (0.99, 0.99)


def test_failed_and_not_gradable_come_last_without_points() -> None:
    failed = unscored("f", "F", Failure("checkpoint", "truncated", "cut"))
    zeroed = replace(failed, submission="z", score=Score(0.0, 20.0, False, "none"))
    broken = unscored("b", "B", Failure("marking", "judge", "gone", fault="harness"))
    frame = leaderboard([broken, zeroed, failed, entry("low", 0.001, 0.0, 0.002)])
    assert list(frame["submission"]) == ["low", "f", "z", "b"]
    assert frame["table"].nunique() == 1
    assert frame["points"].iloc[1:].isna().all()
    assert ends(frame)[1:] == [None] * 3


def test_failed_record_with_leftover_metrics_has_no_primary() -> None:
    record = replace(scored("s", "S", 0.99), status=Status.FAILED, failure=Failure("worker", "crash", "x"))
    assert primary_metric(record) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "digits"},
        {"assignment": "other"},
        {"task": "other"},
        {"part": "other"},
        {"protocol": 2},
        {"seed": 7},
        {"metric": {"version": 2}},
        {"digests": {"data": "5f" * 32, "judge": "ff" * 32}},
        {"digests": {"data": "00" * 32, "judge": "a7c1" * 16}},
    ],
)
def test_what_differs_never_shares_a_table(changes: dict[str, Any]) -> None:
    frame = leaderboard([entry("a", 0.99), entry("b", 0.98, **changes)])
    assert frame["table"].nunique() == 2
    assert ends(frame) == [(1, 1), (1, 1)]


def test_the_grader_does_not_split_a_table() -> None:
    other = replace(entry("b", 0.98), versions={"gradebench": "9"})
    assert leaderboard([entry("a", 0.99), other])["table"].nunique() == 1


def test_totals_by_hand() -> None:
    cgan = {"part": "cgan", "model": "cgan"}
    records = [
        scored("a", "A", 0.96),  # 12.5 of 20
        scored("b", "B", 0.99),  # 20 of 20
        replace(scored("b", "B", 0.99), **cgan),  # 20 of 20
        scored("c", "C", 0.99),
        unscored("c", "C", Failure("worker", "crash", "x"), **cgan),
        scored("d", "D", 0.99),
        unscored("d", "D", Failure("marking", "judge", "x", fault="harness"), **cgan),
        unscored("e", "E", Failure("intake", "bomb", "x")),
        scored("f", "F", 0.99),
        unscored("f", "F", Failure("intake", NOTHING_HANDED_IN, "x"), **cgan),
        unscored("g", "G", Failure("marking", "judge", "x", fault="harness")),
        unscored("h", "H", Failure("marking", "judge", "x", fault="harness")),
        unscored("h", "H", Failure("worker", "crash", "x"), **cgan),
    ]
    frame = totals([replace(record, full_marks=75.0) for record in records])
    assert list(frame["submission"]) == ["b", "c", "f", "a", "e", "d", "h", "g"]
    assert set(frame["max_points"]) == {75.0}
    assert list(frame["points"].iloc[:7]) == [40.0, 20.0, 20.0, 12.5, 0.0, 20.0, 0.0]
    assert pd.isna(frame["points"].iloc[7])
    assert list(frame["complete"]) == [True, True, True, True, True, False, False, False]
    assert list(frame["passed"]) == [True, False, False, False, False, False, False, False]
    assert list(frame["not_handed_in"]) == [0, 0, 1, 0, 0, 0, 0, 0]


def test_records_that_tell_no_full_marks_are_out_of_the_best_of_their_parts() -> None:
    cgan = {"part": "cgan", "model": "cgan"}
    records = [
        scored("a", "A", 0.96),
        replace(scored("b", "B", 0.99), **cgan),
        unscored("b", "B", Failure("worker", "crash", "x")),
    ]
    frame = totals(records)
    assert list(frame["submission"]) == ["b", "a"]
    assert list(frame["max_points"]) == [40.0, 20.0]


def test_the_full_marks_of_the_newest_grading_count() -> None:
    old = replace(scored("a", "A", 0.99), full_marks=75.0, graded_at="2026-01-01")
    new = replace(scored("a", "A", 0.99), part="cgan", full_marks=60.0, graded_at="2026-01-02")
    assert list(totals([new, old])["max_points"]) == [60.0]
    assert list(totals([replace(new, full_marks=0.0), old])["max_points"]) == [75.0]


def test_places_are_those_of_the_newest_grading(tmp_path: Path) -> None:
    records = [
        entry("a", 0.99),
        entry("b", 0.98),
        entry("b", 0.90, protocol=2),
        entry("c", 0.95, protocol=2),
        entry("r", 0.999, role=Role.REFERENCE),
        unscored("d", "D", Failure("worker", "crash", "x")),
    ]
    assert places(records) == {("a", "cvae"): (1, 2), ("c", "cvae"): (1, 2), ("b", "cvae"): (1, 2)}
    (better, worse) = (with_scores(tmp_path, r, right(n)) for r, n in ((records[3], 950), (records[2], 900)))
    found = places([*records[:2], better, worse], tmp_path)
    assert found == {("a", "cvae"): (1, 2), ("c", "cvae"): (1, 1), ("b", "cvae"): (2, 2)}


def test_totals_keep_the_newest_protocol_only_and_data_apart() -> None:
    old, new = scored("a", "A", 0.99), replace(scored("a", "A", 0.96), protocol=2, graded_at="2020-01-01")
    assert list(totals([new, old])["points"]) == [12.5]
    assert len(totals([old, replace(old, data="digits")])) == 2


def test_a_record_without_a_data_digest_joins_the_others() -> None:
    lost = unscored("z", "Z", Failure("intake", "bomb", "x"), digests={})
    assert totals([scored("a", "A", 0.99), lost])["data_digest"].nunique() == 1


def test_no_records() -> None:
    assert len(leaderboard([])) == 0
    assert len(totals([])) == 0


def test_tables_stand_in_the_order_of_the_assignments_parts() -> None:
    parts = [("zeta", 0), ("alpha", 1), ("mu", 2)]
    records = [entry("a", 0.9, part=part, order=order) for part, order in reversed(parts)]
    # One record of an older assignment, that knew another order, splits no table.
    records.append(entry("b", 0.8, part="alpha", order=7))
    frame = leaderboard(records)
    assert list(dict.fromkeys(frame["part"])) == ["zeta", "alpha", "mu"]
    assert frame["table"].nunique() == 3


def test_a_student_and_a_reference_of_one_id_are_summed_apart() -> None:
    frame = totals([entry("x", 0.99), entry("x", 0.99, part="cgan", role=Role.REFERENCE)])
    assert list(frame["role"]) == ["reference", "student"]
    assert list(frame["points"]) == [20.0, 20.0]
