"""Tests that Ctrl-C ends a command at once, keeps what is done, and says how to go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli.interrupt import EXIT_INTERRUPTED, stoppable
from harness.sandbox.outside import Isolation

ASSIGNMENT = """
name = "halves"
title = "Halves"
[[part]]
id = "half"
title = "Half"
task = "half-inpainting"
points = 1
pass = 0.2
"""
CODE = """
import pathlib
import time
import torch

class Model:
    def inpaint(self, images, mask):
        time.sleep(SECONDS)
        return torch.where(mask, torch.full_like(images, FILLED), images)

def load(checkpoint):
    return Model()
"""


def code(name: str, seconds: int) -> str:
    """A model of its own for each, so that none is called another's copy."""
    return CODE.replace("SECONDS", str(seconds)).replace("FILLED", "0.2" if name == "a-quick" else "0.4")


def hand_in(folder: Path, name: str, seconds: int) -> None:
    place = folder / "class" / name
    place.mkdir(parents=True)
    (place / "model.py").write_text(code(name, seconds), encoding="utf-8")
    (place / "submission.toml").write_text(
        '[[entry]]\ntask = "half-inpainting"\npart = "half"\ncode = "model.py:load"\n', encoding="utf-8"
    )


def command(folder: Path) -> list[str]:
    arguments = ["grade", folder / "class", "-a", folder / "a.toml", "--results", folder / "results"]
    return [sys.executable, "-m", "harness.cli", *map(str, arguments), "--jobs", "1", "--json", "--no-references"]


def environment(folder: Path) -> dict[str, str]:
    found = {key: value for key, value in os.environ.items() if key != "GRADEBENCH_DATA"}
    return found | {"XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1", "TMPDIR": str(folder / "tmp")}


def test_an_interrupted_class_is_gone_on_with(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    hand_in(tmp_path, "a-quick", 0)
    # No test waits for it: the command has to end while the model is at work.
    hand_in(tmp_path, "b-endless", 100_000)
    process = subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path)
    )
    first = tmp_path / "results" / "a-quick" / "half.json"
    while not first.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=200)
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "Interrupted. 1 of 2 records are kept in" in said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    assert out == ""
    # Nothing is said about the entry that was under way, and no folder is left behind.
    assert not (tmp_path / "results" / "b-endless").exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    stamp = first.stat().st_mtime_ns
    (tmp_path / "class" / "b-endless" / "model.py").write_text(code("b-endless", 0), encoding="utf-8")
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, env=environment(tmp_path), timeout=280)
    states = {s["id"]: s["entries"][0]["status"] for s in json.loads(done.stdout)["submissions"]}
    assert states == {"a-quick": "scored", "b-endless": "scored"}, done.stderr
    assert first.stat().st_mtime_ns == stamp


STUCK = """
import os, threading, time
from harness.cli.interrupt import stoppable
never = threading.Event()
with stoppable(lambda: "Go on so.", lambda: os.write(1, b"stopping\\n")):
    # Work that looks at nothing, as the judge's, in a thread that Python would wait for.
    thread = threading.Thread(target=never.wait)
    thread.start()
    print("ready", flush=True)
    try:
        never.wait()
    finally:
        thread.join()
"""


def test_what_can_t_be_left_midway_is_not_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=200)
    assert process.returncode == EXIT_INTERRUPTED
    assert out == "stopping\n"
    assert said.count("Go on so.") == 1


def test_without_an_interruption_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stoppable(lambda: "", lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ValueError, match="other"), stoppable(lambda: "", lambda: None):
        raise ValueError("other")
    assert signal.getsignal(signal.SIGINT) is before
