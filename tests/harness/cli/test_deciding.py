"""Tests of `gradebench decide`: what it takes, what it refuses, and what pages and exports show then."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from harness import decisions, records
from harness.cli.app import app
from harness.cli.console import _verdict, print_reasons
from harness.types import Failure, Gate, Record, Role
from reports.exports import export
from tests.harness.test_decisions import held
from tests.reports.examples import scored, unscored

BROKEN = replace(unscored("eve", "Eve", Failure("checkpoint", "truncated", "Cut.")), worth=25.0)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    place = tmp_path / "results"
    for record in (held("ada"), held("zoe (2)"), scored("bob", "Bob", 0.99), BROKEN):
        records.save(place, replace(record, figures=()))
    return place


def of(results: Path, submission: str, part: str = "cvae") -> Record:
    return records.load(records.path_of(results, Role.STUDENT, submission, part))


def site(results: Path, folder: Path) -> str:
    done = run("report", results, "--site", folder, "--export", "csv", "--export", "junit")
    assert done.exit_code == 0, done.output
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html")))


def board(folder: Path) -> list[str]:
    """The index's leaderboard: the ranked entries, and what follows them."""
    index = (folder / "index.html").read_text(encoding="utf-8")
    return index[index.index('class="board') :].split("Without a rank", 1)


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def case(folder: Path, submission: str) -> ElementTree.Element:
    root = ElementTree.parse(folder / "junit.xml").getroot()
    (suite,) = [each for each in root if each.get("name") == submission]
    return suite.find("testcase")


def test_a_held_entry_has_no_rank_and_no_points_in_any_export(results: Path, tmp_path: Path) -> None:
    pages = site(results, tmp_path)
    assert "Held for sign: its points are provisional until the instructor decides. It was seen." in pages
    assert "20 of 25 points, provisional" in pages and "(20)" in pages
    assert pages.count("Without a rank: a flag is raised") == 1
    # Below the ranked entries, although they have the same score.
    ranked, others = board(tmp_path)
    assert "Bob" in ranked and "Ada" not in ranked and others.index("Ada") < others.index("Not ranked: no score")
    row = rows(tmp_path)["ada"]
    assert (row["state"], row["status"], row["points"], row["passed"]) == ("held", "scored", "", "")
    assert (row["rank_low"], row["rank_high"], row["decision"]) == ("", "", "")
    assert row["explanation"].startswith("Held for sign") and "20" not in row["explanation"]
    assert (rows(tmp_path)["bob"]["rank_low"], rows(tmp_path)["bob"]["rank_high"]) == ("1", "1")
    held_case = case(tmp_path, "ada")
    failure = held_case.find("failure")
    assert failure.get("type") == "held" and failure.get("message").startswith("Held for sign")
    properties = {each.get("name"): each.get("value") for each in held_case.iter("property")}
    assert properties["state"] == "held" and not {"points", "rank"} & set(properties)


