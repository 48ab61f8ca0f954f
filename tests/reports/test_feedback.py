"""The feedback of a submission's page: the next step, the place among all entries, and what is worth looking at."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.types import Evidence, Failure, Record, Role, Score
from reports.notable import next_step, notable
from reports.page import check_command, regrade_command, submission_view
from reports.standing import Standings
from tests.reports.examples import a_class, cgan, scored, unscored


def with_step(record: Record, at: float, points: float) -> Record:
    assert record.score is not None
    return replace(record, score=replace(record.score, next_step=(at, points)))


def test_next_step_tells_threshold_and_distance() -> None:
    record = with_step(scored("s", "S", 0.9615), 0.98, 20.0)
    value = record.metrics["accuracy"].value
    assert value is not None
    away = f"{100 * (0.98 - value):.2g}"
    assert next_step(record) == f"Next step: 20 of 20 points from 98\u202f%; {away} percentage points away."
    assert next_step(scored("s", "S", 0.99)) == ""


def test_next_step_of_errors_lies_below() -> None:
    record = scored("s", "S", 0.99)
    error = replace(record.metrics["accuracy"], value=0.0421, unit="squared gray value", better="lower")
    score = Score(5.0, 10.0, True, "", next_step=(0.03, 10.0))
    record = replace(record, primary="mse", metrics={"mse": error}, score=score)
    assert next_step(record) == "Next step: 10 of 10 points at most 0.03; 0.01210 away."


def test_standing_counts_better_and_worse_and_names_nobody_of_the_class(tmp_path: Path) -> None:
    records = a_class(tmp_path)[:1] + [scored(f"s{n}", f"Team {n}", 0.97 + n / 1000) for n in range(10)]
    standing = Standings(records).of(records[4])
    assert standing is not None
    assert standing.sentence.startswith("Of 10 measured entries of the class, 6 are better and 3 worse.")
    assert "Reference cVAE" in standing.sentence
    assert "Team" not in standing.label
    # Ticks of ten entries, and a hollow circle.
    assert standing.path.count("M") == 10
    assert len(standing.references) == 1


def test_standing_of_errors_counts_lower_ones_as_better() -> None:
    records = []
    for number, value in enumerate((0.03, 0.01, 0.02)):
        record = scored(f"s{number}", "S", 0.99)
        metrics = {"accuracy": replace(record.metrics["accuracy"], value=value, better="lower", unit="MSE")}
        records.append(replace(record, metrics=metrics))
    found = Standings(records).of(records[2])
    assert found is not None
    assert found.sentence == "Of 3 measured entries of the class, 1 is better and 1 worse."


def test_standing_compares_only_what_was_asked_and_marked_alike() -> None:
    own = scored("a", "A", 0.99)
    for other in (
        replace(scored("b", "B", 0.98), seed=1),
        replace(scored("b", "B", 0.98), digests={**own.digests, "judge": "00" * 32}),
        cgan(scored("b", "B", 0.98)),
        replace(scored("b", "B", 0.98), earlier_of="cvae"),
    ):
        assert Standings([own, other]).of(own) is None


def test_most_worth_looking_at_begins_with_what_costs_most() -> None:
    flagged = replace(
        scored("s", "S", 0.99),
        evidence=(Evidence("mode-collapse", True, 0.02, 0.1, 0.2, "Samples hardly differ.", "mode collapse"),),
    )
    failed = unscored("s", "S", Failure("checkpoint", "truncated", "The file ends early."))
    short = with_step(scored("s", "S", 0.96), 0.98, 20.0)
    found = notable([("p1", "One", short), ("p2", "Two", flagged), ("p3", "Three", failed)])
    assert [(anchor, title) for anchor, title, _ in found] == [("p3", "Three"), ("p2", "Two"), ("p1", "One")]
    assert found[0][2] == "The file ends early."
    assert found[1][2] == "Mode collapse: Samples hardly differ."
    assert found[2][2].startswith("Next step: 20 of 20 points")


def test_the_weakest_place_is_read_off_the_figures() -> None:
    record = scored("s", "S", 0.96)
    counts = [[10, 0, 0], [0, 7, 3], [0, 1, 9]]
    matrix = replace(next(f for f in record.figures if f.kind == "matrix"), data={"counts": counts})
    record = replace(record, figures=(matrix,), score=None, evidence=())
    assert [sentence for *_, sentence in notable([("p", "P", record)])] == [
        "Confusion: 1 was taken for 2 most often, 3 times."
    ]


def test_clear_evidence_is_apart_from_what_is_flagged(tmp_path: Path) -> None:
    records = [record for record in a_class(tmp_path) if record.submission == "s1003"]
    (part,) = submission_view(records, tmp_path).parts
    assert [row.name for row in part.evidence] == ["Mode collapse"]
    assert [row.name for row in part.clear] == ["Copied training images"]


@pytest.mark.parametrize("command", [check_command, regrade_command])
def test_a_receipts_command_regrades_the_submission(command: object, tmp_path: Path) -> None:
    from harness import records
    from harness.cli.app import app
    from submissions import examples

    examples.build(tmp_path / "class")
    results = tmp_path / "results"
    first = ["grade", str(tmp_path / "class"), "-a", "tsinghua-hw3", "--only", "mediocre", "--no-references"]
    CliRunner().invoke(app, [*first, "--results", str(results)])
    known = [record for record in records.load_all(results).records if record.role is Role.STUDENT]
    graded = next(record for record in known if record.part == "cvae")
    assert callable(command)
    words = shlex.split(command(graded))
    assert words[0] == "gradebench"
    places = {"SUBMISSIONS": str(tmp_path / "class"), "SUBMISSION": str(tmp_path / "class" / "mediocre")}
    own = [places.get(word, word) for word in words[1:]]
    again = tmp_path / "again"
    if own[0] == "grade":
        own += ["--results", str(again), "--no-references"]
    done = CliRunner().invoke(app, [*own, "--json"])
    assert done.exit_code == 1, done.output
    value = graded.metrics["accuracy"].value
    assert value is not None
    assert f'"value": {value}' in done.stdout
