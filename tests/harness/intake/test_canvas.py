"""Tests of Canvas's exports."""

from __future__ import annotations

from pathlib import Path

from harness import intake
from tests.harness.intake.handed_in import TOML, collect, team, write, zipped


def test_a_flat_export_of_canvas(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "gausscarl_4321_90001_submission.toml": TOML.format("Gauss"),
        "gausscarl_4321_90002_best.pt": b"old",
        "gausscarl_4321_90013_best.pt": b"new",
        "noetheremmy_LATE_4400_90003_hw3.zip": zipped(team("Noether")),
    }
    found = collect(tmp_path, write(tmp_path, {"submissions.zip": zipped(files)}) / "submissions.zip")
    assert [(one.id, one.name, one.failure) for one in found] == [
        ("4321", "gausscarl", None),
        ("4400", "noetheremmy", None),
    ]
    assert intake.open_file(found[0], "best.pt") == b"new"
    assert intake.open_file(found[1], "best.pt") == b"weights"
