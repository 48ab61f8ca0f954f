"""Times the start of commands, and a run where all is known, beside an empty Python and the import of torch.

Every command needs an empty Python at least; a command that imports torch at its start needs that import, too. The
table's ratios compare them in one run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from submissions import examples

ROOT = Path(__file__).parents[2]
COMMANDS = ("--help", "--version", "tasks", "models", "assignments", "grade --help")


def run(*arguments: str, environment: dict[str, str] | None = None) -> int:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True)
    return done.returncode


@pytest.mark.benchmark(group="start of a command")
@pytest.mark.parametrize("code", ["pass", "import torch"])
def test_python_alone(benchmark, code):
    assert benchmark.pedantic(run, ("-c", code), rounds=7, warmup_rounds=1) == 0


@pytest.mark.benchmark(group="start of a command")
@pytest.mark.parametrize("command", COMMANDS)
def test_command(benchmark, command):
    assert benchmark.pedantic(run, ("-m", "harness.cli", *command.split()), rounds=7, warmup_rounds=1) == 0


@pytest.mark.benchmark(group="a class where all is known")
@pytest.mark.parametrize("code", ["pass", "import torch"])
def test_python_alone_beside_a_class(benchmark, code):
    assert benchmark.pedantic(run, ("-c", code), rounds=5, warmup_rounds=1) == 0


@pytest.mark.benchmark(group="a class where all is known")
def test_the_example_class_again(benchmark, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    examples.build(tmp_path / "class")
    results = str(tmp_path / "results")
    command = ("-m", "harness.cli", "grade", str(tmp_path / "class"), "--results", results, "--no-references")
    # The example class has entries below the mark, which exit code 1 says.
    assert run(*command, environment=environment) == 1
    assert benchmark.pedantic(run, command, {"environment": environment}, rounds=5, warmup_rounds=1) == 1
