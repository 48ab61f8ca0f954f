"""`gradebench check` with a class file, quickly, with pages and exports; `gradebench class` and `gradebench export`."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from submissions import examples
from tests.harness.cli.runner import commands

Environment = Mapping[str, str]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    kept = {key: value for key, value in os.environ.items() if key not in ("GRADEBENCH_DATA", "GITHUB_ACTIONS")}
    return kept | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "NO_COLOR": "1", "COLUMNS": "160"}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "class"
    examples.build(folder)
    return folder


def gradebench(environment: Environment, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=dict(environment), timeout=240)


@pytest.fixture(scope="module")
def class_file(offline: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "gradebench-class.toml"
    done = gradebench(offline, "class", "init", "-o", path, "--deadline", "2020-01-01")
    assert done.returncode == 0, done.stderr
    again = gradebench(offline, "class", "init", "-o", path)
    assert again.returncode == 2 and "--force" in again.stderr
    return path


def repeatable(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries without ranks, which are a class's, and values of evidence, whose samples a folder's secret draws."""
    return [
        entry | {"rank": None, "evidence": [each | {"value": None} for each in entry["evidence"]]} for entry in entries
    ]


def test_a_check_with_the_class_file_is_the_instructors_run(
    offline: Environment, classroom: Path, class_file: Path, tmp_path: Path
) -> None:
    checked = gradebench(
        offline, "check", classroom / "mediocre", "--class-file", class_file, "--json",
        "--site", tmp_path / "site", "--export", f"gradescope={tmp_path / 'r.json'}",
        "--export", f"csv={tmp_path / 's.csv'}",
    )  # fmt: skip
    assert checked.returncode == 1, checked.stderr
    assert "as in class" in checked.stderr and "the deadline has passed" in checked.stderr
    document = json.loads(checked.stdout)
    assert document["class"] == {"same": True, "differences": [], "deadline": "2020-01-01T00:00:00+00:00"}
    graded = gradebench(
        offline, "grade", classroom / "mediocre", "--results", tmp_path / "results", "--no-references", "--json"
    )
    instructors = json.loads(graded.stdout)["submissions"][0]
    mine, theirs = (repeatable(each["entries"]) for each in (document["submissions"][0], instructors))
    assert mine == theirs
    assert (tmp_path / "site" / "index.html").is_file()
    assert json.loads((tmp_path / "r.json").read_text())["score"] == instructors["points"]
    with (tmp_path / "s.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(instructors["entries"])
    # The same records, exported by the instructor.
    done = gradebench(offline, "export", "gradescope", tmp_path / "results", "-o", tmp_path / "i.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "i.json")
    mine, theirs = (json.loads((tmp_path / name).read_text()) for name in ("r.json", "i.json"))
    assert mine | {"execution_time": 0} == theirs | {"execution_time": 0}


def test_a_quick_check_is_an_estimate_and_no_verdict(offline: Environment, classroom: Path, tmp_path: Path) -> None:
    done = gradebench(offline, "check", classroom / "mediocre", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["estimate"] is True
    part = next(part for part in document["parts"] if part["part"] == "cvae")
    assert part["estimate"]["low"] < part["estimate"]["value"] < part["estimate"]["high"]
    assert "submissions" not in document and "passed" not in done.stdout
    for word in ("passed", "below mark", "pass mark ≥"):
        assert word not in done.stderr
    assert "estimate, no verdict" in done.stderr
    refused = gradebench(offline, "check", classroom / "mediocre", "--quick", "--junit", tmp_path / "j.xml")
    assert refused.returncode == 2 and not (tmp_path / "j.xml").exists()


def test_a_failure_of_the_command_itself_is_fenced_on_a_runner(
    offline: Environment, class_file: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "::error::x\n::set-env name=A::b"
    done = gradebench({**offline, "GITHUB_ACTIONS": "true"}, "check", hostile)
    assert done.returncode == 2 and "::set-env" in done.stderr
    assert commands(done.stderr) == commands(done.stdout) == []
    submission = tmp_path / "s"
    submission.mkdir()
    (submission / "gradebench-class.toml").write_text('"::error::y" = 1\n' + class_file.read_text())
    done = gradebench({**offline, "GITHUB_ACTIONS": "true"}, "check", submission)
    assert done.returncode == 2 and "::error::y" in done.stderr
    assert commands(done.stderr) == commands(done.stdout) == []


def test_formats_are_listed_and_mistakes_are_told(offline: Environment, tmp_path: Path) -> None:
    listed = gradebench(offline, "export")
    assert listed.returncode == 0 and "moodle-feedback" in listed.stdout
    for arguments, said in (
        (("nonsense", tmp_path), "no such format"),
        (("csv",), "name the folder"),
        (("csv", tmp_path / "none"), "no such folder"),
        (("csv", tmp_path), "holds no records"),
    ):
        done = gradebench(offline, "export", *arguments)
        assert done.returncode == 2 and said in done.stderr
    done = gradebench(offline, "check", tmp_path, "--export", "gradescope")
    assert done.returncode == 2 and "FORMAT=FILE" in done.stderr
