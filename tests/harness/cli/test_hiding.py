"""Tests that no file of a site tells a score before its moment, and that exports to platforms wait for it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness import hiding, records
from harness.cli.app import app
from harness.types import Failure, Record, Status
from reports import exports, history
from tests.harness.test_decisions import held
from tests.reports.examples import a_class, scored, unscored

FUTURE, PAST = "2999-12-01T18:00+01:00", "2001-12-01T18:00+01:00"
TELLING = re.compile(
    r"points?\b|passed|missed|\bheld\b|\bfailed\b|accuracy|median|rank\b|flag\b|97\.|98\.|99\.|\d/\d|data:image|Gate|"
    r"submissions/|parts/|sha-256|digest",
    re.IGNORECASE,
)
"""Words and numbers that would tell an outcome, pictures, and links to pages that would."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A class with pictures, every state of a part, and two runs before."""
    place = tmp_path / "results"
    known: list[Record] = a_class(place)
    known += [
        replace(held("heloise"), figures=()),
        unscored("faye", "Faye", Failure("checkpoint", "truncated", "best.pt is cut off after 97.5 kB.")),
        replace(unscored("nora", "Nora", Failure("intake", "nothing", "x")), status=Status.NOT_HANDED_IN),
        replace(scored("other", "Otherwise", 0.9876), assignment="ucl-hw4", assignment_title="Other sheet", figures=()),
    ]
    for record in known:
        records.save(place, record)
    for changed in (known[:4], known):
        history.remember(place, changed)
    return place


def texts(site: Path) -> dict[str, str]:
    """All that a site's folder holds, by file, the style sheet and scripts apart."""
    found = {}
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        found[str(path.relative_to(site))] = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return found


