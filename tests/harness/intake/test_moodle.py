"""Tests of Moodle's exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import intake
from harness.intake.platforms import Owner, owner_of
from harness.types import Submission
from tests.harness.intake.handed_in import TOML, collect, team, write, zipped


def exported(tmp_path: Path, files: dict[str, str | bytes], as_zip: bool) -> list[Submission]:
    if as_zip:
        return collect(tmp_path, write(tmp_path, {"Course-HW3.zip": zipped(files)}) / "Course-HW3.zip")
    return collect(tmp_path, write(tmp_path / "export", files))


@pytest.mark.parametrize("as_zip", [False, True])
def test_an_export_of_moodle(tmp_path: Path, as_zip: bool) -> None:
    manifest_with_id = '[submission]\nid = "s9"\n' + TOML.partition("\n[")[2].join(["[", ""])
    files: dict[str, str | bytes] = {
        "Ada Lovelace_1001_assignsubmission_file_/hw3.zip": zipped(team("Team Ada")),
        "Ada Lovelace_1001_assignsubmission_onlinetext_/onlinetext.html": "<p>hello",
        "Participant_1003_assignsubmission_file/submission.toml": manifest_with_id,
        "Participant_1003_assignsubmission_file/best.pt": b"x",
        "Jo_van_Dyk_1002_assignsubmission_file/notes.txt": "sorry",
    }
    found = exported(tmp_path, files, as_zip)
    assert [(one.id, one.name, one.place) for one in found] == [
        ("1001", "Ada Lovelace", "moodle:1001"),
        ("1002", "Jo_van_Dyk", "moodle:1002"),
        ("1003", "Participant 1003", "moodle:1003"),
    ]
    assert [one.failure is None for one in found] == [True, False, True]
    assert "online text" in found[0].notes[0]
    # The hidden name stays hidden.
    assert "gives way" in found[2].notes[0] and "s9" not in "".join(found[2].notes)


@pytest.mark.parametrize("as_zip", [False, True])
def test_an_export_without_folders(tmp_path: Path, as_zip: bool) -> None:
    files: dict[str, str | bytes] = {
        "Ada Lovelace_1001_assignsubmission_file_submission.toml": TOML.format("Ada"),
        "Ada Lovelace_1001_assignsubmission_file_best.pt": b"a",
        "Bob Noyce_1002_assignsubmission_file_hw3.zip": zipped(team("Bob", b"b")),
        "Cy Young_1003_assignsubmission_onlinetext_onlinetext.html": "<p>",
        "Di Prince_1004_assignsubmission_file_report.pdf": "",
        "Mal_1005_assignsubmission_file_Ada Lovelace_1001_assignsubmission_file_best.pt": b"evil",
    }
    found = {one.id: one for one in exported(tmp_path, files, as_zip)}
    assert {i: one.failure and one.failure.kind for i, one in found.items()} == {
        "1001": None,
        "1002": None,
        "1003": "online-text",
        "1004": "not-a-submission",
        "1005": "not-a-submission",
    }
    assert intake.open_file(found["1001"], "best.pt") == b"a" and intake.open_file(found["1002"], "best.pt") == b"b"


@pytest.mark.parametrize("as_zip", [False, True])
def test_whatever_a_participant_handed_in_has_a_row(tmp_path: Path, as_zip: bool) -> None:
    prefix = "{} P_10{:02}_assignsubmission_{}"
    given: list[tuple[str, str, str, str | bytes]] = [
        ("file", "hw3.rar", "not-an-archive", b"Rar!\x1a\x07\x01\x00"),
        ("file", "hw3.ipynb", "not-a-submission", "{}"),
        ("file", "best.pt", "not-a-submission", b""),
        ("onlinetext", "onlinetext.html", "online-text", ""),
        ("comments", "comments.html", "nothing-handed-in", ""),
    ]
    files = {f"{prefix.format('X', n, one[0])}/{one[1]}": one[3] for n, one in enumerate(given)}
    found = exported(tmp_path, files, as_zip)
    assert [one.id for one in found] == [f"10{n:02}" for n in range(len(given))]
    assert [one.failure and one.failure.kind for one in found] == [kind for _, _, kind, _ in given]


def test_an_empty_folder_of_a_participant_is_a_seat(tmp_path: Path) -> None:
    (tmp_path / "export" / "Ada_1001_assignsubmission_file").mkdir(parents=True)
    write(tmp_path / "export" / "Bob_1002_assignsubmission_file", team())
    found = collect(tmp_path, tmp_path / "export")
    assert [(one.id, one.failure and one.failure.kind) for one in found] == [
        ("1001", "nothing-handed-in"),
        ("1002", None),
    ]


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("Group A-Ada Lovelace_1001_assignsubmission_file_", Owner("1001", "Group A-Ada Lovelace")),
        ("Team Rocket_77_assignsubmission_file", Owner("77", "Team Rocket")),
        ("Group A-Participant_3_assignsubmission_file", Owner("3", "Group A-Participant 3")),
        ("Participant_3_assignsubmission_file_best.pt", Owner("3", "Participant 3", "best.pt")),
        ("Ada_1_assignsubmission_onlinetext", Owner("1", "Ada", kind="text")),
        ("Ada_1_assignsubmission_comments_", Owner("1", "Ada", kind="other")),
        ("Ada_assignsubmission_file", None),
    ],
)
def test_names_of_moodle(name: str, owner: Owner | None) -> None:
    assert owner_of(name) == owner


def test_a_folder_that_was_zipped_again(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{n}_100{k}_assignsubmission_file{_}.zip": zipped(team()) for k, (n, _) in
                                     enumerate((("Ada", ""), ("Bob", "_")))}  # fmt: skip
    found = collect(tmp_path, write(tmp_path / "export", files))
    assert [(one.id, one.name, one.failure) for one in found] == [("1000", "Ada", None), ("1001", "Bob", None)]
