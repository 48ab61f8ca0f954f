"""Tests of Moodle's exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.intake.handed_in import TOML, collect, team, write, zipped


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
    path = write(tmp_path / "export", files)
    if as_zip:
        path = write(tmp_path, {"Course-HW3.zip": zipped(files)}) / "Course-HW3.zip"
    found = collect(tmp_path, path)
    assert [(one.id, one.name) for one in found] == [
        ("1001", "Ada Lovelace"),
        ("1002", "Jo_van_Dyk"),
        ("1003", "Participant 1003"),
    ]
    assert [one.failure is None for one in found] == [True, False, True]
    assert "gives way" in found[2].notes[0] and "s9" not in "".join(found[2].notes)
