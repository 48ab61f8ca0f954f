"""Tests of points, reasons and totals while entries are held, and after the instructor's word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import decisions
from harness.mnist import Digits
from harness.summary import exit_code, summary
from harness.totals import earned, provisional, reason, total
from harness.types import NOTHING_HANDED_IN, Failure, Record
from tests.data import embedded_digits
from tests.harness.test_decisions import FLAG, held, made
from tests.reports.examples import cgan, scored, unscored


def decided(record: Record, verdict: str, points: float | None = None) -> Record:
    return decisions.applied(record, made(record, verdict, points))


def other(submission: str = "ada") -> Record:
    return cgan(scored(submission, "Ada", 0.995))


def test_held_points_are_provisional_and_leave_the_total_open() -> None:
    waiting = held()
    assert (earned(waiting), provisional(waiting)) == (None, 20)
    so_far = total([waiting, other()])
    assert (so_far.points, so_far.complete) == (other().score.points, False)
    assert (total([waiting]).points, total([waiting]).complete) == (None, False)
    for verdict, points in (("accept", 20), ("reject", 0)):
        done = decided(waiting, verdict)
        assert (earned(done), provisional(done)) == (points, None)
        assert total([done, other()]).points == other().score.points + points
        assert total([done, other()]).complete


def test_the_reason_of_a_held_entry_names_the_flag_and_no_points() -> None:
    assert reason(held()) == ("Held for sign: its points are provisional until the instructor decides. It was seen.")
    assert "Rejected by the instructor: seen" in reason(decided(held(), "reject"))
    assert "Accepted by the instructor: seen" in reason(decided(held(), "accept"))


@pytest.mark.parametrize("fault", ["submission", "harness"])
def test_points_given_to_what_has_no_score_close_the_total(fault: str) -> None:
    failed = replace(unscored("ada", "Ada", Failure("checkpoint", "truncated", "Cut.", fault)), worth=25.0)
    done = decided(failed, "points", 10.0)
    assert earned(done) == 10
    assert total([done]).points == 10 and total([done]).complete
    assert reason(done) == "Cut. 10 points given by the instructor: seen"


def test_exit_codes_of_held_and_decided_entries() -> None:
    passed = scored("bob", "Bob", 0.995)
    assert passed.score.passed
    assert exit_code([passed]) == 0
    assert exit_code([passed, held()]) == 1
    assert exit_code([passed, decided(held(), "accept")]) == 0
    assert exit_code([passed, decided(held(), "reject")]) == 1
    broken = replace(unscored("eve", "Eve", Failure("marking", "bug", "Bug.", "harness")), worth=25.0)
    assert exit_code([passed, broken]) == 3
    assert exit_code([passed, decided(broken, "points", 25.0)]) == 0
    assert exit_code([passed, decided(broken, "points", 1.0)]) == 1
    missing = replace(unscored("eve", "Eve", Failure("intake", NOTHING_HANDED_IN, "Nothing.")), worth=25.0)
    assert exit_code([passed, missing]) == 0
    assert exit_code([passed, decided(missing, "points", 5.0)]) == 1


@pytest.fixture(scope="module")
def digits() -> Digits:
    return embedded_digits()


def test_the_summary_tells_states_decisions_and_no_points_of_what_is_held(digits: Digits) -> None:
    from harness.assignments import coursework

    assignment = coursework.find("tsinghua-hw3").assignment
    waiting, unusual = held(), replace(FLAG, name="u", flag=False, value=0.3, unusual_from=0.2, flagged_from=0.5)
    waiting = replace(waiting, evidence=(FLAG, unusual), compared=(replace(FLAG, name="copied"),))

    def entry(record: Record) -> dict[str, object]:
        document = summary([record], assignment, digits, "full", 1.0, {})
        assert document["schema"] == 2
        (found,) = document["submissions"][0]["entries"]
        return found

    one = entry(waiting)
    assert (one["part"], one["state"], one["status"], one["rank"]) == ("cvae", "held", "scored", None)
    assert (one["points"], one["provisional_points"], one["decision"]) == (None, 20, None)
    assert one["reason"].startswith("Held for sign")
    assert [(e["name"], e["state"], e["flag"]) for e in one["evidence"]] == [
        ("sign", "flagged", True),
        ("u", "unusual", False),
        ("copied", "flagged", True),
    ]
    assert (one["evidence"][1]["unusual_from"], one["evidence"][1]["flagged_from"]) == (0.2, 0.5)
    after = entry(decided(waiting, "points", 3.0))
    assert (after["state"], after["points"], after["provisional_points"]) == ("scored", 3, None)
    assert after["decision"] == {
        "verdict": "points",
        "points": 3,
        "reason": "seen",
        "decided_at": "2026-05-01T10:00:00+00:00",
    }
