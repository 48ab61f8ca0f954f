"""Runs the tests that prove cases of the corpus, as root and as an unprivileged user, and writes SECURITY.md's tables.

`python -m tests.hostile.table`, as root where both users are to be seen. Nothing is written where a test fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.marks import ROOT, proofs
from tests.hostile.page import Seen, write
from tests.hostile.unprivileged import as_nobody, possible

LEVELS = {"full", "reduced"}


def proved(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """The cases, by section and name, that one set of a test's parameters proves."""
    parameters = (
        item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    )
    values = {value for value in parameters if isinstance(value, str)}
    for mark in item.iter_markers("corpus"):
        section, case, *only = mark.args
        if not only or values & set(only):
            yield section, case


def level(item: pytest.Item) -> str:
    """The isolation level that a test's workers have; empty where it starts none."""
    parameters = (
        item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    )
    if named := LEVELS & {value for value in parameters if isinstance(value, str)}:
        return named.pop()
    return "full" if "full" in getattr(item, "fixturenames", ()) else ""


class Recorder:
    """Keeps of the collected tests those that prove something, and their outcomes."""

    def __init__(self) -> None:
        self.user = "root" if os.geteuid() == 0 else "unprivileged"
        self.items: dict[str, tuple[list[tuple[str, str]], str]] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept = [item for item in items if any(True for _ in proved(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        self.items = {item.nodeid: (list(proved(item)), level(item)) for item in kept}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.outcomes.get(report.nodeid) in (None, "passed"):
            self.outcomes[report.nodeid] = report.outcome

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Section, case, level, user and outcome, of each test and case."""
        return [
            (section, case, at, self.user, self.outcomes.get(name, "skipped"))
            for name, (cases, at) in self.items.items()
            for section, case in cases
        ]


def record(into: Path, files: list[Path]) -> int:
    """Run the marked tests of some files, or of all, in this process; add their outcomes to a file of JSON."""
    recorder = Recorder()
    chosen = [str(one) for one in files] or sorted({str(ROOT / one.path) for one in proofs()})
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--timeout=1800"]
    code = int(pytest.main([*options, *chosen], plugins=[recorder]))
    before = json.loads(into.read_text()) if into.exists() else []
    into.write_text(json.dumps(before + recorder.rows()))
    return code


def seen(rows: list[Any]) -> Seen:
    """Levels and users under which tests of a case have passed."""
    found: Seen = {}
    for section, case, at, user, outcome in rows:
        if outcome == "passed":
            found.setdefault((section, case), set()).add((at, user))
    return found


def both_users(folder: Path, files: list[Path]) -> list[Any]:
    """The rows of a run as this user, and where that is root of one as nobody."""
    rows = []
    for number, other in enumerate((False, True) if possible() else (False,)):
        home = folder / str(number)
        home.mkdir(mode=0o755)
        command = [sys.executable, "-m", "tests.hostile.table", "--record", str(home / "rows.json"), *map(str, files)]
        subprocess.run(as_nobody(command, home) if other else command, cwd=ROOT, check=False)
        rows += json.loads((home / "rows.json").read_text())
    return rows


def main() -> int:
    """Run the marked tests as this user, and where that is root also as nobody; write the tables where all passed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("files", type=Path, nargs="*", help="with --record: run the marked tests of these files alone")
    parser.add_argument("--record", type=Path, metavar="FILE", help="run as this user; add the outcomes to this file")
    parser.add_argument("--recorded", type=Path, nargs="+", metavar="FILE", help="write what was recorded; run nothing")
    arguments = parser.parse_args()
    if arguments.record:
        return record(arguments.record, arguments.files)
    if arguments.recorded:
        rows = [row for path in arguments.recorded for row in json.loads(path.read_text())]
    else:
        with tempfile.TemporaryDirectory(prefix="gradebench-corpus-") as folder:
            Path(folder).chmod(0o755)
            rows = both_users(Path(folder), arguments.files)
    failed = sorted({(section, case, at, user) for section, case, at, user, outcome in rows if outcome == "failed"})
    lacking = sorted({(one.section, one.case) for one in proofs()} - {(section, case) for section, case, *_ in rows})
    for what, which in (("A test failed of", failed), ("No parameters match the marks of", lacking)):
        if which:
            print(f"{what} {which}: SECURITY.md is left as it was.")
    if failed or lacking:
        return 1
    write(seen(rows), proofs())
    return 0


if __name__ == "__main__":
    sys.exit(main())
