"""Tests of the paths that submissions are collected from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.types import GradingError
from tests.harness.intake.handed_in import collect, team, write


def test_a_path_given_twice_counts_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", team())
    (tmp_path / "link").symlink_to(folder)
    assert len(collect(tmp_path, folder, folder / ".", tmp_path / "link")) == 1


def test_a_path_that_is_no_submission_fails_with_the_allowed_forms(tmp_path: Path) -> None:
    write(tmp_path, {"best.pt": b"PK\x03\x04"})
    (found,) = collect(tmp_path, tmp_path / "best.pt")
    assert found.id == "best" and found.failure is not None
    assert re.search(r"submission\.toml.*gradebench inspect", found.failure.message)
    with pytest.raises(GradingError, match="doesn't exist"):
        collect(tmp_path, tmp_path / "nothing")
    (found,) = collect(tmp_path, write(tmp_path / "src", {"main.py": "", "lib/a.py": ""}))
    assert found.failure is not None and "main.py" in found.failure.message
