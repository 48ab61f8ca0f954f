"""Tests of what one look at a filling folder finds: what is new, steady, changed, gone, or no hand-in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.run.arrivals import Arrivals, Look, states


def written(path: Path, content: bytes = b"x", seconds: int = 1_000_000_000) -> None:
    """Write a file whose time is known, so that a test waits for no clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))


def taken(arrivals: Arrivals) -> tuple[str, ...]:
    """Grade what is ready, as the command does; its seats."""
    ready = arrivals.look().ready
    arrivals.take({seat: arrivals.states[seat] for seat in ready})
    return ready


def test_a_hand_in_is_ready_at_the_second_look_and_once(tmp_path: Path) -> None:
    written(tmp_path / "ada.zip")
    arrivals = Arrivals(tmp_path)
    assert arrivals.look() == Look(("ada",), (), ())
    assert arrivals.look() == Look((), ("ada",), ())
    # What was not graded stays ready.
    assert taken(arrivals) == ("ada",)
    assert arrivals.look() == Look()


@pytest.mark.parametrize(
    ("content", "seconds"), [(b"xy", 1_000_000_000), (b"y", 1_000_000_001)], ids=["another size", "another time"]
)
def test_size_and_time_tell_a_change(tmp_path: Path, content: bytes, seconds: int) -> None:
    written(tmp_path / "ada" / "deep" / "best.pt")
    arrivals = Arrivals(tmp_path)
    arrivals.look()
    assert taken(arrivals) == ("ada",)
    written(tmp_path / "ada" / "deep" / "best.pt", content, seconds)
    assert arrivals.look().seen == ("ada",)
    assert arrivals.changed() == set()
    assert taken(arrivals) == ("ada",)
    written(tmp_path / "ada" / "another.pt")
    assert arrivals.changed() == {"ada"}
    assert arrivals.look().seen == ("ada",)


def test_what_is_still_written_is_not_ready(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    for size in range(1, 6):
        written(tmp_path / "slow.zip", b"x" * size)
        assert arrivals.look() == Look(("slow",), (), ())
    assert arrivals.look().ready == ("slow",)


def test_what_vanishes_is_told_once_and_is_known_when_it_comes_back(tmp_path: Path) -> None:
    written(tmp_path / "ada.zip")
    arrivals = Arrivals(tmp_path)
    arrivals.look()
    taken(arrivals)
    (tmp_path / "ada.zip").unlink()
    assert arrivals.look() == Look((), (), ("ada",)) and arrivals.look() == Look()
    written(tmp_path / "ada.zip")
    assert arrivals.look() == Look() == arrivals.look()


def test_a_folder_that_can_t_be_read_makes_nothing_vanish(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    written(folder / "ada.zip")
    arrivals = Arrivals(folder)
    arrivals.look()
    taken(arrivals)
    folder.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        arrivals.look()
    assert arrivals.changed() == {"ada"}
    (tmp_path / "away").rename(folder)
    assert arrivals.look() == Look()


def test_names_of_one_seat_are_one_hand_in(tmp_path: Path) -> None:
    for name in ("Zoe_47_assignsubmission_file", "Zoe_47_assignsubmission_onlinetext"):
        written(tmp_path / name / "a")
    for name in ("ada.zip", "gil.zip.part", "gil.zip", "j doe.pt", "J-Doe.zip"):
        written(tmp_path / name)
    written(tmp_path / "ada" / "best.pt")
    found = states(tmp_path)
    assert set(found) == {"moodle:47", "ada", "gil", "j-doe"}
    assert found["ada"].names == ("ada", "ada.zip") and found["ada"].files == 2


def test_what_is_nobody_s_is_passed_over(tmp_path: Path) -> None:
    for name in ("grades.csv", "readme.txt", "assignment.toml", ".DS_Store", "submission_metadata.yml"):
        written(tmp_path / name)
    written(tmp_path / "results" / "ada" / "a.json")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert set(states(tmp_path, [(tmp_path / "results").resolve()])) == {"loop"}
