"""The worker's confinement holds for a harness of an unprivileged user as it does for root's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.marks import ROOT
from tests.hostile.unprivileged import NOBODY, as_nobody, possible

pytestmark = pytest.mark.skipif(not possible(), reason="not root, so all other tests are of an unprivileged user")

STATE = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), status["CapEff"], status["CapBnd"]]))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that others can reach, as those of pytest can not be."""
    with tempfile.TemporaryDirectory(prefix="gradebench-home-") as folder:
        yield Path(folder)


def test_nobody_has_no_capability_and_no_group(home: Path) -> None:
    done = subprocess.run(as_nobody([sys.executable, "-c", STATE], home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    users, groups, more, effective, bounding = json.loads(done.stdout)
    assert users == groups == [NOBODY] * 3
    assert more == [] and int(effective, 16) == int(bounding, 16) == 0
    assert os.geteuid() == 0


def test_probes_of_student_code_find_nothing_at_either_level(home: Path) -> None:
    tests = "tests/harness/student_code/test_opening.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs", tests]
    command += ["-k", "test_probe_finds_nothing"]
    done = subprocess.run(as_nobody(command, home), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout, done.stdout[-3000:]
    assert " passed" in done.stdout
