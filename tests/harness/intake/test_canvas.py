"""Tests of Canvas's exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import intake
from harness.intake.platforms import Owner, first_name, folder_owner, owner_of
from harness.types import Submission
from tests.harness.intake.handed_in import TOML, collect, team, write, zipped


def exported(tmp_path: Path, files: dict[str, str | bytes]) -> dict[str, Submission]:
    """Collect an export as a zip and as a folder; both have to give the same."""
    as_zip = collect(tmp_path, write(tmp_path, {"submissions.zip": zipped(files)}) / "submissions.zip")
    as_folder = collect(tmp_path, write(tmp_path / "submissions", files))
    assert [(s.id, s.name, s.place, s.digests) for s in as_zip] == [
        (s.id, s.name, s.place, s.digests) for s in as_folder
    ]
    return {one.id: one for one in as_zip}


def test_a_flat_export_of_canvas(tmp_path: Path) -> None:
    found = exported(
        tmp_path,
        {
            "gausscarl_4321_90001_submission.toml": TOML.format("Gauss"),
            "gausscarl_4321_90002_best.pt": b"old",
            "gausscarl_4321_90013_best.pt": b"new",
            "noetheremmy_LATE_4400_90003_hw3.zip": zipped(team("Noether")),
        },
    )
    assert [(one.id, one.name, one.place, one.failure) for one in found.values()] == [
        ("4321", "gausscarl", "canvas:4321", None),
        ("4400", "noetheremmy", "canvas:4400", None),
    ]
    assert intake.open_file(found["4321"], "best.pt") == b"new"
    assert intake.open_file(found["4400"], "best.pt") == b"weights"


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("gausscarl_4321_90001_best.pt", Owner("4321", "gausscarl", "best.pt", 90001)),
        ("gausscarl_LATE_4321_90001_best.pt", Owner("4321", "gausscarl", "best.pt", 90001)),
        ("van_dyk_jo_4321_90001_best.pt", Owner("4321", "van_dyk_jo", "best.pt", 90001)),
        ("van_dyk_jo_LATE_4321_90001_best.pt", Owner("4321", "van_dyk_jo", "best.pt", 90001)),
        ("gausscarl_4321_90001_run_2024_100_final.pt", Owner("4321", "gausscarl", "run_2024_100_final.pt", 90001)),
        ("gausscarl_4321_90001_20240105_final.pt", Owner("4321", "gausscarl", "20240105_final.pt", 90001)),
        ("team_7_4321_90001_hw3.zip", Owner("4321", "team_7", "hw3.zip", 90001)),
        ("doe_42_5001_2024_hw.pt", Owner("42", "doe", "2024_hw.pt", 5001)),
        ("anon_a1B2c_90001_best.pt", Owner("anon_a1B2c", "Anonymous a1B2c", "best.pt", 90001)),
        ("anon_LATE_a1B2c_90001_a_b.pt", Owner("anon_a1B2c", "Anonymous a1B2c", "a_b.pt", 90001)),
        ("anon_12345_90001_best.pt", Owner("anon_12345", "Anonymous 12345", "best.pt", 90001)),
        ("doejane_4500_text.html", Owner("4500", "doejane", "text.html", kind="text")),
        ("poe_jo_LATE_4601_link.html", Owner("4601", "poe_jo", "link.html", kind="link")),
        ("anon_a1B2c_text.html", Owner("anon_a1B2c", "Anonymous a1B2c", "text.html", kind="text")),
        ("doe_4500_90001_text.html", Owner("4500", "doe", "text.html", 90001)),
        ("best.pt", None),
        ("my_text.html", None),
        ("_4321_90001_", None),
        ("run_2024_01.pt", None),
    ],
)
def test_names_of_canvas(name: str, owner: Owner | None) -> None:
    assert owner_of(name) == owner
    assert owner is None or owner.file is None or folder_owner(name) is None


@pytest.mark.parametrize(
    ("uploaded", "original"),
    [
        ("submission-1.toml", "submission.toml"),
        ("best-12.pt", "best.pt"),
        ("hw3.tar-1.gz", "hw3.tar.gz"),
        ("hw3-2.zip", "hw3.zip"),
        ("Makefile-1", "Makefile"),
        ("half-life.pt", "half-life.pt"),
        ("-1.pt", "-1.pt"),
    ],
)
def test_the_name_before_another_upload(uploaded: str, original: str) -> None:
    assert first_name("canvas", uploaded) == original
    assert first_name("moodle", uploaded) == uploaded


def test_the_latest_of_several_uploads_counts_under_its_first_name(tmp_path: Path) -> None:
    found = exported(
        tmp_path,
        {
            "gauss_4321_90001_submission.toml": "[[entry]\n",
            "gauss_4321_90005_submission-1.toml": TOML.format("Gauss"),
            "gauss_4321_90006_best-1.pt": b"new",
            "gauss_4321_90002_best.pt": b"old",
            "noether_4400_90003_hw3.zip": zipped(team(weights=b"old")),
            "noether_4400_90009_hw3-1.zip": zipped(team(weights=b"new")),
        },
    )
    assert all(one.failure is None for one in found.values())
    assert intake.open_file(found["4321"], "best.pt") == b"new"
    assert intake.open_file(found["4400"], "best.pt") == b"new"
    assert any("best.pt was uploaded again" in note for note in found["4321"].notes)


def test_a_name_that_the_manifest_gives_is_kept(tmp_path: Path) -> None:
    toml = TOML.format("x").replace("best.pt", "epoch-1.pt")
    files: dict[str, str | bytes] = {"gauss_4321_90001_submission.toml": toml}
    files |= {"gauss_4321_90002_epoch-1.pt": b"first", "gauss_4321_90003_epoch-2.pt": b"second"}
    found = exported(tmp_path, files)["4321"]
    assert found.failure is None and intake.open_file(found, "epoch-1.pt") == b"first"


def test_texts_and_addresses_are_failed_rows(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "doejane_4500_text.html": "<p>see github",
        "poejo_LATE_4601_link.html": "<a href=x>",
        "anon_a1B2c_text.html": "<p>",
        "bothways_4700_text.html": "<p>my notes",
        "bothways_4700_90001_hw3.zip": zipped(team()),
        "paper_4800_90002_report.pdf": b"%PDF",
    }
    found = exported(tmp_path, files)
    failures = {one.id: one.failure and (one.failure.stage, one.failure.kind) for one in found.values()}
    assert failures == {
        "4500": ("intake", "online-text"),
        "4601": ("intake", "online-link"),
        "anon_a1B2c": ("intake", "online-text"),
        "4700": None,
        "4800": ("intake", "not-a-submission"),
    }
    assert "bothways_4700_text.html (online text)" in found["4700"].notes[0]
    text = found["4500"].failure
    assert text is not None and "doejane_4500_text.html" in text.message and "submission.toml" in text.message


def test_a_files_name_hands_in_for_nobody_else(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "mallory_6666_90001_alice_4321_99999_submission.toml": TOML.format("Mallory"),
        "mallory_6666_90002_4321_99999_best.pt": b"evil",
        "alice_4321_90003_submission.toml": TOML.format("Alice"),
        "alice_4321_90004_best.pt": b"honest",
    }
    found = exported(tmp_path, files)
    assert set(found) == {"4321", "6666"}
    assert intake.open_file(found["4321"], "best.pt") == b"honest" and found["6666"].failure is not None
