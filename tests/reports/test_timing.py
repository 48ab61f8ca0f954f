"""Times on the pages: the column, ranks by time, the chart of scores against times, and a submission's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.types import Metric, Record, Role, Timing
from reports.pareto import front, pareto
from reports.site import render
from reports.timing import cells, time_view
from tests.reports.examples import scored

MACHINE = "A processor"


def _ratio(value: float, spread: float = 0.02) -> Metric:
    return Metric(value, "ratio", "lower", 90, value * (1 - spread), value * (1 + spread), title="time")


def timing(value: float, **changes: object) -> Timing:
    metrics = {
        "times_reference": _ratio(value),
        "milliseconds": Metric(12.5 * value, "milliseconds", "lower", 90, 12.0, 13.0, title="time of a call"),
        "peak_memory": Metric(321.0, "MB", "lower", 6, title="peak memory"),
    }
    found = Timing(
        "measured",
        "",
        metrics=metrics,
        reference="Reference conditional VAE",
        control=_ratio(1.001),
        told_apart=value > 1.1,
        error=0.01,
        wire_milliseconds=0.4,
        processes=6,
        calls=90,
        questions=500,
        machine=MACHINE,
        versions={"protocol": "1"},
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def entry(name: str, accuracy: float, time: Timing | None, role: Role = Role.STUDENT) -> Record:
    return replace(scored(name, f"Team {name}", accuracy), role=role, timing=time)


VOID = Timing("void", "The answers that were timed are worse than those that were graded.", "submission")
CLASS = [
    entry("quick", 0.985, timing(0.5)),
    entry("good", 0.991, timing(1.0)),
    entry("slow", 0.990, timing(2.0)),
    entry("twin", 0.986, timing(2.0)),
    entry("cheat", 0.997, VOID),
    entry("untimed", 0.989, None),
    entry("cvae", 0.9993, timing(1.02), Role.REFERENCE),
]


@pytest.mark.parametrize("higher", [True, False])
def test_the_front_is_what_no_other_entry_beats_in_both(higher: bool) -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        times, scores = generator.integers(1, 12, 30).tolist(), generator.integers(1, 12, 30).tolist()
        sign = 1 if higher else -1

        def beaten(one: int, times: Sequence[int] = times, scores: Sequence[int] = scores, sign: int = sign) -> bool:
            return any(
                times[other] <= times[one]
                and sign * scores[other] >= sign * scores[one]
                and (times[other], scores[other]) != (times[one], scores[one])
                for other in range(30)
            )

        found = front(times, scores, higher)
        assert sorted(found) == [index for index in range(30) if not beaten(index)]
        assert all(times[a] <= times[b] for a, b in pairwise(found))


def test_ranks_by_time_are_intervals_of_students_entries() -> None:
    found = dict(zip([record.submission for record in CLASS], cells(CLASS), strict=True))
    assert [found[name].rank for name in ("quick", "good", "slow", "twin")] == ["1", "2", "3–4", "3–4"]
    assert found["cvae"].rank == "" and found["cvae"].value == "1.02\u202f×"
    assert found["untimed"] is None
    assert (found["cheat"].state, found["cheat"].sort) == ("void", None)


def test_times_of_other_machines_are_not_ranked_together() -> None:
    here, there = CLASS[0], entry("there", 0.99, timing(0.4, machine="Another processor"))
    assert [cell.rank for cell in cells([here, there]) if cell] == ["1", "1"]


def test_the_chart_has_a_point_for_each_entry_with_score_and_time() -> None:
    drawn = pareto(CLASS, [record.name for record in CLASS])
    assert drawn is not None
    assert len(drawn.points) == 5
    named = {point.name for point in drawn.points if point.name}
    assert named == {"Team quick", "Team good", "Team cvae"}
    at = {point.name: point for point in drawn.points if point.name}
    assert at["Team quick"].x < at["Team good"].x < at["Team cvae"].x
    assert at["Team cvae"].y < at["Team good"].y < at["Team quick"].y
    assert at["Team cvae"].kind == "beside"
    assert pareto(CLASS[:1], ["Team quick"]) is None


def test_a_held_entry_is_on_no_front() -> None:
    assert CLASS[0].score is not None
    held = [replace(CLASS[0], score=replace(CLASS[0].score, held=("mode collapse",))), *CLASS[1:]]
    drawn = pareto(held, [record.name for record in held])
    assert drawn is not None
    assert len(drawn.points) == 4
    assert "Team quick" not in {point.name for point in drawn.points}


def test_a_submission_shows_its_times_and_why_they_count_or_do_not() -> None:
    shown = time_view(CLASS[2])
    assert shown is not None and shown.state == "measured"
    assert "2 times that of Reference conditional VAE; more than chance" in shown.sentences[0]
    assert ("Time of a call", "25\u202fms") in [(row.name, row.value) for row in shown.rows]
    assert any(row.name.endswith("(A/A)") for row in shown.rows)
    void = time_view(CLASS[4])
    assert void is not None and void.state == "void" and void.sentences == (VOID.reason,)
    assert time_view(CLASS[5]) is None


def test_the_pages_show_times_only_where_some_were_measured(tmp_path: Path) -> None:
    render(CLASS, tmp_path, tmp_path / "timed")
    index = (tmp_path / "timed" / "index.html").read_text(encoding="utf-8")
    assert "Score against time" in index and "rank 3–4 by time" in index and "time void" in index
    render([replace(record, timing=None) for record in CLASS], tmp_path, tmp_path / "plain")
    assert "Score against time" not in (tmp_path / "plain" / "index.html").read_text(encoding="utf-8")


def test_text_of_a_timing_is_escaped(tmp_path: Path) -> None:
    hostile = timing(1.0, reason="<script>alert(1)</script>", status="not-measurable", machine="<b>x</b>")
    render([entry("one", 0.99, hostile)], tmp_path, tmp_path / "site")
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert "<script>alert" not in text and "<b>x</b>" not in text
