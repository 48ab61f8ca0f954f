"""Tests that a run that is killed at any point goes on with equal records, and that nothing is lost.

The points are drawn over all stages: `GRADEBENCH_KILLS` of them (tox -e kills), 14 by default. A run is killed once in
each stage, one after the other, every time where the run before was killed; then it is left to end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import records
from harness.secret import FILE
from tests.harness.run.executors.small_class import OWN, write_class

ROOT = Path(__file__).parents[3]
ORDER = ("asking", "marking", "arrays", "pictures", "records", "comparing", "pages")
KILLS = int(os.environ.get("GRADEBENCH_KILLS", "14"))
CHAINS = -(-KILLS // len(ORDER))
SUBMISSIONS = 3


class Runs:
    """Runs of the command line on a class, each of which may be killed."""

    def __init__(self, base: Path) -> None:
        self.classroom = base / "class"
        write_class(self.classroom, SUBMISSIONS)
        self.temporary = base / "tmp"
        self.temporary.mkdir()
        environment = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
        environment |= {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(base / "cache")}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.run.killing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def run(self, base: Path, stage: str = "", number: int = 0) -> tuple[bool, dict[str, int]]:
        """Grade the class into `base`; whether the run was killed, else the events of each stage."""
        assert self._server.stdin is not None and self._server.stdout is not None
        argv = ["grade", str(self.classroom), "-a", str(OWN), "--results", str(base / "results"), "--jobs", "1"]
        argv += ["--site", str(base / "site"), "--no-references"]
        counts = base / "counts.json"
        secret = base / "results" / FILE
        if not secret.exists():
            # All folders have one secret, so that records can be compared.
            secret.parent.mkdir(parents=True)
            secret.write_text("5" * 64 + "\n")
        request = {"argv": argv, "stage": stage, "number": number, "counts": str(counts)}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = os.waitstatus_to_exitcode(int(self._server.stdout.readline()))
        if code == -signal.SIGKILL:
            return True, {}
        assert code in (0, 1)  # below the pass mark
        return False, json.loads(counts.read_text())

    def close(self) -> None:
        self._server.communicate("")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    found = Runs(tmp_path_factory.mktemp("kills"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def whole(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The results of a run that nobody kills, and the number of points in each stage of it."""
    base = tmp_path_factory.mktemp("whole")
    killed, counts = runs.run(base)
    assert not killed
    assert set(counts) == set(ORDER)
    print("\npoints:", ", ".join(f"{stage} {counts[stage]:,}" for stage in ORDER))
    return base, counts


def result(base: Path) -> dict[str, object]:
    """Records, but for clocks, and the bytes of the files beside them."""
    folder = base / "results"
    loaded = records.load_all(folder)
    assert loaded.problems == ()
    found: dict[str, object] = {f"{r.submission}/{r.part}": records.repeatable(r) for r in loaded.records}
    return found | {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.suffix in (".npz", ".png")
    }


def kept(base: Path) -> dict[str, tuple[int, bytes]]:
    """The records that are there, with their times and bytes."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in (base / "results").glob("*/*.json")}


@pytest.mark.long
@pytest.mark.parametrize("chain", range(CHAINS))
def test_a_run_that_is_killed_again_and_again_ends_with_equal_records(
    chain: int, runs: Runs, whole: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    expected, counts = whole
    draw = random.Random(chain)
    there: dict[str, tuple[int, bytes]] = {}
    points = []
    for stage in ORDER:
        # What an entry takes of a stage: further ones may be done already.
        share = counts[stage] // (SUBMISSIONS if stage not in ("comparing", "pages") else 1)
        number = draw.randrange(max(1, int(0.9 * share)))
        killed, _ = runs.run(tmp_path, stage, number)
        points.append(f"{stage} {number:,}{'' if killed else ' (not reached)'}")
        now = kept(tmp_path)
        assert {path: now.get(path) for path in there} == there  # neither lost nor graded again
        assert all(records.load(Path(path)) for path in now)
        there = now
    print(f"\nchain {chain}: killed at", ", ".join(points))
    assert sum("not reached" in point for point in points) <= 2
    killed, _ = runs.run(tmp_path)
    assert not killed
    now = kept(tmp_path)
    assert {path: now.get(path) for path in there} == there
    assert result(tmp_path) == result(expected)
    names = [{p.relative_to(base / "site") for p in (base / "site").rglob("*.html")} for base in (tmp_path, expected)]
    assert names[0] == names[1] != set()
    assert not list(runs.temporary.glob("gradebench-*"))
