"""The leaderboard: tables of records that may be compared, and the ranks that the data support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.numbers import finite, interval
from harness.ranking.intervals import Rank
from harness.totals import earned, primary_metric, total
from harness.types import HELD, Record, Role, Status
from reports.ranks import ranks

if TYPE_CHECKING:
    import pandas as pd

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
    "seed": "int64",
    "metric": "object",
    "metric_version": "Int64",
    "unit": "object",
    "better": "object",
    "submission": "object",
    "name": "object",
    "role": "object",
    "earlier": "bool",
    "status": "object",
    "state": "object",
    "rank_low": "Int64",
    "rank_high": "Int64",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "n": "Int64",
    "points": "float64",
    "max_points": "float64",
    "passed": "boolean",
    "flags": "object",
}
_TOTALS = [
    "assignment",
    "data",
    "data_digest",
    "role",
    "submission",
    "name",
    "points",
    "max_points",
    "scored",
    "held",
    "failed",
    "not_gradable",
    "not_handed_in",
    "passed",
    "complete",
    "records",
]
_BASE = ["assignment", "data", "task", "part", "protocol", "seed"]
_COMPARABLE = [*_BASE, "metric", "metric_version", "unit", "better", "data_digest", "judge_digest", "cases_digest"]
_STATUS_ORDER = {
    Status.SCORED.value: 0,
    Status.FAILED.value: 1,
    Status.NOT_GRADABLE.value: 2,
    Status.NOT_HANDED_IN.value: 3,
}


def _row(index: int, record: Record) -> dict[str, Any]:
    metric = primary_metric(record)
    low, high = interval(metric) if metric is not None else (None, None)
    scored = record.score if not record.held and (metric is not None or record.decision is not None) else None
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
        "seed": record.seed,
        "metric": record.primary if metric is not None else None,
        "metric_version": metric.version if metric is not None else None,
        "unit": metric.unit if metric is not None else None,
        "better": metric.better if metric is not None else None,
        "submission": record.submission,
        "name": record.name,
        "role": record.role.value,
        "earlier": bool(record.earlier_of),
        "status": record.status.value,
        "state": record.state,
        "value": finite(metric.value) if metric is not None else None,
        "low": low,
        "high": high,
        "n": metric.n if metric is not None else None,
        "points": earned(record),
        "max_points": finite(record.score.max_points) if record.score is not None else None,
        "passed": scored.passed if scored is not None else None,
        "flags": tuple(evidence.name for evidence in record.findings if evidence.flag),
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
        assignment, data, task, part, protocol, seed, metric, version, *rest = key
        place = orders[assignment, data, task, part]
        return (
            assignment,
            data != "mnist",
            data,
            place,
            task,
            part,
            -protocol,
            seed,
            -(version or 0),
            str(metric),
            str(rest),
        )

    numbers = {key: number for number, key in enumerate(sorted({row["_key"] for row in rows}, key=order))}
    for row in rows:
        row["table"] = numbers[row.pop("_key")]


def leaderboard(records: Sequence[Record], results: Path | None = None) -> pd.DataFrame:
    """Every record as one row, in the order in which a leaderboard shows them. Columns: `COLUMNS`.

    - `table` numbers the tables, from 0, in the order of the assignment's parts. Records share one only if assignment,
      task, part, protocol, seed, data (by name and digest), judge and official cases (by digest), primary metric, unit
      and metric version are all the same. A record without a measured primary metric joins the table that it doesn't
      contradict.
    - `rank_low` and `rank_high`, from 1: the best and the worst rank that the scores in the folder `results` support
      (`harness.ranking`); without them, nobody is told apart. Rows stand in the order of their values.
      Ranks are missing for baselines and reference models, which stand at their place by value, for earlier states of a
      model, for what `Record.ranked` excludes, which stands below the ranked, and for whatever has no finite value:
      failed, not gradable, not handed in, None, NaN. The last come last, with `points` and `value` missing, never zero.
      Points of a held entry are missing, too.
    - `record` is the index into `records`; `flags` a tuple of the names of the evidence that is flagged.
    """
    import pandas as pd

    rows = _rows(records, results)
    # As objects: a name may hold what pandas' own strings can't, such as a lone surrogate.
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).astype(COLUMNS)
    sign = frame["better"].map({"higher": -1.0, "lower": 1.0})
    frame["_value"] = frame["value"] * sign.astype("float64")
    frame["_status"] = frame["status"].map(_STATUS_ORDER)
    frame["_unmeasured"] = frame["value"].isna()
    frame["_beside"] = frame["role"] != Role.STUDENT.value
    frame["_excluded"] = [not records[index].ranked for index in frame["record"]]
    keys = ["table", "_unmeasured", "_excluded", "_value", "_status", "_beside", "role", "submission", "record"]
    frame = frame.sort_values(keys, kind="stable").reset_index(drop=True)
    return frame[list(COLUMNS)]


def _rows(records: Sequence[Record], results: Path | None) -> list[dict[str, Any]]:
    """The rows of a leaderboard in the order of the records, with tables and ranks; without pandas."""
    rows = [_row(index, record) for index, record in enumerate(records)]
    _assign_tables(rows, _orders(records))
    tables: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        row["rank_low"] = row["rank_high"] = None
        measured = row["value"] is not None and records[row["record"]].ranked
        if measured and row["role"] == Role.STUDENT.value and not row["earlier"]:
            tables.setdefault(row["table"], []).append(row)
    for ranked in tables.values():
        own = ranks([records[row["record"]] for row in ranked], results, ranked[0]["better"] == "higher")
        for row, (low, high) in zip(ranked, own, strict=True):
            row["rank_low"], row["rank_high"] = low, high
    return rows


def places(records: Sequence[Record], results: Path | None = None) -> dict[tuple[str, str], Rank]:
    """Ranks as the leaderboard of `records` shows them, by submission and part; what has no rank is left out.

    Where a part was graded more than once, the newest protocol, then the newest grading counts.
    """
    found: dict[tuple[str, str], tuple[tuple[int, str], Rank]] = {}
    for row in _rows(records, results):
        record = records[row["record"]]
        if row["rank_low"] is not None:
            key, age = (record.submission, record.part), (record.protocol, record.graded_at)
            if key not in found or age >= found[key][0]:
                found[key] = (age, (row["rank_low"], row["rank_high"]))
    return {key: rank for key, (_, rank) in found.items()}


def totals(records: Sequence[Record]) -> pd.DataFrame:
    """Points over all parts, one row for each (assignment, data, data digest, role, submission), in the order shown.

    Columns: `_TOTALS`; `scored`, `held`, `failed`, `not_gradable` and `not_handed_in` count parts, `passed` says that
    all are, `records` is a tuple of indices. Points, completeness and which records count: see `harness.totals.total`.
    `max_points` is what the whole assignment gives at full marks, a bonus apart; where the records don't tell, the sum
    of the best that the parts handed in can earn. A total is never ranked; totals that are not complete come after
    those that are.
    """
    import pandas as pd

    worth = _worth(records)
    rows: list[dict[str, Any]] = []
    for (assignment, data, digest, role, submission), indices in _by_submission(records).items():
        found = total([records[index] for index in indices])
        if not found.records:
            continue
        index_of = {id(records[index]): index for index in indices}
        states = [record.state for record in found.records]
        rows.append(
            {
                "assignment": assignment,
                "data": data,
                "data_digest": digest,
                "role": role,
                "submission": submission,
                "name": found.records[-1].name,
                "points": found.points,
                "max_points": found.full_marks or _best(found.records, worth),
                "scored": states.count(Status.SCORED.value),
                "held": states.count(HELD),
                "failed": states.count(Status.FAILED.value),
                "not_gradable": states.count(Status.NOT_GRADABLE.value),
                "not_handed_in": states.count(Status.NOT_HANDED_IN.value),
                "passed": all(earned(r) is not None and r.score is not None and r.score.passed for r in found.records),
                "complete": found.complete,
                "records": tuple(index_of[id(record)] for record in found.records),
            }
        )
    frame = pd.DataFrame(rows, columns=_TOTALS, dtype=object)
    frame["points"] = frame["points"].astype("float64")
    frame["_points"] = -frame["points"]
    keys = ["assignment", "data", "data_digest", "complete", "_points", "submission", "role"]
    ascending = [True, True, True, False, True, True, True]
    frame = frame.sort_values(keys, ascending=ascending, kind="stable", na_position="last")
    return frame[_TOTALS].reset_index(drop=True)


def _by_submission(records: Sequence[Record]) -> dict[tuple[str, ...], list[int]]:
    """Indices of records, in the order of their parts, by assignment, data, data digest, role and submission."""
    # A record that failed before the data were opened has no digest; it stands with the others of its submission, or
    # of its data.
    usual: dict[tuple[str, str], Counter[str]] = {}
    own: dict[tuple[str, ...], str] = {}
    for record in records:
        if digest := record.digests.get("data", ""):
            usual.setdefault((record.assignment, record.data), Counter())[digest] += 1
            key = (record.assignment, record.data, record.role.value, record.submission)
            own[key] = max(digest, own.get(key, ""))
    grouped: dict[tuple[str, ...], list[int]] = {}
    order = sorted(range(len(records)), key=lambda i: (records[i].submission, records[i].task, records[i].part, i))
    for index in order:
        record = records[index]
        common = usual.get((record.assignment, record.data))
        fallback = min(common.items(), key=lambda item: (-item[1], item[0]))[0] if common else ""
        key = (record.assignment, record.data, record.role.value, record.submission)
        digest = record.digests.get("data", "") or own.get(key, fallback)
        grouped.setdefault((*key[:2], digest, *key[2:]), []).append(index)
    return grouped


def _worth(records: Sequence[Record]) -> dict[tuple[str, str, str], tuple[float, str]]:
    """The best points of each part that some record has a score for, and its choice, by assignment, task and part."""
    found: dict[tuple[str, str, str], tuple[float, str]] = {}
    for record in records:
        best = finite(record.score.max_points) if record.score is not None else None
        if record.score is not None and best is not None and not record.earlier_of and not record.score.optional:
            of = (record.assignment, record.task, record.part)
            found[of] = (max(best, found.get(of, (0.0, ""))[0]), record.score.choice)
    return found


def _best(own: Sequence[Record], worth: dict[tuple[str, str, str], tuple[float, str]]) -> float:
    """The sum of the best that these parts can earn, of alternatives the best one's."""
    most: dict[Hashable, float] = {}
    for part in ((record.assignment, record.task, record.part) for record in own):
        points, choice = worth.get(part, (0.0, ""))
        most[choice or part] = max(points, most.get(choice or part, 0.0))
    return sum(most.values())
