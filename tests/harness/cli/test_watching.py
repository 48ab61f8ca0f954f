"""Tests of `gradebench watch` as a real process: files come while it runs, slowly, again, or broken, and vanish."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import typer

from harness import records
from harness.cli.interrupt import EXIT_INTERRUPTED
from harness.cli.watching import WIDTH, event, moment
from harness.sandbox.outside import Isolation
from harness.types import Record, Role
from tests.harness.cli.test_interrupt import ASSIGNMENT, CODE, environment

MANIFEST = '[[entry]]\ntask = "half-inpainting"\npart = "half"\ncode = "model.py:load"\n'
LONG = "a-student-with-a-very-long-name-as-moodle-writes-them-1234567890"


def model(filled: float, seconds: int = 0) -> str:
    return CODE.replace("SECONDS", str(seconds)).replace("FILLED", str(filled))


def zipped(path: Path, filled: float) -> bytes:
    """A hand-in as a zip, also written to `path`."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.py", model(filled))
        archive.writestr("submission.toml", MANIFEST)
    return path.read_bytes()


class Watch:
    """A running `gradebench watch`, and what it has printed so far."""

    def __init__(self, folder: Path, *options: str) -> None:
        arguments = ["watch", "in", "-a", "a.toml", "--every", "1", "--jobs", "1", "--no-references", *options]
        # Lines come as they are printed; 80 columns as on a terminal of that width.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(folder) | {"COLUMNS": "80", "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        self.folder = folder
        self.out: list[str] = []
        self.err: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(stream, into), daemon=True)
            for stream, into in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for thread in self._threads:
            thread.start()

    def _read(self, stream: Iterator[str], into: list[str]) -> None:
        for line in stream:
            into.append(line.rstrip("\n"))

    def until(self, pattern: str, times: int = 1) -> None:
        """Wait until so many lines match."""
        while sum(re.search(pattern, line) is not None for line in list(self.out)) < times:
            assert self.process.poll() is None, self.text
            time.sleep(0.05)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> int:
        code = self.process.wait(timeout=250)
        for thread in self._threads:
            thread.join()
        return code

    @property
    def text(self) -> str:
        return "\n".join([*self.out, *self.err])

    def records(self) -> dict[str, Record]:
        return {record.submission: record for record in records.load_all(self.folder / "results").records}


