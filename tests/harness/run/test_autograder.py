"""The autograder for Gradescope: its zip, and its script on a folder laid out as Gradescope's."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from harness.run import autograder
from submissions import examples

ROOT = Path(__file__).parents[3]


def gradebench(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("GRADEBENCH_DATA", "GITHUB_ACTIONS")}
    return kept | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def archive(offline: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("autograder")
    wheel = folder / "gradebench-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    done = gradebench(offline, "autograder", "-a", "tsinghua-hw3", "--wheel", wheel, "-o", folder / "a.zip")
    assert done.returncode == 0, done.stderr
    return folder / "a.zip"


def laid_out(archive: Path, root: Path, command: str) -> Path:
    """Gradescope's folders, with a `gradebench` of the given shell command in place of the installed one."""
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            path = root / "source" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(opened.read(name))
    (root / "venv" / "bin").mkdir(parents=True)
    (root / "venv" / "bin" / "gradebench").write_text(f"#!/bin/sh\n{command}\n")
    (root / "venv" / "bin" / "gradebench").chmod(0o755)
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    return root


def graded(root: Path, environment: dict[str, str]) -> dict[str, object]:
    done = subprocess.run(
        ["bash", str(root / "run_autograder")],
        cwd=root,
        env=environment | {"GRADEBENCH_AUTOGRADER": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads((root / "results" / "results.json").read_text("utf-8"))
    return result


REAL = f'exec "{sys.executable}" -m harness.cli "$@"'


def test_both_scripts_lie_at_the_top_and_may_be_run(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {"setup.sh", "run_autograder", "gradebench-class.toml", "constraints.txt"} <= set(opened.namelist())
        for name in ("setup.sh", "run_autograder"):
            assert stat.S_IMODE(opened.getinfo(name).external_attr >> 16) == 0o755
            text = opened.read(name)
            assert text.startswith(b"#!/usr/bin/env bash\n") and b"\r" not in text and b"@" not in text
            assert subprocess.run(["bash", "-n"], input=text, capture_output=True).returncode == 0
        assert (
            'install -c "$root/source/constraints.txt" "$root"/source/gradebench-0.1.0'
            in opened.read("setup.sh").decode()
        )


def test_the_versions_are_those_of_this_machine() -> None:
    told = dict(line.split("==") for line in autograder.constraints().splitlines())
    assert told["torch"] == "2.13.0" and told["numpy"] == metadata.version("numpy")
    assert "gradebench" not in told and "pytest" not in told


@pytest.mark.parametrize("name", ["strong", "hostile"])
def test_a_submission_gets_the_points_of_a_check(
    archive: Path, offline: dict[str, str], tmp_path: Path, name: str
) -> None:
    root = laid_out(archive, tmp_path, REAL)
    examples.build(tmp_path / "class")
    (tmp_path / "class" / name).rename(root / "submission")
    result = graded(root, offline)
    assert result["score"] == (50.0 if name == "strong" else 0.0)
    tests = {test["extra_data"]["part"]: test for test in result["tests"]}  # type: ignore[attr-defined]
    assert tests["cvae"]["status"] == ("passed" if name == "strong" else "failed")
    assert "score" not in tests["flow"] and "not handed in" in result["output"]  # type: ignore[operator]


@pytest.mark.parametrize("command", ["kill -9 $$", "exit 2", "exit 3", "exit 0", "echo '{' ; exit 1"])
def test_a_failure_of_the_harness_is_no_zero_but_a_message(
    archive: Path, offline: dict[str, str], tmp_path: Path, command: str
) -> None:
    root = laid_out(archive, tmp_path, command)
    (root / "submission").mkdir()
    (root / "results").mkdir()
    (root / "results" / "results.json").write_text('{"score": 0}')
    result = graded(root, offline)
    assert "score" not in json.dumps(result).replace("No score", "")
    assert "nothing is held against" in str(result["output"])


def test_a_private_judge_and_an_own_coursework_travel_in_the_zip(tmp_path: Path) -> None:
    judge = tmp_path / "my judge.safetensors"
    judge.write_bytes(b"weights")
    own = ROOT / "submissions" / "examples" / "own_coursework"
    content = autograder.built("schema = 1\n", None, "git+https://example.org/g@v1; rm -rf /", judge, own)
    assert content == autograder.built("schema = 1\n", None, "git+https://example.org/g@v1; rm -rf /", judge, own)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.read("judge.safetensors") == b"weights"
        assert "coursework/assignment.toml" in opened.namelist()
        assert "'git+https://example.org/g@v1; rm -rf /'" in opened.read("setup.sh").decode()
        assert '--judge "$root/source/judge.safetensors"' in opened.read("run_autograder").decode()
    assert autograder.named("x", own) == "coursework"


def test_a_source_is_needed(offline: dict[str, str], tmp_path: Path) -> None:
    for arguments in ((), ("--wheel", tmp_path / "no.whl"), ("--wheel", tmp_path, "--source", "x")):
        done = gradebench(offline, "autograder", "-o", tmp_path / "a.zip", *arguments)
        assert done.returncode == 2 and not (tmp_path / "a.zip").exists()
