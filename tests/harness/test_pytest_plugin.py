"""The pytest plugin, in a pytest of its own: options, marks, fixtures, and its price where nobody asks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from submissions import examples

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
# Where gradebench is installed, pytest finds its plugin itself.
PLUGIN = () if entry_points(group="pytest11", name="gradebench") else ("-p", "harness.pytest_plugin")
OWN = """
import pytest, sys

@pytest.mark.gradebench(part="cvae")
def test_entry(gradebench_entry):
    assert 0.9 < gradebench_entry["metrics"]["accuracy"]["value"] < 0.98
    assert "torch" not in sys.modules

@pytest.mark.gradebench(task="half-inpainting")
def test_of_what_was_not_handed_in(gradebench_entry):
    raise AssertionError

def test_scores(gradebench_scores):
    assert set(gradebench_scores) == {"cvae", "cgan", "ebm", "flow"}
    assert gradebench_scores["cvae"]["passed"] is False

def test_other():
    pass
"""


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "class"
    examples.build(folder)
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADEBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def run(pytester: pytest.Pytester, *arguments: object) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", "-v", *map(str, arguments))


def test_without_the_option_marked_tests_are_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OWN)
    result = run(pytester, "--strict-markers", "-rs")
    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(["*needs --gradebench PATH*"])


def test_parts_become_tests_and_marks_find_their_entry(pytester: pytest.Pytester, classroom: Path) -> None:
    pytester.makepyfile(OWN)
    result = run(pytester, "--strict-markers", "--gradebench", classroom / "mediocre", "-rs")
    # Of one's own: entry, scores, other; one skipped. Parts: cvae fails, three are not handed in.
    result.assert_outcomes(passed=3, failed=1, skipped=4)
    result.stdout.fnmatch_lines(["*cvae FAILED*", "*accuracy *pass mark*not reached*"])


def test_a_passing_submission_passes(pytester: pytest.Pytester, classroom: Path) -> None:
    result = run(pytester, "--gradebench", classroom / "strong", "--gradebench-assignment", "tsinghua-hw3")
    result.assert_outcomes(passed=2, skipped=2)


def test_a_usage_error_is_one_failing_test_with_the_words_of_the_command(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--gradebench", "nowhere")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*nowhere: no such file or folder*"])


def test_a_mark_for_a_part_that_does_not_exist_names_those_that_do(pytester: pytest.Pytester, classroom: Path) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.gradebench(part='vqvae')\ndef test_it(gradebench_entry): ...\n")
    result = run(pytester, "--gradebench", classroom / "mediocre")
    result.stdout.fnmatch_lines(["*0 parts for part='vqvae'*there are*cvae (conditional-generation)*"])


def test_the_plugin_imports_nothing_but_pytest() -> None:
    """It is loaded with every pytest of an environment that gradebench is installed in."""
    code = (
        "import sys, json, pytest; before = set(sys.modules); import harness.pytest_plugin; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=dict(os.environ))
    imported = json.loads(done.stdout)
    assert "harness.pytest_plugin" in imported
    assert len(imported) < 15, imported
    assert not {name.split(".")[0] for name in imported} & {"torch", "numpy", "pandas", "typer", "rich", "pydantic"}