@contextmanager
def watching(folder: Path, *options: str) -> Iterator[Watch]:
    (folder / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    for name in ("in", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    watch = Watch(folder, *options)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.process.wait()


def value(record: Record) -> float:
    found = record.metrics["masked_mse"].value
    assert found is not None
    return found


def test_hand_ins_are_graded_as_they_come_and_again_when_replaced(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "ada.zip", 0.2)
    with watching(tmp_path, "--site", "site") as watch:
        watch.until("pages  site/index.html")
        first = value(watch.records()["ada"])
        assert (tmp_path / "site" / "index.html").exists()
        # A folder with a long name, a broken archive, a download that never ended, and a file that is nobody's.
        (tmp_path / "in" / LONG).mkdir()
        (tmp_path / "in" / LONG / "model.py").write_text(model(0.4), encoding="utf-8")
        (tmp_path / "in" / LONG / "submission.toml").write_text(MANIFEST, encoding="utf-8")
        (tmp_path / "in" / "broken.zip").write_bytes(b"PK\x03\x04 and nothing else")
        (tmp_path / "in" / "readme.txt").write_text("for the class", encoding="utf-8")
        watch.until(f"graded {LONG}")
        watch.until("graded broken, 0 of 1 points, 1 failed")
        # The same name, other files.
        zipped(tmp_path / "in" / "ada.zip", 0.9)
        watch.until("again  ada")
        watch.until("graded ada", times=2)
        (tmp_path / "in" / "broken.zip").unlink()
        watch.until("gone   broken, its records stay")
        assert watch.interrupt() == EXIT_INTERRUPTED
        found = watch.records()
    assert set(found) == {"ada", LONG, "broken"}
    # 0.9 in the hidden half of mostly black images is far worse than 0.2.
    assert value(found["ada"]) > 3 * first
    assert all(len(line) <= WIDTH for line in watch.out), watch.out
    assert "the same command goes on from there" in watch.text and "Traceback" not in watch.text
    page = "".join(path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html"))
    assert LONG in page and "broken" in page
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_slow_copy_is_graded_once_and_whole(full: Isolation, tmp_path: Path) -> None:
    content = zipped(tmp_path / "whole.zip", 0.3)
    with watching(tmp_path) as watch:
        watch.until("watch  in")
        with (tmp_path / "in" / "slow.zip").open("wb") as file:
            # Over several looks, of which none sees the file as the one before did.
            for number in range(12):
                file.write(content[number * len(content) // 12 : (number + 1) * len(content) // 12])
                file.flush()
                time.sleep(0.5)
                assert not (tmp_path / "results" / "slow").exists()
        watch.until("graded slow, ")
        watch.until("graded slow, 1 of 1 points")
        assert watch.interrupt() == EXIT_INTERRUPTED
    assert sum("graded slow" in line for line in watch.out) == 1


def test_a_folder_that_vanishes_is_waited_for_and_what_was_graded_is_not_graded_again(
    full: Isolation, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "ada.zip", 0.2)
    with watching(tmp_path) as watch:
        watch.until("graded ada")
        (tmp_path / "in").rename(tmp_path / "away")
        watch.until("error  in, No such file or directory")
        (tmp_path / "away").rename(tmp_path / "in")
        zipped(tmp_path / "in" / "bob.zip", 0.5)
        watch.until("back   in")
        watch.until("graded bob")
        # A share that comes back empty, and then full.
        shutil.move(tmp_path / "in" / "ada.zip", tmp_path / "ada.zip")
        watch.until("gone   ada")
        shutil.move(tmp_path / "ada.zip", tmp_path / "in" / "ada.zip")
        zipped(tmp_path / "in" / "eve.zip", 0.6)
        watch.until("graded eve")
        # A list that can't be read costs no look more than it lasts.
        (tmp_path / "a.toml").write_text(ASSIGNMENT.replace("half-inpainting", "no-such-task"), encoding="utf-8")
        zipped(tmp_path / "in" / "fay.zip", 0.7)
        watch.until("delay  fay")
        (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
        watch.until("graded fay")
        assert watch.interrupt() == EXIT_INTERRUPTED
    assert sum("graded ada" in line for line in watch.out) == 1
    assert set(watch.records()) == {"ada", "bob", "eve", "fay"}


def test_names_that_are_one_id_are_kept_apart(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "j doe.zip", 0.2)
    with watching(tmp_path) as watch:
        watch.until("graded j-doe")
        zipped(tmp_path / "in" / "j-doe.zip", 0.5)
        watch.until("graded j-doe-", times=2)
        assert watch.interrupt() == EXIT_INTERRUPTED
    found = watch.records()
    # Two students, two records, as `grade` makes them: no third under the id that was first given.
    assert len(found) == 2 and len({record.place for record in found.values()}) == 2
    assert len({round(value(record), 6) for record in found.values()}) == 2


def test_ctrl_c_ends_it_while_a_model_is_at_work(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "in" / "endless").mkdir(parents=True)
    (tmp_path / "in" / "endless" / "model.py").write_text(model(0.2, seconds=100_000), encoding="utf-8")
    (tmp_path / "in" / "endless" / "submission.toml").write_text(MANIFEST, encoding="utf-8")
    with watching(tmp_path) as watch:
        watch.until("new    endless")
        # The model is at work once its folder in the sandbox is there; no test waits for its end.
        while not any((tmp_path / "tmp").iterdir()):
            time.sleep(0.05)
        time.sleep(3)
        assert watch.interrupt() == EXIT_INTERRUPTED
    assert "Interrupted. 0 of 1 records are kept in results; the same command goes on from there" in watch.text
    assert watch.records() == {}


def test_it_ends_at_a_time_and_says_what_is_left(full: Isolation, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "ada.zip", 0.2)
    end = datetime.fromtimestamp(time.time() + 20).isoformat(timespec="seconds")
    over = threading.Event()

    def growing() -> None:
        with (tmp_path / "in" / "late.pt").open("wb", buffering=0) as file:
            while not over.wait(0.2):
                file.write(os.urandom(9))

    thread = threading.Thread(target=growing)
    thread.start()
    try:
        with watching(tmp_path, "--until", end) as watch:
            code = watch.end()
    finally:
        over.set()
        thread.join()
    assert code == 0, watch.text
    assert "left   1 still changing or not graded: late" in watch.text
    assert "`gradebench grade` grades what comes later" in watch.text
    assert [r.submission for r in watch.records().values() if r.role is Role.STUDENT] == ["ada"]


NOON = datetime.fromisoformat("2026-11-27T12:00:00+01:00")


def test_ends_are_times_of_today_or_dates() -> None:
    assert moment("18:05", NOON).isoformat() == "2026-11-27T18:05:00+01:00"
    assert moment("2026-12-01T18:00+02:00", NOON).isoformat() == "2026-12-01T18:00:00+02:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("11:00", "has passed already; of another day write the date, --until 2026-11-28T11:00"),
        ("soon", "is no time; write --until 18:00, or --until 2026-12-01T18:00"),
        ("25:00", "is no time"),
    ],
)
def test_other_ends_are_refused(text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        moment(text, NOON)
    assert said in capsys.readouterr().err.replace("\n", " ")


def test_an_event_is_a_line_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    event("graded", "ada", "45 of 75 points", "1 held")
    event("graded", LONG[:64], "45 of 75 points so far, 1 held, 2 not handed in")
    one, two, three = capsys.readouterr().out.splitlines()
    assert one[8:] == " graded ada, 45 of 75 points, 1 held"
    assert two.endswith(LONG[:64]) and len(two) <= WIDTH
    assert three.strip() == "45 of 75 points so far, 1 held, 2 not handed in"
