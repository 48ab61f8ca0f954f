"""Tests of Gradescope's exports."""

from __future__ import annotations

from pathlib import Path

from tests.harness.intake.handed_in import TOML, collect, write, zipped


def test_an_export_of_gradescope(tmp_path: Path) -> None:
    metadata = """---
submission_77:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1'
    :email: a@example.org
  - :name: "Emmy \\e[31mNoether"
    :sid: '2'
  :created_at: 2024-01-01
submission_78:
  :submitters:
  - :name: Carl Gauss
"""
    files: dict[str, str | bytes] = {"assignment_5/submission_metadata.yml": metadata}
    plain = TOML.partition("\n")[2].partition("\n")[2]
    for number in (77, 78):
        files |= {f"assignment_5/submission_{number}/submission.toml": plain}
        files |= {f"assignment_5/submission_{number}/best.pt": b"x"}
    found = collect(tmp_path, write(tmp_path, {"e.zip": zipped(files)}) / "e.zip")
    assert [(one.id, one.name) for one in found] == [
        ("77", "Ada Lovelace & Emmy Noether"),
        ("78", "Carl Gauss"),
    ]
