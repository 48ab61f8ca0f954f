"""Tests of temporary folders: deleted after use, and swept where a run was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import scratch

KILLED = """
import os, signal, sys
from harness import scratch
with scratch.folder("copy", sys.argv[1]) as folder:
    (folder / "weights.pt").write_bytes(b"w")
    print(folder, flush=True)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


def holder(place: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(place), what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_a_folder_is_private_and_deleted_with_what_it_holds(tmp_path: Path) -> None:
    with scratch.folder("copy", tmp_path) as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_bytes(b"c")
        assert folder.parent.stat().st_mode & 0o777 == 0o700
        assert folder.parent.name.startswith("gradebench-copy-")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.corpus("Results folder", "left-overs of killed runs")
def test_what_a_killed_run_left_is_swept_and_what_a_live_one_holds_is_not(tmp_path: Path) -> None:
    with holder(tmp_path, "killed") as killed, holder(tmp_path, "alive") as alive:
        assert killed.wait(60) == -signal.SIGKILL
        assert alive.stdout is not None and killed.stdout is not None
        held = Path(alive.stdout.readline().strip())
        left = Path(killed.stdout.readline().strip())
        with scratch.folder("copy", tmp_path):
            assert not left.exists()
            assert (held / "weights.pt").read_bytes() == b"w"
        alive.communicate("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stranger", ["link", "file", "pipe", "young", "others"])
def test_what_is_not_surely_left_by_a_run_is_not_swept(tmp_path: Path, stranger: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in-use").write_bytes(b"")
    place = tmp_path / "tmp"
    place.mkdir()
    one = place / "gradebench-copy-1"
    if stranger == "link":
        one.symlink_to(elsewhere)
    elif stranger == "file":
        one.write_bytes(b"")
    elif stranger == "pipe":
        os.mkfifo(one)
    elif stranger == "young":
        one.mkdir()
    else:
        (place / "copy-1").mkdir()
        (place / "copy-1" / "in-use").write_bytes(b"")
    assert scratch.sweep(place) == 0
    assert len(list(place.iterdir())) == 1
    assert (elsewhere / "in-use").exists()


def test_a_pipe_in_the_lock_s_place_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "gradebench-copy-1").mkdir()
    os.mkfifo(tmp_path / "gradebench-copy-1" / "in-use")
    scratch.sweep(tmp_path)


@pytest.mark.corpus("Results folder", "left-overs of killed runs")
def test_half_written_files_are_swept_once_they_are_old(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("a/.one.json.0123.tmp", "a/b/.two.png.4567.tmp", "a/.new.json.89.tmp", "a/one.json", "a/tmp"):
        (tmp_path / name).write_bytes(b"half")
    old = time.time() - scratch.ABANDONED - 1
    for name in ("a/.one.json.0123.tmp", "a/b/.two.png.4567.tmp", "a/one.json", "a/tmp"):
        os.utime(tmp_path / name, (old, old))
    assert scratch.sweep_writes(tmp_path) == 2
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a/.new.json.89.tmp", "a/one.json", "a/tmp"}
