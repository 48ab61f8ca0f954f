"""Tests of the moment until which scores are hidden: how it is written, what is wrong with it, who remembers it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from harness import hiding
from harness.rubric import AssignmentError, parse

TOML = (
    'name = "x"\ntitle = "X"\n{}\n[[part]]\nid = "a"\ntitle = "A"\ntask = "half-inpainting"\npoints = 1\npass = 0.2\n'
)
SIX = datetime.fromisoformat("2026-12-01T18:00:00+01:00")


@pytest.mark.parametrize("line", ["2026-12-01T18:00:00+01:00", '"2026-12-01T18:00+01:00"', "2026-12-01T17:00:00Z"])
def test_an_assignment_states_it_with_its_zone(line: str) -> None:
    assert parse(TOML.format(f"hide_until = {line}").encode(), "a.toml").hide_until == SIX
    assert parse(TOML.format("").encode(), "a.toml").hide_until is None


@pytest.mark.parametrize(
    ("line", "found", "to_write"),
    [
        # A clock without seconds is none in TOML; the line to write is the one that was meant.
        ("2026-12-01T18:00+02:00", "'2026-12-01T18:00+02:00', which is no date of TOML", "2026-12-01T18:00:00+02:00"),
        ("2026-12-01T09:30:00", "'2026-12-01T09:30:00', which has no time zone", "2026-12-01T09:30:00+01:00"),
        ('"2026-12-01T09:30"', "'2026-12-01T09:30', which has no time zone", "2026-12-01T09:30:00+01:00"),
        ("2026-12-01", "'2026-12-01', which has no time of day and no time zone", "2026-12-01T18:00:00+01:00"),
        ("tomorrow", "'tomorrow', which is no date of TOML", "2026-12-01T18:00:00+01:00"),
        ('"soon"', "'soon', which is no date with a time", "2026-12-01T18:00:00+01:00"),
        ("true", "'True', which is no date with a time", "2026-12-01T18:00:00+01:00"),
        ("", "'', which is no date of TOML", "2026-12-01T18:00:00+01:00"),
    ],
)
def test_a_bad_date_names_the_key_what_was_found_and_the_line_to_write(line: str, found: str, to_write: str) -> None:
    with pytest.raises(AssignmentError) as error:
        parse(TOML.format(f"hide_until = {line}").encode(), "a.toml")
    said = str(error.value)
    assert said.startswith(f"a.toml: hide_until: found {found}; write hide_until = {to_write}")
    # What is to be written is taken.
    parse(TOML.format(f"hide_until = {to_write}").encode(), "a.toml")


def test_dates_of_other_types_are_refused() -> None:
    for value in (date(2026, 12, 1), datetime(2026, 12, 1, 18), 5, None):
        with pytest.raises(ValueError, match=r"--hide-until: found .*; write --hide-until 2026-12-01T18:00:00"):
            hiding.moment(value, "--hide-until")


def test_scores_are_hidden_to_the_second(tmp_path: Path) -> None:
    hiding.remember(tmp_path, "x", SIX)
    before, after = SIX - timedelta(seconds=1), SIX
    assert hiding.hidden(tmp_path, before.astimezone(UTC)) == {"x": SIX}
    assert hiding.hidden(tmp_path, after) == {}


def test_the_option_wins_until_the_next_option(tmp_path: Path) -> None:
    def until() -> dict[str, datetime | None]:
        return {name: told.until for name, told in hiding.stated(tmp_path).items()}

    later = SIX + timedelta(days=1)
    hiding.remember(tmp_path, "x", SIX)
    hiding.remember(tmp_path, "y", None)
    assert until() == {"x": SIX}
    # The assignment changes its mind, and says nothing any more.
    hiding.remember(tmp_path, "x", later)
    assert until() == {"x": later}
    hiding.remember(tmp_path, "x", None)
    assert until() == {}
    hiding.remember(tmp_path, "x", SIX, option=later)
    hiding.remember(tmp_path, "x", SIX)
    assert until() == {"x": later}
    hiding.remember(tmp_path, "x", SIX, lifted=True)
    hiding.remember(tmp_path, "x", SIX)
    assert until() == {"x": None} and hiding.hidden(tmp_path, SIX - timedelta(days=9)) == {}


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"assignments": {"x": {"until": "soon", "by_option": true}}}', "{" * 100_000]
)
def test_a_file_that_can_t_be_read_shows_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / hiding.FILE).write_text(content, encoding="utf-8")
    with pytest.raises(hiding.HidingError, match="delete it and state the date again, --hide-until"):
        hiding.hidden(tmp_path)
    with pytest.raises(hiding.HidingError):
        hiding.remember(tmp_path, "x", SIX)
