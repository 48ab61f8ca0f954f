"""Tests that a team is one row of the pages and that each member has its grade, whatever the members handed in."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from harness import records, teams
from harness.cli.app import app
from harness.types import Evidence, Failure, Record, Status
from reports.audience import Audience, visible
from reports.exports import csv as table
from reports.exports import junit, moodle, moodle_feedback
from reports.exports.grades import Options, grades
from reports.leaderboard import places
from reports.site import render
from reports.teams import joined
from tests.harness.test_decisions import held
from tests.reports.examples import scored, unscored, with_scores
from tests.reports.exports.test_moodle import HEADER

LIST = "id,team\n11,Gauss\n12,Gauss\n13,Gauss\n21,Euler\n22,Euler\n31,Noether\n"
"""Three members, of whom two hand in; two, of whom one does; one who hands in nothing. 41 is in no team."""


def listed(folder: Path, text: str = LIST) -> teams.Teams:
    (folder / "teams.csv").write_text(text, encoding="utf-8")
    return teams.read(folder / "teams.csv")


def handed_in(number: int, name: str, accuracy: float, **changes: object) -> Record:
    return scored(str(number), name, accuracy, place=f"moodle:{number}", figures=(), **changes)


def a_class() -> list[Record]:
    return [
        handed_in(11, "Zoë Quandt", 0.96),
        handed_in(12, "Ada Xylander", 0.99),
        handed_in(21, "Leo Yunis", 0.985),
        handed_in(41, "Max Ibsen", 0.95),
    ]


def points(found: Sequence[Record], teams_: teams.Teams) -> tuple[dict[str, float | None], list[str]]:
    said: list[str] = []
    return {g.submission: g.points for g in grades(found, Options(teams=teams_, tell=said.append))}, said


def test_each_member_has_the_grade_of_the_best_hand_in(tmp_path: Path) -> None:
    given, said = points(a_class(), listed(tmp_path))
    assert given == {"11": 20.0, "12": 20.0, "13": 20.0, "21": 20.0, "22": 20.0, "41": 12.5}
    assert "Gauss: 2 members handed in; 12 counts, because it has the most points, and not 11 (write yes" in said[0]
    assert "without a team, each for itself: 41" in said
    assert "Noether: nobody handed in, of 31" in said
    assert "no hand-in of their own, and their team's grade: 13, 22" in said


def test_a_row_of_the_list_may_say_whose_counts(tmp_path: Path) -> None:
    given, said = points(a_class(), listed(tmp_path, "id,team,counts\n11,Gauss,yes\n12,Gauss,\n13,Gauss,\n"))
    assert (given["11"], given["12"], given["13"]) == (12.5, 12.5, 12.5)
    assert "11 counts, because its row says so, and not 12" in said[0]


def test_hand_ins_count_as_a_whole_and_open_ones_after_final_ones(tmp_path: Path) -> None:
    of = listed(tmp_path, "id,team\na,T\nb,T\nc,T\n")
    waiting = replace(held("a"), place="")
    failed = unscored("b", "B", Failure("checkpoint", "truncated", "Cut."))
    assert points([waiting, failed], of)[0] == {"a": 0.0, "b": 0.0, "c": 0.0}
    nothing = replace(failed, submission="a", status=Status.NOT_HANDED_IN)
    assert joined([nothing, failed], of).records[0].failure == failed.failure
    # Alone, what is held stays open for all.
    assert points([waiting], of)[0] == {"a": None, "b": None, "c": None}


def test_moodle_gets_a_row_a_member_and_a_page_each(tmp_path: Path) -> None:
    of = listed(tmp_path)
    sheet = tmp_path / "sheet.csv"
    rows = [f"Participant {number},N{number},e,s,,20.00,Yes,-,-," for number in (11, 12, 13, 21, 22, 31, 41)]
    sheet.write_text("\n".join([",".join(HEADER), *rows]) + "\n", encoding="utf-8")
    said: list[str] = []
    moodle.write(a_class(), tmp_path, tmp_path, Options(sheet=sheet, teams=of, tell=said.append))
    with (tmp_path / "moodle-grades.csv").open(encoding="utf-8", newline="") as file:
        filled = {row["Identifier"][-2:]: row["Grade"] for row in csv.DictReader(file)}
    assert filled == {"11": "20", "12": "20", "13": "20", "21": "20", "22": "20", "31": "", "41": "12.5"}
    assert any("1 rows without a submission" in sentence and "N31" in sentence for sentence in said)
    path = moodle_feedback.write(a_class(), tmp_path, tmp_path, Options(teams=of))
    with zipfile.ZipFile(path) as archive:
        pages = {name.split("_")[1]: archive.read(name).decode() for name in archive.namelist()}
    assert set(pages) == {"11", "12", "13", "21", "22", "41"}
    assert "99." in pages["13"] and "Ada" not in pages["13"] and "Ada Xylander" in pages["12"]


def test_tables_rank_a_team_once(tmp_path: Path) -> None:
    of, rng = listed(tmp_path), np.random.default_rng(0)
    known = []
    for record, good in zip(a_class(), (0.96, 0.99, 0.985, 0.5), strict=True):
        known.append(with_scores(tmp_path, record, (rng.random(4000) < good).astype(float)))
    table.write(known, tmp_path, tmp_path, Options(teams=of))
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert {own: row["team"] for own, row in rows.items()} == {
        "11": "Gauss", "12": "Gauss", "13": "Gauss", "21": "Euler", "22": "Euler", "41": ""
    }  # fmt: skip
    # Three entries compete, not six.
    assert (rows["41"]["rank_low"], rows["41"]["rank_high"]) == ("3", "3")
    assert rows["11"]["value"] == rows["12"]["value"] == rows["13"]["value"] != rows["21"]["value"]
    junit.write(known, tmp_path, tmp_path, Options(teams=of))
    suites = (tmp_path / "junit.xml").read_text("utf-8")
    assert re.findall(r'testsuite name="(\d+)"', suites) == ["11", "12", "13", "21", "22", "41"]


def test_pages_have_one_row_a_team_under_a_pseudonym_and_name_no_member(tmp_path: Path) -> None:
    results, of = tmp_path / "results", listed(tmp_path, LIST.replace("13", "77613"))
    results.mkdir()
    known = a_class()
    known[1] = replace(known[1], stage_notes={"intake": ("Ada Xylander's zip, or Zoë Quandt's, or that of 77613.",)})
    render(known, results, tmp_path / "site", audience=Audience(teams=of))
    text = "".join(path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert len(list((tmp_path / "site" / "submissions").iterdir())) == 3 and "&#39;s zip, or" in text
    assert not re.findall(r"Zo[ëe]|Quandt|Ada\b|Xylander|Yunis|Gauss|Euler|77613", text)
    owners = (results / "pseudonyms.csv").read_text("utf-8")
    assert "Gauss" in owners and "Euler" in owners and ",41" in owners
    named = visible(known, results, Audience(names=True, teams=of)).records
    assert [(record.submission, record.name) for record in named] == [
        ("Gauss", "Gauss"), ("Euler", "Euler"), ("41", "Max Ibsen")
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["11", "moodle:12", "13", "Gauss"])
def test_a_member_who_opts_out_takes_the_team_along(tmp_path: Path, line: str) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "opt-out.txt").write_text(line + "\n", encoding="utf-8")
    seen = visible(a_class(), results, Audience(names=True, teams=listed(tmp_path)))
    assert [record.submission for record in seen.records] == ["Euler", "41"] and seen.left_out == 1


def test_a_team_called_as_a_student_is_kept_apart(tmp_path: Path) -> None:
    alone = scored("gauss", "Carl", 0.95, figures=())
    found = joined([*a_class(), alone], listed(tmp_path)).records
    assert {record.submission for record in found} == {"Gauss (team)", "Euler", "41", "gauss"}


def test_members_are_told_of_entries_that_resemble_each_other(tmp_path: Path) -> None:
    copied = Evidence(
        "copied-weights", True, 0.0, None, 0.1, "The same file.", integrity=True, others=(("student", "12", "cvae"),)
    )
    known = a_class()
    known[2] = replace(known[2], compared=(copied,))
    said: list[str] = []
    found = joined(known, listed(tmp_path), said.append).records
    assert found[1].compared[0].others == (("student", "Gauss", "cvae"),)
    assert not any("team-mates" in sentence for sentence in said)
    known[0] = replace(known[0], compared=(copied,))
    joined(known, listed(tmp_path), said.append)
    assert "taken for copies of team-mates, until `gradebench grade` has run with the list: 11" in said


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})


def test_the_commands_keep_the_list_and_use_it(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for record in a_class():
        records.save(results, record)
    listed(tmp_path)
    done = run("report", results, "--site", tmp_path / "site", "--names", "--teams", tmp_path / "teams.csv")
    assert done.exit_code == 0 and "teams.csv: Gauss: 2 members handed in" in done.output
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "Euler" in index and "Yunis" not in index
    done = run("export", "gradescope", results, "-o", tmp_path / "g.json")
    assert done.exit_code == 0, done.output
    written = {path.stem: json.loads(path.read_text("utf-8"))["score"] for path in (tmp_path / "g").iterdir()}
    assert written == {"11": 20.0, "12": 20.0, "13": 20.0, "21": 20.0, "22": 20.0, "41": 12.5}
    (tmp_path / "bad.csv").write_text("id\n1\n", encoding="utf-8")
    done = run("export", "csv", results, "--teams", tmp_path / "bad.csv", "-o", tmp_path / "s.csv")
    assert done.exit_code == 2 and "--teams" in done.output and "has no column team" in done.output


def test_pseudonymous_entries_are_ranked_by_their_scores(tmp_path: Path) -> None:
    """A pseudonym is not the name of the folder that holds the scores."""
    rng = np.random.default_rng(0)
    known = [
        with_scores(tmp_path, record, (rng.random(4000) < good).astype(float))
        for record, good in zip(a_class()[2:], (0.9, 0.5), strict=True)
    ]
    seen = visible(known, tmp_path, Audience()).records
    assert all(record.submission.startswith("entry-") for record in seen)
    assert sorted(places(seen, tmp_path).values()) == [(1, 1), (2, 2)]