def test_before_the_moment_no_file_tells_a_score(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    # What an earlier rendering left: pages with all that was found, and one that it was writing when it was killed.
    assert run("report", results, "--site", site, "--staff").exit_code == 0
    assert len(list((site / "submissions").glob("*.html"))) > 8
    (site / "submissions" / f".s1001-0123456789ab.html.{'0' * 12}.tmp").write_text("99.51 %", encoding="utf-8")
    done = run("report", results, "--site", site, "--hide-until", FUTURE)
    assert done.exit_code == 0, done.output
    assert "pages tell no scores until 2999-12-01 18:00 (UTC+01:00)" in done.output
    assert set(texts(site)) == {"index.html"}
    text = texts(site)["index.html"]
    assert "No scores before 2999-12-01 18:00 (UTC+01:00)" in text
    assert not TELLING.findall(text.replace("shows scores, ranks and feedback", "").replace("a rank is as narrow", ""))
    # All are there, with what they handed in.
    assert {"Team Gauss", "Faye", "Nora", "Otherwise"} <= set(re.findall(r"<bdi>([^<]*)</bdi>", text))
    row = re.search(r"<bdi>Nora</bdi>.*?</tr>", text, re.DOTALL)
    assert row is not None and "not handed in" in row[0] and "graded" not in row[0]
    for name in ("Faye", "Team Gauss", "Mode Zero"):
        row = re.search(rf"<bdi>{name}</bdi>.*?</tr>", text, re.DOTALL)
        # The failed, the best and the held one look alike.
        assert row is not None and "<td>handed in and graded</td>" in row[0]


def test_who_has_failed_can_t_be_told_by_the_page(results: Path, tmp_path: Path) -> None:
    """The same class with other outcomes gives the same bytes."""
    assert run("report", results, "--site", tmp_path / "one", "--hide-until", FUTURE).exit_code == 0
    for record in records.load_all(results).records:
        if record.status is Status.SCORED and record.role.value == "student":
            failure = Failure("checkpoint", "truncated", "Cut.")
            records.save(results, replace(record, status=Status.FAILED, failure=failure, score=None, metrics={}))
    assert run("report", results, "--site", tmp_path / "two").exit_code == 0
    assert (tmp_path / "one" / "index.html").read_bytes() == (tmp_path / "two" / "index.html").read_bytes()


def test_it_is_remembered_until_it_is_over_or_lifted(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run("report", results, "--site", site, "--hide-until", FUTURE).exit_code == 0
    assert run("report", results, "--site", site).exit_code == 0
    assert "99." not in texts(site)["index.html"]
    assert run("report", results, "--site", tmp_path / "staff", "--staff").exit_code == 0
    assert "99.51" in texts(tmp_path / "staff")["index.html"]
    assert run("report", results, "--site", site, "--hide-until", PAST).exit_code == 0
    assert "99.51" in texts(site)["index.html"]
    assert run("report", results, "--site", site, "--hide-until", FUTURE).exit_code == 0
    assert run("report", results, "--site", site, "--hide-until", "none").exit_code == 0
    assert "99.51" in texts(site)["index.html"]


def test_one_assignment_may_be_hidden_beside_another(results: Path, tmp_path: Path) -> None:
    hiding.remember(results, "tsinghua-hw3", hiding.moment(FUTURE))
    assert run("report", results, "--site", tmp_path / "site").exit_code == 0
    found = texts(tmp_path / "site")
    text = "".join(found.values())
    assert "98.7" in text and "99.51" not in text and "Mode Zero" in text
    assert [name for name in found if "submissions" in name and "other" not in name and "e-" not in name[12:]] == []


@pytest.mark.parametrize(
    "left", ["scores.csv", "graded.csv", "results/s1001.json", "moodle-feedback.zip", "old/index.html", "notes.txt"]
)
def test_other_files_that_may_tell_are_named_and_nothing_is_written(results: Path, tmp_path: Path, left: str) -> None:
    site = tmp_path / "site"
    (site / left).parent.mkdir(parents=True)
    (site / left).write_text("s1001,99.51", encoding="utf-8")
    for harmless in ("CNAME", "robots.txt", ".nojekyll"):
        (site / harmless).write_text("x", encoding="utf-8")
    done = run("report", results, "--site", site, "--hide-until", FUTURE)
    assert done.exit_code == 2
    assert f"these files may tell them: {site / left}." in done.output
    assert not (site / "index.html").exists()
    (site / left).unlink()
    assert run("report", results, "--site", site).exit_code == 0


def test_a_results_folder_or_a_link_within_the_site_is_named(results: Path, tmp_path: Path) -> None:
    done = run("report", results, "--site", tmp_path, "--hide-until", FUTURE)
    assert done.exit_code == 2 and "these files may tell them" in done.output
    site = tmp_path / "elsewhere" / "site"
    site.mkdir(parents=True)
    (site / "records").symlink_to(results)
    done = run("report", results, "--site", site)
    assert done.exit_code == 2 and str(site / "records") in done.output


PLATFORMS = ["moodle-feedback", "gradescope", "classroom", "codabench", "evalai", "moodle", "canvas"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_what_students_see_is_not_exported_before(results: Path, tmp_path: Path, name: str) -> None:
    hiding.remember(results, "tsinghua-hw3", hiding.moment(FUTURE))
    done = run("export", name, results, "-a", "tsinghua-hw3", "-o", tmp_path / "out")
    assert done.exit_code == 2 and not (tmp_path / "out").exists()
    assert f"{name}: the scores of tsinghua-hw3 are hidden until 2999-12-01 18:00" in done.output
    assert "--staff writes the file for your own eyes" in done.output
    done = run("report", results, "--site", tmp_path / "site", "--export", name)
    assert done.exit_code == 2 and not (tmp_path / "site").exists()
    # The other assignment's is not held back; it is another reason that ends it, if any.
    assert "are hidden" not in run("export", name, results, "-a", "ucl-hw4", "-o", tmp_path / "other").output


def test_tables_for_the_instructor_are_written_apart_from_the_pages(results: Path, tmp_path: Path) -> None:
    hiding.remember(results, "tsinghua-hw3", hiding.moment(FUTURE))
    done = run("report", results, "--site", tmp_path / "site", "--export", "csv")
    assert done.exit_code == 0, done.output
    assert "keep this file to yourself until then" in done.output
    assert not (tmp_path / "site" / "scores.csv").exists() and (results / "@exports" / "scores.csv").exists()
    assert run("report", results, "--site", tmp_path / "site").exit_code == 0
    done = run("export", "gradescope", results, "-a", "tsinghua-hw3", "--staff", "-o", tmp_path / "g" / "results.json")
    assert done.exit_code == 0 and "students see what is uploaded" in done.output


def test_every_format_says_who_sees_it() -> None:
    seen = {name for name in exports.EXPORTS if exports.seen_by_students(name)}
    assert seen == set(PLATFORMS)


def test_a_bad_date_is_refused_by_the_option(results: Path, tmp_path: Path) -> None:
    done = run("report", results, "--site", tmp_path / "site", "--hide-until", "2026-12-01T18:00")
    assert done.exit_code == 2 and not (tmp_path / "site").exists()
    assert "--hide-until: found '2026-12-01T18:00', which has no time zone; write --hide-until" in done.output


def test_no_number_of_a_hidden_site_is_a_score(results: Path, tmp_path: Path) -> None:
    """Every number that the page has is of the date, of counts, or of an id."""
    assert run("report", results, "--site", tmp_path / "site", "--hide-until", FUTURE).exit_code == 0
    text = re.sub(r"<[^>]*>", " ", texts(tmp_path / "site")["index.html"])
    ids = {record.submission for record in records.load_all(results).records}
    numbers = set(re.findall(r"\d+(?:\.\d+)?", re.sub("|".join(map(re.escape, ids)), " ", text)))
    counts = {str(number) for number in range(len(ids) + 1)}
    assert numbers - counts <= {"2999", "12", "01", "18", "00", "95", "2", "5"}
