"""Tests of deciding whether a path is one submission or a class, by what people really give."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import intake
from harness.intake.forms import Form
from harness.types import GradingError, Submission
from tests.harness.intake.handed_in import MODELS, TASKS, team, write, zipped

REPOSITORY: dict[str, str | bytes] = {"README.md": "", "train.py": "", "nets/net.py": "", "ckpt/last.ckpt": b"x"}
LAYOUT: dict[str, str | bytes] = {"vae/best.pt": b"v", "gan/best.pt": b"g"}


def below(folder: str, files: dict[str, str | bytes]) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def taken(tmp_path: Path, *paths: Path, form: Form = "auto") -> tuple[list[Submission], str]:
    """Return the submissions, and all that was said."""
    work, notes = tmp_path / "work", list[str]()
    work.mkdir(exist_ok=True)
    found = intake.collect(paths, work, tasks=TASKS, models=MODELS, form=form, on_note=notes.append)
    return found, "\n".join(notes)


def made(tmp_path: Path, files: dict[str, str | bytes], as_zip: bool) -> Path:
    if as_zip:
        return write(tmp_path, {"given.zip": zipped(files)}) / "given.zip"
    return write(tmp_path / "given", files)


@pytest.mark.parametrize("as_zip", [False, True])
def test_repositories_side_by_side_are_a_class(tmp_path: Path, as_zip: bool) -> None:
    files = {name: data for number in range(5) for name, data in below(f"r{number}", REPOSITORY).items()}
    found, said = taken(tmp_path, made(tmp_path, files, as_zip))
    assert [one.id for one in found] == ["r0", "r1", "r2", "r3", "r4"]
    assert all(one.failure is not None and "train.py" in one.failure.message for one in found)
    assert "class of 5 seats" in said and "--one" in said


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("mark", ["README.md", "requirements.txt", ".gitignore", "main.py"])
def test_a_repository_with_sub_folders_is_one_submission(tmp_path: Path, as_zip: bool, mark: str) -> None:
    files = {mark: "", "hw1/a.txt": "", "hw2/b.txt": "", "hw4/c.txt": "", **below("hw3", LAYOUT)}
    (found,), said = taken(tmp_path, made(tmp_path, files, as_zip))
    assert (found.id, found.failure, [one.part for one in found.entries]) == ("given", None, ["cvae", "cgan"])
    assert "found in the folder hw3/" in found.notes[0]
    assert f"{mark} lies at its top" in said and "--class" in said


def test_a_download_of_a_repository_is_one_submission(tmp_path: Path) -> None:
    files = below("repo-main", {"README.md": "", "hw1/a.txt": "", **below("hw3", LAYOUT)})
    (found,), _ = taken(tmp_path, made(tmp_path, files, True))
    assert (found.id, found.failure) == ("given", None)


def test_two_layouts_in_a_repository_are_named(tmp_path: Path) -> None:
    files = {"README.md": "", **below("hw3", LAYOUT), **below("old", LAYOUT)}
    (found,), _ = taken(tmp_path, made(tmp_path, files, False))
    assert found.failure is not None and found.failure.kind == "several-layouts"
    assert "hw3/, old/" in found.failure.message and "submission.toml" in found.failure.message


def test_a_read_me_beside_hand_ins_makes_no_repository_of_a_class(tmp_path: Path) -> None:
    by_manifest = {"README.md": "", **below("ada", team()), **below("bob", team()), "cy/report.pdf": ""}
    found, said = taken(tmp_path, write(tmp_path / "folders", by_manifest))
    assert [one.id for one in found] == ["ada", "bob", "cy"] and "README.md" in said
    found, said = taken(
        tmp_path, write(tmp_path / "archives", {"README.md": "", "ada.zip": zipped(team()), "b.py": ""})
    )
    assert [one.id for one in found] == ["ada", "b"]


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_person_overrules_the_decision(tmp_path: Path, as_zip: bool) -> None:
    path = made(tmp_path, {"README.md": "", **below("hw1", team("One")), **below("hw3", LAYOUT)}, as_zip)
    found, said = taken(tmp_path, path, form="class")
    assert [one.id for one in found] == ["hw1", "hw3"] and "class of 2 seats" in said and "--" not in said
    (one,), said = taken(tmp_path, path, form="one")
    assert one.id == "given" and one.failure is not None and said == ""
    # Its top is recognised, and still its children are what was asked for.
    whole = made(tmp_path / "b", {**team(), **below("x", team())}, as_zip)
    assert [one.id for one in taken(tmp_path, whole, form="class")[0]] == ["best", "submission.toml", "x"]
    with pytest.raises(GradingError, match="no class"):
        taken(tmp_path, write(tmp_path, {"a.pt": b""}) / "a.pt", form="class")


def test_paths_that_a_shell_lists_are_a_seat_each(tmp_path: Path) -> None:
    hall = write(
        tmp_path / "hall",
        {**below("ada", team()), **below("eve/hw3", team()), "bob/src/x.c": "", "bob/report.pdf": "", "dan.pt": b""},
    )
    found, said = taken(tmp_path, *sorted(hall.iterdir()))
    assert [one.id for one in found] == ["ada", "bob", "dan", "eve"] and "4 paths" in said
    assert [one.failure is None for one in found] == [True, False, False, True]
    # They are in the same places as when the folder is given.
    again, _ = taken(tmp_path, hall)
    assert [(one.id, one.place) for one in again] == [(one.id, one.place) for one in found]


def test_two_classes_are_two_classes(tmp_path: Path) -> None:
    for section, students in (("s1", "ab"), ("s2", "cd")):
        for student in students:
            write(tmp_path / section / student, team())
    found, said = taken(tmp_path, tmp_path / "s1", tmp_path / "s2")
    assert [one.id for one in found] == ["a", "b", "c", "d"] and said.count("class of 2 seats") == 2


def test_a_lone_folder_is_a_seat_and_in_an_archive_a_wrapper(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"inner/a.pt": b"", "inner/b.pdf": b""}
    found, said = taken(tmp_path, made(tmp_path, files, False))
    assert [one.id for one in found] == ["inner"] and "one seat" in said
    assert [one.id for one in taken(tmp_path, made(tmp_path, files, True))[0]] == ["a", "b"]
    # An archive that was unpacked into a folder of its own name is still a class.
    unpacked = write(tmp_path / "hall" / "hall", {"ada.zip": zipped(team()), "bob/x": ""})
    assert [one.id for one in taken(tmp_path, unpacked.parent)[0]] == ["ada", "bob"]


def test_an_empty_folder_was_handed_in_empty(tmp_path: Path) -> None:
    (tmp_path / "vacant").mkdir()
    (found,), _ = taken(tmp_path, tmp_path / "vacant")
    assert found.id == "vacant" and found.failure is not None and found.failure.kind == "nothing-handed-in"


def test_folders_of_gradebenchs_own_are_no_students(tmp_path: Path) -> None:
    hall = write(tmp_path / "hall", {**below("ada", team()), "bob/x": "", "results/ada/cvae.json": "{}"})
    notes: list[str] = []
    (tmp_path / "work").mkdir()
    found = intake.collect(
        [hall], tmp_path / "work", tasks=TASKS, models=MODELS, beside=[hall / "results"], on_note=notes.append
    )
    assert [one.id for one in found] == ["ada", "bob"] and "results/" in notes[0]


@pytest.mark.parametrize("name", ["Submission.toml", "submission.toml.txt"])
def test_a_manifest_under_a_name_that_windows_gives(tmp_path: Path, name: str) -> None:
    files = {name if file == "submission.toml" else file: content for file, content in team().items()}
    (found,), _ = taken(tmp_path, write(tmp_path / "ada", files))
    assert (found.failure, found.name) == (None, "Gauss") and name in found.notes[0]
