"""Pytest plugin: `pytest --gradebench PATH` grades a submission once, and its parts become tests.

    @pytest.mark.gradebench(part="cvae")       # or task="conditional-generation"
    def test_accuracy(gradebench_entry):
        assert gradebench_entry["metrics"]["accuracy"]["value"] > 0.99

    def test_sum(gradebench_scores):           # every entry of `gradebench check --json`, by part
        assert gradebench_scores["cvae"]["points"] == 20

Without the option nothing is graded, and tests with the mark or a fixture are skipped. The submission is graded by a
process of its own, so that pytest's imports no torch, and no code of the submission.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

Entry = Mapping[str, Any]
_RESULT = pytest.StashKey[Mapping[str, Entry]]()
_NOT_ASKED = "needs --gradebench PATH"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gradebench", "grading of a submission by gradebench")
    group.addoption("--gradebench", metavar="PATH", default=None, help="Grade this submission; its parts are tests.")
    group.addoption("--gradebench-assignment", metavar="NAME", default=None, help="As --assignment of the command.")
    group.addoption("--gradebench-class-file", metavar="FILE", default=None, help="As --class-file of the command.")


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line(
        "markers", "gradebench(part=None, task=None): needs the entry of this part or task of the submission's"
    )


class SubmissionError(Exception):
    """The submission could not be checked; the message is what the command said."""


def scores(config: pytest.Config) -> Mapping[str, Entry]:
    """The entries of `gradebench check --json` by part, graded at the first call. Raises SubmissionError."""
    if _RESULT not in config.stash:
        path = Path(config.getoption("--gradebench"))
        command = [sys.executable, "-P", "-m", "harness.cli", "check", "--json"]
        for option in ("assignment", "class-file"):
            if value := config.getoption(f"--gradebench-{option}"):
                command += [f"--{option}", value]
        done = subprocess.run(  # noqa: S603 -- our own command line, without a shell
            [*command, "--", str(path)], capture_output=True, text=True, errors="replace", check=False
        )
        try:
            document = json.loads(done.stdout)
        except ValueError:
            raise SubmissionError(done.stderr[-4000:] or f"gradebench ended with code {done.returncode}") from None
        entries = document["submissions"][0]["entries"]
        config.stash[_RESULT] = {entry["part"]: entry for entry in entries}
    return config.stash[_RESULT]


def chosen(found: Mapping[str, Entry], part: str | None, task: str | None) -> Entry:
    """The only entry of a part or a task. Raises LookupError with the known ones where there is none, or several."""
    fitting = [e for e in found.values() if part in (None, e["part"]) and task in (None, e["task"])]
    if len(fitting) != 1:
        known = ", ".join(f"{entry['part']} ({entry['task']})" for entry in found.values())
        raise LookupError(f"{len(fitting)} parts for part={part!r}, task={task!r}; there are {known}")
    return fitting[0]


@pytest.fixture(scope="session")
def gradebench_scores(request: pytest.FixtureRequest) -> Mapping[str, Entry]:
    """Entries of the submission by part, as `gradebench check --json` prints them."""
    if request.config.getoption("--gradebench") is None:
        pytest.skip(_NOT_ASKED)
    return scores(request.config)


@pytest.fixture
def gradebench_entry(request: pytest.FixtureRequest) -> Entry:
    """The entry that the test's mark names."""
    mark = request.node.get_closest_marker("gradebench")
    if mark is None:
        raise pytest.UsageError("gradebench_entry needs @pytest.mark.gradebench(part=…) or (task=…)")
    if request.config.getoption("--gradebench") is None:
        pytest.skip(_NOT_ASKED)
    return chosen(scores(request.config), **_arguments(mark))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a marked test where no submission was named, or where its part was not handed in."""
    mark = item.get_closest_marker("gradebench")
    if mark is None:
        return
    if item.config.getoption("--gradebench") is None:
        pytest.skip(_NOT_ASKED)
    wanted = _arguments(mark)
    if any(wanted.values()) and chosen(scores(item.config), **wanted)["status"] == "not-handed-in":
        pytest.skip("was not handed in")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each part of the submission."""
    if config.getoption("--gradebench") is None or config.getoption("collectonly"):
        return
    collector = _Submission.from_parent(session, name="gradebench")
    items.extend(collector.collect())


class _Submission(pytest.Collector):
    """The submission, whose parts are tests."""

    def collect(self) -> list[pytest.Item]:
        try:
            found = scores(self.config)
        except SubmissionError as error:
            return [_Part.from_parent(self, name="check", entry={"broken": str(error)})]
        return [_Part.from_parent(self, name=part, entry=entry) for part, entry in found.items()]


class _Part(pytest.Item):
    """A part of the submission, which passes at its pass mark."""

    def __init__(self, *, entry: Entry, **settings: Any) -> None:
        super().__init__(**settings)
        self.entry = entry

    def runtest(self) -> None:
        """Fail below the pass mark, with the reason."""
        entry = self.entry
        if "broken" in entry:
            pytest.fail(entry["broken"], pytrace=False)
        if entry["status"] == "not-handed-in":
            pytest.skip("was not handed in")
        self.user_properties += [(name, metric["value"]) for name, metric in entry["metrics"].items()]
        if entry["status"] != "scored" or entry.get("state", "scored") != "scored" or not entry["passed"]:
            pytest.fail(entry["reason"] or "below its pass mark", pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Place and title of the test."""
        return Path(self.config.getoption("--gradebench")), None, f"gradebench: {self.name}"


def _arguments(mark: pytest.Mark) -> dict[str, str | None]:
    unknown = set(mark.kwargs) - {"part", "task"}
    if unknown or mark.args:
        raise pytest.UsageError("the mark gradebench takes part=… and task=… alone")
    return {"part": mark.kwargs.get("part"), "task": mark.kwargs.get("task")}
