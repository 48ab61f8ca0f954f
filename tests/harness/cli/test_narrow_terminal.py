"""Tests that at 80 columns no identifier is broken, and that what was asked for goes to standard output."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner, Result

from harness import records
from harness.cli.app import COMMANDS, app
from harness.cli.console import listing, results_table
from harness.cli.tables import Listing, widths
from harness.tasks import TASKS
from harness.types import Failure, Record
from reference import MODELS
from tests.harness.test_decisions import held
from tests.reports.examples import cgan, scored, unscored

LONG = "Muller-Lowenstein-Annegret-Friederike-4711-assignsubmission0"
"""Sixty characters, as a folder of Moodle's is made an id."""
PART = "a-part-of-the-assignment-with-a-long-id1"
"""Forty characters, the most that a part has."""


def printed(table: object, width: int = 80) -> list[str]:
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(table)
    return [line.rstrip() for line in buffer.getvalue().splitlines()]


def words(lines: Sequence[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "80"})


def a_class() -> list[Record]:
    return [
        scored(LONG, "A", 0.9931, figures=()),
        cgan(scored(LONG, "A", 0.97, figures=())),
        held(f"x{LONG}abc"),
        replace(scored("short", "B", 0.95, figures=()), part=PART),
        unscored(f"y{LONG}", "Y", Failure("checkpoint", "truncated", f"{LONG}.pt is cut off.")),
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("ranked", [False, True])
def test_results_name_each_submission_and_part_whole(width: int, ranked: bool) -> None:
    known = a_class()
    ranks = {(record.submission, record.part): (1, 4) for record in known} if ranked else {}
    lines = printed(results_table(known, ranks), width)
    assert max(map(len, lines)) <= width
    assert words(lines) >= {record.submission for record in known} | {record.part for record in known}
    # The numbers of an entry stand in one line with its part.
    (line,) = [line for line in lines if "cgan" in line]
    assert "97.00" in line and ("1–4" in line) == ranked


def test_a_submission_stands_once_above_its_parts_where_it_is_long() -> None:
    lines = printed(results_table(a_class()[:2]))
    assert [line.strip() for line in lines].count(LONG) == 1
    below = lines[[line.strip() for line in lines].index(LONG) + 1 :]
    assert [line.split()[0] for line in below if line.strip()] == ["cvae", "cgan"]


def test_short_ids_have_a_line_of_all_as_before() -> None:
    (line,) = [line for line in printed(results_table([scored("s1", "A", 0.9931)])) if "s1" in line]
    assert re.split(r"\s{2,}", line.strip())[:3] == ["s1", "cvae", "passed"]


def test_rows_that_are_too_wide_become_blocks_with_every_cell() -> None:
    said = "Held for mode collapse: its points are provisional until the instructor decides, which may take a while."
    lines = printed(listing(("submission", "part", "state", "points", "said"), [(LONG, PART, "held", "(20)", said)]))
    assert max(map(len, lines)) <= 80
    assert lines[0].strip() == LONG
    assert words(lines) >= {LONG, PART, "held", "(20)", *said.split()}
    assert " ".join(" ".join(lines).split()).endswith(said)


def test_of_a_word_that_is_longer_than_the_line_nothing_is_lost() -> None:
    path = "/a" * 90
    assert path in "".join(printed(listing(("source", "folder"), [("cache", path)])))


@pytest.mark.parametrize("room", range(4, 60))
def test_widths_fit_and_hold_the_longest_words(room: int) -> None:
    cells = [[Text(cell) for cell in row] for row in (("a bb ccc", "dddd eeeee", "f"), ("g", "h i j k l m n o p", ""))]
    found = widths(cells, room)
    if room < 3 + 5 + 1:
        assert found is None
        return
    assert found is not None and sum(found) <= room
    assert all(width >= least for width, least in zip(found, (3, 5, 1), strict=True))
    assert sum(found) == min(room, 8 + 17 + 1)


@pytest.mark.parametrize("name", ["tasks", "models", "assignments", "doctor", "export", "decide"])
def test_listings_are_on_standard_output_and_break_no_name(name: str, tmp_path: Path) -> None:
    for record in a_class():
        records.save(tmp_path, record)
    done = run(name, *([tmp_path] if name == "decide" else []))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert done.stderr == "" and max(map(len, lines)) <= 80
    from reports.exports import EXPORTS

    wanted = {
        "tasks": set(TASKS),
        "models": set(MODELS),
        "assignments": {"tu-berlin-sheet10", "vae-no-divergence-10", "image-completion"},
        "doctor": set(),
        "export": set(EXPORTS),
        "decide": {f"x{LONG}abc"},
    }[name]
    assert words(lines) >= wanted


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_and_breaks_no_option(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0 and max(map(len, done.stdout.splitlines())) <= 80


def test_a_listing_is_measured_by_what_it_prints() -> None:
    """Wide characters take two columns."""
    lines = printed(Listing(("a", "b"), [[Text("漢字" * 10), Text("x " * 30)]]), 60)
    assert "漢字" * 10 in words(lines) and words(lines) >= {"a", "b", "x"}
