"""Tests of verifying records: equal ones, altered ones, other hand-ins, and what may differ between machines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from classifiers.judge import Judge
from harness import decisions, records
from harness.cli.app import app
from harness.run import run as grading
from harness.run.settings import Run
from harness.run.verify import allowed, chosen, compared, planned_again
from harness.secret import FILE, Secret
from harness.tasks.base import Context
from harness.types import Decision, Failure, Metric, Record, Role, Submission
from tests.data import embedded_digits
from tests.harness.run.grading import collect, run_of
from tests.harness.run.test_decisions import STREAM, write
from tests.reports.examples import scored, unscored

BASE = replace(scored("ada", "Ada", 0.99), machine="A processor")
METRIC = BASE.metrics["accuracy"]


def with_value(value: float, **of_record: object) -> Record:
    return replace(BASE, metrics={**BASE.metrics, "accuracy": replace(METRIC, value=value)}, **of_record)


def test_on_the_same_machine_every_number_must_be_equal() -> None:
    assert compared(BASE, BASE).outcome == "equal"
    found = compared(BASE, with_value(METRIC.value + 1e-12))
    assert found.outcome == "differs" and found.otherwise == ()
    (difference,) = found.differences
    assert (difference.what, difference.recorded, difference.allowed) == ("accuracy", repr(METRIC.value), "equal")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "Another"}, "processor A processor, now Another"),
        ({"isolation": "reduced"}, "isolation full, now reduced"),
        ({"versions": {**BASE.versions, "torch": "2.14.0"}}, "torch 2.13.0, now 2.14.0"),
        ({"digests": {**BASE.digests, "marking sources": "1" * 64}}, "other marking sources"),
    ],
)
def test_elsewhere_numbers_may_differ_by_rounding_alone(change: dict[str, object], said: str) -> None:
    most = allowed(METRIC, METRIC)
    within = compared(BASE, with_value(METRIC.value + 0.9 * most, **change))
    assert (within.outcome, within.otherwise) == ("equal", (said,))
    beyond = compared(BASE, with_value(METRIC.value + 1.1 * most, **change))
    assert beyond.outcome == "differs" and beyond.differences[0].allowed.startswith("± ")


def test_a_metric_states_its_tolerance_or_has_a_twentieth_of_its_interval() -> None:
    plain = Metric(0.5, "share", "higher", 100, 0.4, 0.6)
    assert allowed(plain, plain) == pytest.approx(0.01)
    assert allowed(replace(plain, low=None, high=None), replace(plain, low=None, high=None)) == pytest.approx(0.0005)
    assert allowed(replace(plain, tolerance=0.0), plain) == 0.0
    tiny = Metric(1e-15, "nats", "lower", 9)
    assert allowed(tiny, tiny) == 1e-9


@pytest.mark.parametrize(
    ("change", "what", "recorded", "now"),
    [
        ({"gates": {"diversity": replace(BASE.gates["diversity"], holds=False)}}, "gate diversity", "holds", "shut"),
        ({"metrics": {}}, "accuracy", repr(METRIC.value), "absent"),
        (
            {"metrics": {**BASE.metrics, "accuracy": replace(METRIC, version=2)}},
            "accuracy",
            "metric version 1",
            "metric version 2",
        ),
        (
            {"evidence": (replace(BASE.evidence[0], flag=True), *BASE.evidence[1:])},
            f"evidence {BASE.evidence[0].name}",
            "clear",
            "flagged",
        ),
        (
            {"score": replace(BASE.score, unconditional=(3.0, True))},
            "points for the answers",
            "none",
            "3",
        ),
    ],
)
def test_verdicts_are_compared_too(change: dict[str, object], what: str, recorded: str, now: str) -> None:
    found = compared(BASE, replace(BASE, **change))
    assert found.outcome == "differs"
    assert (what, recorded, now) in [(each.what, each.recorded, each.now) for each in found.differences]


def test_decisions_and_what_the_class_says_are_no_difference() -> None:
    base = replace(BASE, score=replace(BASE.score, unconditional=(20.0, True)))
    made = Decision("ada", "cvae", "reject", None, "seen", decisions.about(base), "2026-05-01")
    assert compared(decisions.applied(base, made), base).outcome == "equal"
    held = replace(base, score=replace(base.score, held=("likeness",)))
    assert compared(held, base).outcome == "equal"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"digests": {**BASE.digests, "checkpoint": "f" * 64}}, "the hand-in has changed since: another checkpoint"),
        ({"model": "other"}, "the hand-in has changed since: its manifest names another kind or model"),
        ({"digests": {**BASE.digests, "judge": "f" * 64}}, "graded with another judge: give those of then"),
        ({"digests": {**BASE.digests, "data": "f" * 64}}, "graded with another data"),
        ({"data": "digits"}, "graded on other data: mnist, now digits"),
    ],
)
def test_what_can_not_be_compared_is_neither_equal_nor_different(change: dict[str, object], said: str) -> None:
    found = compared(BASE, replace(BASE, **change))
    assert found.outcome == "not verified" and said in found.reason
    assert compared(BASE, None).outcome == "not verified"
    broken = unscored("ada", "Ada", Failure("marking", "bug", "A bug.", "harness"))
    assert "could not be graded now: A bug." in compared(BASE, broken).reason


def test_failures_have_to_be_the_same() -> None:
    cut = unscored("ada", "Ada", Failure("checkpoint", "truncated", "Cut."), machine="A processor")
    assert compared(cut, cut).outcome == "equal"
    late = replace(cut, failure=Failure("answers", "timeout", "Late."))
    (difference,) = compared(cut, late).differences
    assert (difference.recorded, difference.now) == ("failed (checkpoint, truncated)", "failed (answers, timeout)")
    whole = replace(BASE, digests={**BASE.digests, "checkpoint": cut.digests["checkpoint"]})
    assert compared(cut, whole).outcome == "differs"


def test_records_are_chosen_by_id_or_drawn_by_chance() -> None:
    known = [scored(f"s{index}", "S", 0.9) for index in range(20)]
    known.append(scored("cvae", "Reference", 0.9, role=Role.REFERENCE))
    assert len(chosen(known)) == 20
    assert [r.submission for r in chosen(known, ["s3"])] == ["s3"]
    drawn = [r.submission for r in chosen(known, (), 5)]
    assert len(set(drawn)) == 5 and drawn == [r.submission for r in chosen(known, (), 5)]
    assert drawn != [r.submission for r in chosen(known, (), 5, seed=1)]
    assert len(chosen(known, (), 50)) == 20


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    place = tmp_path_factory.mktemp("verify")
    write(place / "class" / "one")
    run = run_of(Context(embedded_digits(), Judge.shipped(), seed=0), place / "results", STREAM)
    grading.grade(collect(place / "class", place / "work", run.coursework), run)
    return run, place / "class"


def verified(run: Run, classroom: Path, into: Path) -> list[tuple[str, str]]:
    known = records.load_all(run.results).records
    again = replace(run, results=into / "scratch", fresh=True)
    planned = planned_again(known, collected(classroom, into, run), again)
    now = {grading.identity(r): r for r in grading.grade((), again, planned=planned)} if planned else {}
    found = [compared(record, now.get(grading.identity(record))) for record in known]
    return [(one.outcome, one.reason) for one in found]


def collected(classroom: Path, into: Path, run: Run) -> list[Submission]:
    into.mkdir(exist_ok=True)
    return collect(classroom, into / "work", run.coursework)


def test_the_same_hand_in_gives_the_same_record(graded: tuple[Run, Path], tmp_path: Path) -> None:
    run, classroom = graded
    before = {path: path.read_bytes() for path in run.results.rglob("*") if path.is_file()}
    assert verified(run, classroom, tmp_path) == [("equal", "")]
    # From another folder, too, under the id that was recorded.
    write(tmp_path / "elsewhere" / "one")
    assert verified(run, tmp_path / "elsewhere", tmp_path) == [("equal", "")]
    assert {path: path.read_bytes() for path in run.results.rglob("*") if path.is_file()} == before


def test_another_hand_in_is_told_as_such(graded: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = graded
    write(tmp_path / "changed" / "one", 1.001)
    outcome = verified(run, tmp_path / "changed", tmp_path)
    assert outcome == [("not verified", "the hand-in has changed since: another checkpoint")]
    write(tmp_path / "others" / "two")
    assert verified(run, tmp_path / "others", tmp_path)[0][0] == "not verified"


def test_the_command_finds_an_altered_record(
    graded: tuple[Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, classroom = graded
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(*arguments: object) -> tuple[int, dict[str, object]]:
        everything = ["verify", run.results, classroom, "--json", *arguments]
        done = CliRunner().invoke(app, [str(each) for each in everything])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.exit_code, json.loads(done.stdout) if done.stdout else {}

    code, document = command("--sample", 1)
    assert code == 0
    assert [(e["id"], e["part"], e["outcome"]) for e in document["entries"]] == [("one", "symbols-m1", "equal")]
    assert command("--only", "nobody")[0] == 2
    path = records.path_of(run.results, Role.STUDENT, "one", "symbols-m1")
    content = path.read_bytes()
    record = records.load(path)
    metric = record.metrics[record.primary]
    better = {**record.metrics, record.primary: replace(metric, value=metric.value / 2)}
    records.save(run.results, replace(record, metrics=better))
    code, document = command()
    path.write_bytes(content)
    assert code == 1
    (difference,) = document["entries"][0]["differences"]
    assert difference["what"] == record.primary
    assert (float(difference["recorded"]), float(difference["now"])) == (metric.value / 2, metric.value)


def test_the_command_asks_with_the_secret_seed_of_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "class" / "one")
    results = tmp_path / "results"

    def command(*arguments: object) -> dict[str, Any]:
        done = CliRunner().invoke(app, [str(each) for each in (*arguments, "--json")])
        assert done.stdout, done.output
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    command("grade", tmp_path / "class", "--assignment", STREAM.name, "--results", results, "--no-references")
    seed = (results / FILE).read_bytes()
    (record,) = [one for one in records.load_all(results).records if one.part == "symbols-m1"]
    assert record.digests["secret seed"] == Secret.kept(results).digest
    verified = command("verify", results, tmp_path / "class")["entries"]
    assert {one["outcome"] for one in verified if one["part"] == "symbols-m1"} == {"equal"}
    assert (results / FILE).read_bytes() == seed
    (results / FILE).unlink()
    Secret.kept(results)
    verified = command("verify", results, tmp_path / "class")["entries"]
    (other,) = [one for one in verified if one["part"] == "symbols-m1"]
    assert (other["outcome"], other["reason"]) == (
        "not verified",
        "graded with another secret seed: give those of then",
    )