def test_the_console_names_held_and_decided_entries(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = of(results, "ada")
    assert _verdict(waiting) == "held"
    print_reasons([waiting])
    assert "Held for sign" in capsys.readouterr().err
    assert run("decide", results, "ada", "cvae", "reject", "--reason", "no digits").exit_code == 0
    assert _verdict(of(results, "ada")) == "rejected"
    print_reasons([of(results, "ada")])
    assert "Rejected by the instructor: no digits" in capsys.readouterr().err


def test_accepting_gives_points_and_a_rank_and_undoing_takes_them(results: Path, tmp_path: Path) -> None:
    before = of(results, "zoe (2)")
    done = run("decide", results, "zoe (2)", "cvae", "accept", "--reason", "looked at: <b>fine</b>", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "decided: accept"
    pages = site(results, tmp_path / "one")
    assert "Accepted by the instructor: looked at: &lt;b&gt;fine&lt;/b&gt;" in pages and "<b>fine</b>" not in pages
    row = rows(tmp_path / "one")["zoe (2)"]
    assert (row["state"], row["points"], row["passed"]) == ("scored", "20.0", "true")
    assert (row["decision"], row["decision_reason"]) == ("accept", "looked at: <b>fine</b>")
    assert row["rank_low"] != ""
    assert case(tmp_path / "one", "zoe (2)").find("failure") is None
    assert run("decide", results, "zoe (2)", "cvae", "--undo").exit_code == 0
    after = of(results, "zoe (2)")
    assert replace(after, keys={}) == replace(before, keys={})
    assert rows_after(results, tmp_path / "two")["zoe (2)"]["state"] == "held"
    again = run("decide", results, "zoe (2)", "cvae", "--undo")
    assert again.exit_code == 2 and "no decision to undo" in again.output


def rows_after(results: Path, folder: Path) -> dict[str, dict[str, str]]:
    site(results, folder)
    return rows(folder)


def test_a_rejected_entry_and_a_failed_one_that_was_given_points(results: Path, tmp_path: Path) -> None:
    assert run("decide", results, "bob", "cvae", "reject", "--reason", "copied").exit_code == 0
    assert run("decide", results, "eve", "cvae", "points", "12.5", "--reason", "sent by mail").exit_code == 0
    pages = site(results, tmp_path)
    assert "Rejected by the instructor: copied" in pages
    assert "12.5 points given by the instructor: sent by mail" in pages
    found = rows(tmp_path)
    assert (found["bob"]["points"], found["bob"]["rank_low"], found["bob"]["passed"]) == ("0.0", "", "false")
    assert (found["eve"]["points"], found["eve"]["state"], found["eve"]["passed"]) == ("12.5", "failed", "false")
    assert case(tmp_path, "bob").find("failure").get("message").endswith("Rejected by the instructor: copied")


def test_the_folder_alone_lists_what_is_held_decided_and_no_longer_applies(results: Path) -> None:
    run("decide", results, "ada", "cvae", "points", "3", "--reason", "late")
    run("decide", results, "bob", "cvae", "reject", "--reason", "copied")
    # Bob hands in again.
    records.save(results, replace(scored("bob", "Bob", 0.97), figures=()))
    done = run("decide", results)
    assert done.exit_code == 0
    assert "zoe (2)" in done.stdout and "Held for sign" in done.stdout
    assert "3 points given by the instructor: late" in done.stdout
    assert "no longer applies" in done.stdout and "made about another hand-in" in done.stdout
    document = json.loads(run("decide", results, "--json").stdout)
    assert [(e["id"], e["state"], e["points"]) for e in document["entries"]] == [
        ("ada", "decided: points", 3),
        ("zoe (2)", "held", None),
    ]
    assert [e["id"] for e in document["lapsed"]] == ["bob"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "cvae", "accept", "--reason", "x"), "no such submission; there are ada, bob, eve, zoe (2)"),
        (("../ada", "cvae", "accept", "--reason", "x"), "no such submission"),
        (("@decisions", "cvae", "accept", "--reason", "x"), "no such submission"),
        (("ada", "cgan", "accept", "--reason", "x"), "has no part cgan; its parts are cvae"),
        (("ada", "../bob/cvae", "accept", "--reason", "x"), "its parts are cvae"),
        (("ada",), "name a part of: cvae"),
        (("ada", "cvae"), "no verdict: write accept, reject, or points N"),
        (("ada", "cvae", "praise", "--reason", "x"), "praise: write accept"),
        (("ada", "cvae", "accept"), "say why, by --reason"),
        (("ada", "cvae", "accept", "--reason", " \x1b[31m\u202e "), "say why, by --reason"),
        (("ada", "cvae", "accept", "5", "--reason", "x"), "points needs a number, and accept and reject take none"),
        (("ada", "cvae", "points", "--reason", "x"), "points needs a number"),
        (("ada", "cvae", "points", "25.01", "--reason", "x"), "from 0 to 25 can be given"),
        (("ada", "cvae", "points", "nan", "--reason", "x"), "from 0 to 25 can be given"),
        (("ada", "cvae", "points", "inf", "--reason", "x"), "from 0 to 25 can be given"),
        (("--reason", "x", "--", "ada", "cvae", "points", "-1"), "from 0 to 25 can be given"),
        (("eve", "cvae", "accept", "--reason", "x"), "has no score to accept (failed); points N gives it some"),
        (("eve", "cvae", "points", "26", "--reason", "x"), "from 0 to 25 can be given"),
        (("bob", "cvae", "accept", "--reason", "x"), "scored by an older version; grade it again first"),
        (("ada", "cvae", "accept", "--undo"), "leave out the verdict"),
        (("ada", "cvae", "--undo"), "no decision to undo"),
    ],
)
def test_what_can_not_be_decided_is_said_and_changes_nothing(
    results: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = records.load_all(results)
    done = run("decide", results, *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.output.replace("\n", " ")
    assert records.load_all(results) == before
    assert not (results / decisions.FOLDER).exists()


def test_a_damaged_decision_is_told_and_its_entry_stays_held(results: Path, tmp_path: Path) -> None:
    run("decide", results, "ada", "cvae", "accept", "--reason", "x")
    path = decisions.path_of(results, "ada", "cvae")
    path.write_bytes(b"\xff{")
    for done in (run("decide", results), run("report", results, "--site", tmp_path / "site")):
        assert done.exit_code == 0
        assert "not a readable decision; delete it and decide again" in done.output
    assert "Ada" in board(tmp_path / "site")[1] and "Bob" in board(tmp_path / "site")[0]
    listed = json.loads(CliRunner().invoke(app, ["decide", str(results), "--json"]).stdout)
    assert [(e["id"], e["state"]) for e in listed["entries"]] == [("ada", "held"), ("zoe (2)", "held")]
    # Undoing removes it, and deciding again replaces it.
    assert run("decide", results, "ada", "cvae", "--undo").exit_code == 0
    assert of(results, "ada").held
    assert run("decide", results, "ada", "cvae", "accept", "--reason", "y").exit_code == 0
    assert of(results, "ada").score.points == 20


def test_a_shut_gate_stands_beside_the_score(results: Path, tmp_path: Path) -> None:
    shut = held("gil")
    score = replace(
        shut.score, points=0.0, passed=False, held=(), shut=("varied digits",),
        explanation="accuracy 99.00%, but 0 points: the condition varied digits does not hold.",
    )  # fmt: skip
    records.save(results, replace(shut, evidence=(), figures=(), gates={"diversity": Gate(False)}, score=score))
    pages = site(results, tmp_path)
    assert "but 0 points: gate shut: varied digits" in pages
    assert "accuracy 99.00%, but 0 points: the condition varied digits does not hold." in pages
    assert _verdict(of(results, "gil")) == "gate shut"
    assert rows(tmp_path)["gil"]["points"] == "0.0"


def test_exports_are_named_as_before() -> None:
    assert callable(export("csv")) and callable(export("junit"))
