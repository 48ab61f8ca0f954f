"""The leaderboard: tables of records that may be compared, their ranks, and tiers that the data can tell apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from harness.numbers import finite, interval
from harness.types import Metric, Record, Role, Status, counted

COLUMNS: dict[str, str] = {
    "table": "int64",
    "record": "int64",
    "assignment": "object",
    "data": "object",
    "data_digest": "object",
    "judge_digest": "object",
    "cases_digest": "object",
    "task": "object",
    "part": "object",
    "protocol": "int64",
    "metric": "object",
    "metric_version": "Int64",
    "unit": "object",
    "better": "object",
    "submission": "object",
    "name": "object",
    "role": "object",
    "earlier": "bool",
    "status": "object",
    "rank": "Int64",
    "tier": "Int64",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "n": "Int64",
    "points": "float64",
    "max_points": "float64",
    "passed": "boolean",
    "flags": "object",
}
_BASE = ["assignment", "data", "task", "part", "protocol"]
_COMPARABLE = [*_BASE, "metric", "metric_version", "unit", "better", "data_digest", "judge_digest", "cases_digest"]
_STATUS_ORDER = {Status.SCORED.value: 0, Status.FAILED.value: 1, Status.NOT_GRADABLE.value: 2}


def primary_metric(record: Record) -> Metric | None:
    """The metric that the record ranks by, or None: not scored, not named, or measured without a finite value."""
    if record.status is not Status.SCORED or record.primary is None:
        return None
    metric = record.metrics.get(record.primary)
    return None if metric is None or finite(metric.value) is None else metric


def earned(record: Record) -> float | None:
    """The points of a part, or None where it has no verdict: not scored, or its primary metric not measured."""
    if record.score is None or primary_metric(record) is None:
        return None
    return finite(record.score.points)


def tiers(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Tier of each entry, from 1, for intervals in the order of their entries' values, best first.

    The best entry leads tier 1. Going down, an entry shares the tier of its leader as long as their closed 95 %
    intervals overlap (touching counts); the first that doesn't leads the next tier. Every entry is held against the
    leader only, never against its neighbour, so that a chain of overlaps can't join what is clearly apart; and a
    later entry with a wide interval never climbs back into an earlier tier. Overlap of two 95 % intervals is a
    cautious test: entries in unequal tiers differ at well under the 5 % level, the converse isn't claimed.

    >>> tiers([(0.985, 0.995), (0.980, 0.990), (0.975, 0.984), (0.900, 0.986)])
    [1, 1, 2, 2]
    """
    result: list[int] = []
    tier, leader = 0, (math.inf, -math.inf)
    for low, high in intervals:
        if tier == 0 or low > leader[1] or high < leader[0]:
            tier, leader = tier + 1, (low, high)
        result.append(tier)
    return result


def _row(index: int, record: Record) -> dict[str, Any]:
    metric = primary_metric(record)
    low, high = interval(metric) if metric is not None else (None, None)
    scored = record.score if metric is not None else None
    return {
        "record": index,
        "assignment": record.assignment,
        "data": record.data,
        "data_digest": record.digests.get("data", ""),
        "judge_digest": record.digests.get("judge", ""),
        "cases_digest": record.digests.get("official cases", ""),
        "task": record.task,
        "part": record.part,
        "protocol": record.protocol,
        "metric": record.primary if metric is not None else None,
        "metric_version": metric.version if metric is not None else None,
        "unit": metric.unit if metric is not None else None,
        "better": metric.better if metric is not None else None,
        "submission": record.submission,
        "name": record.name,
        "role": record.role.value,
        "earlier": bool(record.earlier_of),
        "status": record.status.value,
        "value": finite(metric.value) if metric is not None else None,
        "low": low,
        "high": high,
        "n": metric.n if metric is not None else None,
        "points": finite(scored.points) if scored is not None else None,
        "max_points": finite(record.score.max_points) if record.score is not None else None,
        "passed": scored.passed if scored is not None else None,
        "flags": tuple(evidence.name for evidence in record.evidence if evidence.flag),
    }


