"""Tests of commands on a results folder that others have written to, and on a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import records, scratch
from harness.sandbox.outside import bubblewrap, probe
from tests.reports.examples import scored

ROOT = Path(__file__).parents[3]


def gradebench(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "harness.cli", *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, cwd=ROOT)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    place = tmp_path / "results"
    for name in ("ada", "bob", "zoe"):
        records.save(place, scored(name, name.title(), 0.99))
    return place


def pages(site: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))


@pytest.mark.corpus("Results folder", "a FIFO as a record")
@pytest.mark.corpus("Results folder", "a foreign .json")
def test_strangers_files_among_the_records_cost_their_own_rows(results: Path, tmp_path: Path) -> None:
    (own,) = (results / "bob").glob("*.json")
    foreign = own.read_bytes()
    (results / "mallory").mkdir()
    (results / "mallory" / own.name).write_bytes(foreign)  # bob's record under another's name
    (results / "mallory" / "deep.json").write_bytes(b"[" * 100_000)
    (results / "mallory" / "latin.json").write_bytes(b'{"name": "\xff"}')
    os.mkfifo(results / "mallory" / "pipe.json")
    (results / "mallory" / "folder.json").mkdir()
    (results / "mallory" / "link.json").symlink_to("/dev/zero")
    with (results / "mallory" / "huge.json").open("wb") as file:
        file.truncate(records.LARGEST + 1)
    own.unlink()
    os.mkfifo(own)
    done = gradebench("report", results, "--site", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    shown = pages(tmp_path / "site")
    assert "Ada" in shown and "Bob" not in shown and "Zoe" in shown
    named = ["deep", "latin", "pipe", "folder", "link", "huge"]
    for name in (*(f"mallory/{name}.json" for name in named), f"mallory/{own.name}", f"bob/{own.name}"):
        assert f"{name}: " in done.stderr, name


@pytest.mark.corpus("Results folder", "a full disk while pages are written")
@pytest.mark.skipif(probe().level != "full", reason="a small disk is made by bubblewrap")
def test_a_full_disk_ends_in_a_sentence_and_costs_no_record(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    small = (bubblewrap.executable() or "", "--dev-bind", "/", "/", "--size", "20000", "--tmpfs", str(site))
    done = gradebench("report", results, "--site", site, before=small)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{site}: the pages could not be written: No space left on device. The records are kept" in done.stderr
    assert len(records.load_all(results).records) == 3
    again = gradebench("report", results, "--site", site)
    assert again.returncode == 0
    assert "Bob" in pages(site)


@pytest.mark.corpus("Results folder", "left-overs of killed runs")
def test_what_killed_runs_left_beside_pages_is_swept(results: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert gradebench("report", results, "--site", site).returncode == 0
    for folder in (site, site / "submissions"):
        folder.mkdir(exist_ok=True)
        (folder / ".index.html.0123456789ab.tmp").write_bytes(b"half")
        os.utime(folder / ".index.html.0123456789ab.tmp", (0, time.time() - scratch.ABANDONED - 9))
    assert gradebench("report", results, "--site", site).returncode == 0
    assert not list(site.rglob("*.tmp"))
