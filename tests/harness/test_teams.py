"""Tests of the list of teams: what is understood, what is wrong with it, and whom a record is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import teams
from harness.types import Role
from tests.reports.examples import scored


def read(folder: Path, text: str) -> teams.Teams:
    (folder / "t.csv").write_bytes(text.encode())
    return teams.read(folder / "t.csv")


@pytest.mark.parametrize(
    "text",
    [
        "id,team\n4711,Gauss\n4712,Gauss\n5,\n",
        "\ufefffoo;Team;ID\r\nx;Gauss;4711\r\ny; Gauss ;4712\r\n;;\r\nz;;5\r\n",
        # As Canvas exports a group set.
        "name,canvas_user_id,user_id,login_id,sections,group_name,canvas_group_id,group_id\n"
        '"Quandt, Zoë",4711,s1,zq,A,Gauss,9,\n"B, A",4712,s2,ab,A,Gauss,9,\n"C, C",5,s3,cc,A,,,\n',
    ],
)
def test_lists_are_read_by_their_headings(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert [(member.id, member.team) for member in found.members] == [("4711", "Gauss"), ("4712", "Gauss")]
    assert found.without == ("5",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; its first line is to be id,team"),
        ("student,team\n1,a\n", "has no column id; its headings are student, team; the first line is to be id,team"),
        ("id,group\n1,a\n", "has no column team"),
        ("id,team\n1,a\n1,b\n", "line 3: 1 stands in line 2, too; a student is in one team"),
        ("id,team\n../x,a\n", "line 2: found the id '../x'; write the platform's number or the id"),
        ("id,team\n,a\n", "line 2: found the id ''"),
        ("id,team,counts\n1,a,perhaps\n", "line 2: counts: found 'perhaps'; write \"yes\", or nothing"),
        ("id,team,counts\n1,a,yes\n2,a,yes\n", "a: counts is yes for 1, 2; write it in one row of a team"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(teams.TeamsError) as error:
        read(tmp_path, text)
    assert said in str(error.value) and str(error.value).startswith(str(tmp_path / "t.csv"))


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,team\n\xff,a\n")
    with pytest.raises(teams.TeamsError, match="is not UTF-8"):
        teams.read(tmp_path / "t.csv")
    with pytest.raises(teams.TeamsError, match="no such file"):
        teams.read(tmp_path / "none.csv")
    assert not teams.kept(tmp_path)


def test_a_record_is_found_by_id_seat_or_number(tmp_path: Path) -> None:
    found = read(tmp_path, "id,team\n4711,a\nmoodle:4712,b\nADA,c\n")
    record = scored("zoe", "Zoë", 0.99, place="moodle:4711@3f2a")

    def team(**changes: object) -> str | None:
        member = found.member(replace(record, **changes))  # type: ignore[arg-type]
        return member.team if member is not None else None

    assert team() == "a"
    assert team(place="moodle:4712") == "b"
    assert team(place="canvas:4712") is None
    assert team(submission="ada", place="0123456789ab/ada") == "c"
    assert team(role=Role.REFERENCE) is None


def test_a_results_folder_keeps_the_list(tmp_path: Path) -> None:
    read(tmp_path, "id,team\n1,a\n")
    results = tmp_path / "results"
    assert teams.keep(tmp_path / "t.csv", results).members == teams.kept(results).members
    (tmp_path / "t.csv").write_text("id,team\n1,\n1,\n", encoding="utf-8")
    with pytest.raises(teams.TeamsError):
        teams.keep(tmp_path / "t.csv", results)
    # The one that was kept stays.
    assert teams.kept(results).members[0].team == "a"