def _orders(records: Sequence[Record]) -> dict[tuple[str, ...], int]:
    """The place of each part in its assignment, by assignment, data, task and part."""
    found: dict[tuple[str, ...], int] = {}
    for record in records:
        key = (record.assignment, record.data, record.task, record.part)
        found[key] = min(record.order, found.get(key, record.order))
    return found


def _assign_tables(rows: list[dict[str, Any]], orders: dict[tuple[str, ...], int]) -> None:
    """Number the rows' tables in the order of the assignment's parts.

    Measured rows share one with those they may be compared with; the others join their like.
    """
    sizes: dict[tuple[Hashable, ...], int] = {}
    for row in rows:
        if row["metric"] is not None:
            key = tuple(row[column] for column in _COMPARABLE)
            sizes[key] = sizes.get(key, 0) + 1
            row["_key"] = key
    # A record that failed early knows no judge and no metric; it joins the largest table that it doesn't contradict.
    candidates = sorted(sizes, key=lambda key: (-sizes[key], str(key)))
    for row in rows:
        if "_key" in row:
            continue
        base = tuple(row[column] for column in _BASE)
        digests = (row["data_digest"], row["judge_digest"], row["cases_digest"])
        row["_key"] = next(
            (
                key
                for key in candidates
                if key[: len(_BASE)] == base
                and all(own in ("", its) for own, its in zip(digests, key[-3:], strict=True))
            ),
            (*base, None, None, None, None, *digests),
        )

    def order(key: tuple[Any, ...]) -> tuple[Any, ...]:
        assignment, data, task, part, protocol, metric, version, *rest = key
        place = orders[assignment, data, task, part]
        return (
            assignment,
            data != "mnist",
            data,
            place,
            task,
            part,
            -protocol,
            -(version or 0),
            str(metric),
            str(rest),
        )

    numbers = {key: number for number, key in enumerate(sorted({row["_key"] for row in rows}, key=order))}
    for row in rows:
        row["table"] = numbers[row.pop("_key")]


def leaderboard(records: Sequence[Record]) -> pd.DataFrame:
    """Every record as one row, in the order in which a leaderboard shows them. Columns: `COLUMNS`.

    - `table` numbers the tables, from 0, in the order of the assignment's parts. Records share one only if assignment,
      task, part, protocol, data (by name and digest), judge and official cases (by digest), primary metric, unit and
      metric version are all the same. A record without a measured primary metric joins the table that it doesn't
      contradict.
    - `rank`, from 1: place by the primary metric among the measured, equal values sharing a rank. `tier`: see `tiers`.
      Both are missing for baselines and reference models, which stand at their place by value, for earlier states of a
      model, and for whatever has no finite value: failed, not gradable, None, NaN. The last come last, with `points`
      and `value` missing, never zero.
    - `record` is the index into `records`; `flags` a tuple of the names of the evidence that is flagged.
    """
    rows = [_row(index, record) for index, record in enumerate(records)]
    _assign_tables(rows, _orders(records))
    # As objects: a name may hold what pandas' own strings can't, such as a lone surrogate.
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).astype(COLUMNS)
    sign = frame["better"].map({"higher": -1.0, "lower": 1.0})
    frame["_value"] = frame["value"] * sign.astype("float64")
    frame["_status"] = frame["status"].map(_STATUS_ORDER)
    frame["_unmeasured"] = frame["value"].isna()
    frame["_beside"] = frame["role"] != Role.STUDENT.value
    keys = ["table", "_unmeasured", "_value", "_status", "_beside", "role", "submission", "record"]
    frame = frame.sort_values(keys, kind="stable").reset_index(drop=True)
    ranked = frame[~frame["_unmeasured"] & ~frame["_beside"] & ~frame["earlier"]]
    for _, group in ranked.groupby("table"):
        frame.loc[group.index, "rank"] = group["_value"].rank(method="min").astype("int64").astype("Int64")
        bounds = list(zip(group["low"].tolist(), group["high"].tolist(), strict=True))
        frame.loc[group.index, "tier"] = pd.array(tiers(bounds), dtype="Int64")
    return frame[list(COLUMNS)]


