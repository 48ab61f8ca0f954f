"""Tests that no place overwrites another's records."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from classifiers.judge import Judge
from harness import records
from harness.run.places import PlaceError, placed
from harness.run.settings import Run
from harness.tasks.base import Context
from harness.types import Role
from tests.data import embedded_digits
from tests.harness.run.grading import collect, grade, run_of


@pytest.fixture(scope="module")
def context() -> Context:
    return Context(embedded_digits(), Judge.shipped(), seed=0)


def hand_in(place: Path, identity: str = "") -> None:
    """A hand-in that fails at once: which records there are is what matters."""
    place.mkdir(parents=True)
    head = f'[submission]\nid = "{identity}"\n' if identity else ""
    (place / "submission.toml").write_text(
        f'{head}[[entry]]\ntask = "conditional-generation"\nmodel = "cvae"\ncheckpoint = "absent.pt"\n',
        encoding="utf-8",
    )


def names(run: Run) -> set[str]:
    return {record.submission for record in records.load_all(run.results).records}


def go(run: Run, folder: Path, work: Path) -> None:
    grade(placed(collect(folder, work), run), run)


def test_a_second_class_of_the_same_names_is_refused_with_what_to_write(context: Context, tmp_path: Path) -> None:
    run = run_of(context, tmp_path / "results")
    hand_in(tmp_path / "monday" / "ada")
    hand_in(tmp_path / "tuesday" / "ada")
    go(run, tmp_path / "monday", tmp_path / "work")
    before = records.load(records.path_of(run.results, Role.STUDENT, "ada", "cvae"))
    with pytest.raises(PlaceError, match="--moved"):
        go(run, tmp_path / "tuesday", tmp_path / "work")
    assert records.load(records.path_of(run.results, Role.STUDENT, "ada", "cvae")) == before
    go(dataclasses.replace(run, moved=True), tmp_path / "tuesday", tmp_path / "work")
    after = records.load(records.path_of(run.results, Role.STUDENT, "ada", "cvae"))
    assert after.place != before.place
    # The class that is there now may come again.
    go(run, tmp_path / "tuesday", tmp_path / "work")


def test_a_claimed_id_never_replaces_another_students_records(context: Context, tmp_path: Path) -> None:
    run = run_of(context, tmp_path / "results")
    hand_in(tmp_path / "class" / "alice")
    go(run, tmp_path / "class", tmp_path / "work")
    alice = records.load(records.path_of(run.results, Role.STUDENT, "alice", "cvae"))
    hand_in(tmp_path / "late" / "mallory", "alice")
    go(run, tmp_path / "late", tmp_path / "work")
    assert records.load(records.path_of(run.results, Role.STUDENT, "alice", "cvae")) == alice
    assert names(run) == {"alice", "mallory"}
    mallory = [r for r in records.load_all(run.results).records if r.submission == "mallory"]
    assert any('"alice"' in note for record in mallory for note in record.notes)


def test_two_claimants_of_one_id_both_keep_their_places_names(context: Context, tmp_path: Path) -> None:
    run = run_of(context, tmp_path / "results")
    hand_in(tmp_path / "class" / "one", "s7")
    hand_in(tmp_path / "class" / "two", "s7")
    go(run, tmp_path / "class", tmp_path / "work")
    assert names(run) == {"one", "two"}


def test_an_id_that_was_claimed_goes_to_the_folder_of_that_name_when_it_comes(context: Context, tmp_path: Path) -> None:
    run = run_of(context, tmp_path / "results")
    hand_in(tmp_path / "class" / "mallory", "alice")
    go(run, tmp_path / "class", tmp_path / "work")
    assert names(run) == {"alice"}
    hand_in(tmp_path / "class" / "alice")
    go(run, tmp_path / "class", tmp_path / "work")
    places = {record.submission: record.place for record in records.load_all(run.results).records}
    assert {own: place.rpartition("/")[2] for own, place in places.items()} == {"alice": "alice", "mallory": "mallory"}
