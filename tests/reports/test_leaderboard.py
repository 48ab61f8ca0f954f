"""Ranks, tiers and who may be compared with whom, against cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from harness.totals import primary_metric
from harness.types import NOTHING_HANDED_IN, Failure, Metric, Record, Role, Score, Status
from reports.leaderboard import leaderboard, places, tiers, totals
from tests.reports.examples import scored, unscored


def entry(
    submission: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any
) -> Record:
    """A record whose primary metric is exactly this."""
    metric = Metric(value, "share", "higher", 10_000, low, high, **more.pop("metric", {}))
    return replace(scored(submission, submission.upper(), 0.99), metrics={"accuracy": metric}, **more)


def test_tiers_by_hand() -> None:
    #                 leader          overlaps        touches         apart: leads    overlaps 2, not 1's chain
    intervals = [(0.985, 0.995), (0.980, 0.990), (0.970, 0.985), (0.960, 0.984), (0.940, 0.965), (0.930, 0.959)]
    assert tiers(intervals) == [1, 1, 1, 2, 2, 3]


def test_a_chain_of_overlaps_does_not_join_its_ends() -> None:
    assert tiers([(0.9, 1.0), (0.8, 0.91), (0.7, 0.81)]) == [1, 1, 2]


def test_a_wide_interval_does_not_climb_back() -> None:
    assert tiers([(0.98, 0.99), (0.90, 0.95), (0.10, 0.999)]) == [1, 2, 2]


def test_tiers_of_a_metric_where_lower_is_better() -> None:
    assert tiers([(0.01, 0.02), (0.015, 0.03), (0.021, 0.04)]) == [1, 1, 2]
    assert tiers([(0.01, 0.02), (0.02, 0.03), (0.0201, 0.04)]) == [1, 1, 2]  # touching is overlapping
    assert tiers([]) == []


def test_ranks_tiers_and_order() -> None:
    records = [
        entry("d", 0.970, 0.960, 0.984),
        entry("a", 0.990, 0.985, 0.995),
        entry("c", 0.985, 0.980, 0.990),
        entry("b", 0.985, 0.980, 0.990),
        entry("x", 0.999, 0.998, 1.0, role=Role.REFERENCE),
    ]
    frame = leaderboard(records)
    assert list(frame["submission"]) == ["x", "a", "b", "c", "d"]
    assert list(frame["role"]) == ["reference", *["student"] * 4]
    assert [None if pd.isna(rank) else rank for rank in frame["rank"]] == [None, 1, 2, 2, 4]
    # The reference model, though clear of all, neither leads a tier nor moves a rank.
    assert [None if pd.isna(tier) else tier for tier in frame["tier"]] == [None, 1, 1, 1, 2]
    assert list(frame["record"]) == [4, 1, 3, 2, 0]


def test_lower_is_better_ranks_the_smallest_first() -> None:
    low = Metric(0.02, "mse", "lower", 100, 0.019, 0.021)
    records = [
        replace(scored(name, name, 0.99), metrics={"accuracy": replace(low, value=value, low=None, high=None)})
        for name, value in (("x", 0.05), ("y", 0.02), ("z", 0.03))
    ]
    frame = leaderboard(records)
    assert list(frame["submission"]) == ["y", "z", "x"]
    assert list(frame["rank"]) == [1, 2, 3]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_has_no_finite_value_never_ranks(value: float | None) -> None:
    frame = leaderboard([entry("bad", value, 0.9, 1.0), entry("good", 0.1, 0.09, 0.11)])
    assert list(frame["submission"]) == ["good", "bad"]
    assert frame["rank"].iloc[0] == 1
    assert pd.isna(frame["rank"].iloc[1])
    assert pd.isna(frame["value"].iloc[1])
    assert pd.isna(frame["tier"].iloc[1])
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
    assert frame["rank"].iloc[1:].isna().all()


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
        {"metric": {"version": 2}},
        {"digests": {"data": "5f" * 32, "judge": "ff" * 32}},
        {"digests": {"data": "00" * 32, "judge": "a7c1" * 16}},
    ],
)
def test_what_differs_never_shares_a_table(changes: dict[str, Any]) -> None:
    frame = leaderboard([entry("a", 0.99), entry("b", 0.98, **changes)])
    assert frame["table"].nunique() == 2
    assert list(frame["rank"]) == [1, 1]


def test_seed_and_grader_do_not_split_a_table() -> None:
    other = replace(entry("b", 0.98), seed=7, versions={"gradebench": "9"})
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


def test_places_are_those_of_the_newest_grading() -> None:
    records = [
        entry("a", 0.99),
        entry("b", 0.98),
        entry("b", 0.90, protocol=2),
        entry("c", 0.95, protocol=2),
        entry("r", 0.999, role=Role.REFERENCE),
        unscored("d", "D", Failure("worker", "crash", "x")),
    ]
    assert places(records) == {("a", "cvae"): 1, ("c", "cvae"): 1, ("b", "cvae"): 2}


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