def totals(records: Sequence[Record]) -> pd.DataFrame:
    """Points over all parts, one row for each (assignment, data, data digest, role, submission), in the order shown.

    Columns: those five, `name`, `points`, `max_points`, `scored`, `failed`, `not_gradable` (counts of parts),
    `passed` (all parts are), `complete` (no part is without a verdict), `records` (a tuple of indices, by part).
    Earlier states of a model are left out: they are worth nothing. `points` sums what the rubric gave to the parts that
    were measured, and is missing where none was; `max_points` sums the best that the parts handed in can earn, a bonus
    apart. Of alternative parts the best one counts. Where a part was graded more than once, the newest protocol, then
    the newest grading counts. A total is never ranked; totals that are not complete come after those that are.
    """
    newest: dict[tuple[str, str, str, str, str, str, str], int] = {}
    worth: dict[tuple[str, str, str], float] = {}
    choices: dict[tuple[str, str, str], str] = {}
    for index, record in enumerate(records):
        if record.earlier_of:
            continue
        digest = record.digests.get("data", "")
        key = (record.assignment, record.data, digest, record.role.value, record.submission, record.task, record.part)
        held = newest.get(key)
        if held is None or (record.protocol, record.graded_at) >= (records[held].protocol, records[held].graded_at):
            newest[key] = index
        best = finite(record.score.max_points) if record.score is not None else None
        if best is not None:
            of = (record.assignment, record.task, record.part)
            worth[of] = max(best, worth.get(of, 0.0))
            choices[of] = record.score.choice if record.score is not None else ""
    grouped: dict[tuple[str, ...], list[int]] = {}
    # A record that failed before the data were opened has no digest; it stands with the others of its data.
    usual: dict[tuple[str, str], Counter[str]] = {}
    for key in newest:
        if key[2]:
            usual.setdefault(key[:2], Counter())[key[2]] += 1
    own_digest = {(*key[:2], *key[3:5]): key[2] for key in sorted(newest) if key[2]}
    for key in sorted(newest):
        common = usual.get(key[:2])
        fallback = min(common.items(), key=lambda item: (-item[1], item[0]))[0] if common else ""
        digest = key[2] or own_digest.get((*key[:2], *key[3:5]), fallback)
        grouped.setdefault((*key[:2], digest, *key[3:5]), []).append(newest[key])
    rows: list[dict[str, Any]] = []
    for (assignment, data, digest, role, submission), indices in grouped.items():
        own = [records[index] for index in indices]
        points = counted([r.score for r in own if r.score is not None and earned(r) is not None])
        most: dict[Hashable, float] = {}
        for part in ((r.assignment, r.task, r.part) for r in own):
            alternatives = choices.get(part) or part
            most[alternatives] = max(worth.get(part, 0.0), most.get(alternatives, 0.0))
        states = [record.status for record in own]
        rows.append(
            {
                "assignment": assignment,
                "data": data,
                "data_digest": digest,
                "role": role,
                "submission": submission,
                "name": own[-1].name,
                "points": sum(points) if points else None,
                "max_points": sum(most.values()),
                "scored": states.count(Status.SCORED),
                "failed": states.count(Status.FAILED),
                "not_gradable": states.count(Status.NOT_GRADABLE),
                "passed": all(primary_metric(r) is not None and r.score is not None and r.score.passed for r in own),
                "complete": bool(points) and Status.NOT_GRADABLE not in states,
                "records": tuple(indices),
            }
        )
    columns = [
        "assignment",
        "data",
        "data_digest",
        "role",
        "submission",
        "name",
        "points",
        "max_points",
        "scored",
        "failed",
        "not_gradable",
        "passed",
        "complete",
        "records",
    ]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    frame["points"] = frame["points"].astype("float64")
    frame["_points"] = -frame["points"]
    keys = ["assignment", "data", "data_digest", "complete", "_points", "submission", "role"]
    ascending = [True, True, True, False, True, True, True]
    frame = frame.sort_values(keys, ascending=ascending, kind="stable", na_position="last")
    return frame[columns].reset_index(drop=True)
