"""Tests of the registry of learning platforms, with a platform that is added for the test."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from harness.intake.platforms import PLATFORMS, Owner, folder_owner, owner_of
from harness.registry import imported
from tests.harness.intake.handed_in import collect, team, write, zipped


@pytest.mark.parametrize("name", PLATFORMS)
def test_each_summary_is_the_platforms_own(name: str) -> None:
    reference, summary = PLATFORMS[name]
    assert imported(reference).summary == summary


def test_owners_by_the_name_of_a_folder_or_file() -> None:
    assert owner_of("Ada Lovelace_7_assignsubmission_file_") == Owner("7", "Ada Lovelace")
    assert owner_of("gausscarl_LATE_4321_90013_best.pt") == Owner("4321", "gausscarl", "best.pt", 90013)
    assert owner_of("submission_77") is owner_of("best.pt") is None
    # A flat export has files only, so a folder with such a name is a coincidence.
    assert folder_owner("run_2024_100_final") is None and owner_of("run_2024_100_final") is not None


PLATFORM = """
    import re

    from harness.intake.platforms import Owner, Platform


    def owner_of(name):
        match = re.fullmatch(r"seat(\\d+)-(\\w+)(?:\\.v(\\d+)\\.(.+))?", name)
        return match and Owner(match[1], match[2].title(), match[4], int(match[3] or 0))


    MINE = Platform(
        "A platform of the test",
        owner_of=owner_of,
        is_ignored=lambda name: name == "feedback",
        metadata="seats.csv",
        owners=lambda text: {folder: Owner(id, name) for folder, id, name in map(str.split, text.splitlines())},
    )
"""


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("form", ["folders", "flat", "listed"])
def test_a_platform_is_added_by_its_file_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, as_zip: bool
) -> None:
    write(tmp_path / "code" / "test_platform", {"__init__.py": "", "mine.py": textwrap.dedent(PLATFORM)})
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setitem(PLATFORMS, "mine", ("test_platform.mine:MINE", "A platform of the test"))
    if form == "listed":
        files = {"seats.csv": "a 1 Ada\nb 2 Bob\n"}
        files |= {f"{folder}/{name}": data for folder in "ab" for name, data in team().items()}
    elif form == "folders":
        files = {f"{folder}/{name}": data for folder in ("seat1-ada", "seat2-bob") for name, data in team().items()}
        files |= {"feedback/a.txt": b"well done"}
    else:
        files = {f"seat1-ada.v1.{name}": data for name, data in team(weights=b"new").items()}
        files |= {"seat1-ada.v0.best.pt": b"old", "seat2-bob.v1.all.zip": zipped(team())}
    path = write(tmp_path, {"all.zip": zipped(files)}) / "all.zip" if as_zip else write(tmp_path / "all", files)
    try:
        found = collect(tmp_path, path)
    finally:
        for module in ("test_platform", "test_platform.mine"):
            sys.modules.pop(module, None)
    assert [(one.id, one.name, one.failure) for one in found] == [("1", "Ada", None), ("2", "Bob", None)]
    if form == "flat":
        assert (found[0].root / "best.pt").read_bytes() == b"new"
