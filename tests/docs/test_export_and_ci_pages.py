"""Runs every command of docs/exports.md and docs/ci.md."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness import records
from submissions import examples
from tests.harness.intake.handed_in import write

ROOT = Path(__file__).parents[2]
# Where gradebench is installed, pytest finds its plugin itself.
PLUGIN = () if entry_points(group="pytest11", name="gradebench") else ("-p", "harness.pytest_plugin")
PAGES = [ROOT / "docs" / name for name in ("exports.md", "ci.md")]
COMMANDS = [
    line
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
PYTHON = re.search(r"^```python\n(.*?)^```", PAGES[1].read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("GRADEBENCH_DATA", "GITHUB_ACTIONS")}
    return kept | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "PYTHONPATH": str(ROOT), "COLUMNS": "160"}


def call(environment: dict[str, str], folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = shlex.split(line)
    module = {"gradebench": ["-m", "harness.cli"], "pytest": ["-m", "pytest", *PLUGIN]}[program]
    command = [sys.executable, *module, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def folder(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages speak of: a submission, results of a class, sheets, and a wheel."""
    folder = tmp_path_factory.mktemp("docs")
    examples.build(folder / "class")
    for path in (folder / "class" / "mediocre").iterdir():
        shutil.copy(path, folder)
    moodle = write(folder / "export", {})
    moodle.mkdir()
    shutil.copytree(folder / "class" / "mediocre", moodle / "Ada Lovelace_1001_assignsubmission_file_")
    shutil.copytree(folder / "class" / "corrupt", moodle / "Bob Noyce_1002_assignsubmission_file_")
    done = call(environment, folder, "gradebench grade export --results results --no-references")
    assert done.returncode == 1, done.stderr
    # The pages' s1, and a student of Canvas's, are the same records under other names.
    for record in records.load_all(folder / "results").records:
        if record.submission == "1001":
            for name, place in (("s1", "canvas:77"),):
                records.save(folder / "results", type(record)(**{**vars(record), "submission": name, "place": place}))
    (folder / "worksheet.csv").write_text(
        "Identifier,Full name,Grade,Maximum Grade,Grade can be changed\n"
        "Participant 1001,Ada Lovelace,,75.00,Yes\nParticipant 1002,Bob Noyce,,75.00,Yes\n"
    )
    (folder / "gradebook.csv").write_text(
        "Student,ID,SIS Login ID,Section,Homework 3 (4711)\n    Points Possible,,,,75\nAda,77,ada,A,\n"
    )
    (folder / "gradebench-0.1.0-py3-none-any.whl").write_bytes(b"")
    if PYTHON is not None:
        (folder / "test_own.py").write_text(PYTHON[1])
    return folder


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) >= 11 and PYTHON is not None


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_does_what_it_says(environment: dict[str, str], folder: Path, line: str) -> None:
    if "class-file" in line and not (folder / "gradebench-class.toml").exists():
        made = next(command for command in COMMANDS if "class init" in command)
        assert call(environment, folder, made).returncode == 0
    elif "class init" in line:
        (folder / "gradebench-class.toml").unlink(missing_ok=True)
    (folder / "graded.csv").unlink(missing_ok=True)
    done = call(environment, folder, line)
    # A check of the mediocre submission misses its mark; all else succeeds.
    misses = line.startswith("pytest") or ("check" in line and "--quick" not in line)
    assert done.returncode == (1 if misses else 0), done.stdout + done.stderr
    if "--class-file" in line:
        assert "as in class" in done.stderr
    if line.startswith("pytest"):
        assert "3 passed" in done.stdout or "2 passed" in done.stdout
    if (target := re.search(r"-o (\S+)", line)) is not None:
        assert (folder / target[1]).stat().st_size > 0
    if "graded.csv" in line:
        rows = list(csv.reader((folder / "graded.csv").open()))
        assert [row[-1] if "canvas" in line else row[2] for row in rows[1:]] == (
            ["75", "0"] if "canvas" in line else ["0", "0"]
        )


def test_every_format_is_on_the_page() -> None:
    from reports.exports import EXPORTS

    text = PAGES[0].read_text("utf-8")
    assert all(f"| `{name}` |" in text for name in EXPORTS)
