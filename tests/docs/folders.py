"""The folder in which a page's commands are run: what the page speaks of lies there, a small class and its results."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch

from harness import records
from submissions import examples
from tests.docs import additions
from tests.docs.pages import ROOT, blocks_of, text_of

SEATS = {"Ada Lovelace_28411001": "mediocre", "Bob Noyce_28411002": "corrupt", "Carl Gauss_28411003": "collapsed"}
"""The participants in Moodle's export of the class, and the examples that they hand in."""


@dataclass(frozen=True)
class Shop:
    """The things that all pages share: the class, its results, and the environment that commands run in."""

    folder: Path
    environment: dict[str, str]

    def take(self, name: str, into: Path) -> None:
        """Copy a file or folder of the shop."""
        copy = shutil.copytree if (self.folder / name).is_dir() else shutil.copy
        copy(self.folder / name, into / name)

    def run(self, line: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
        """Run a line of a page by bash, in a folder; what it prints, as `stdout`, and the folder that it ends in."""
        place = self.folder / "place"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f"{line}\nstatus=$?\npwd > {place}\nexit $status"],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=200,
        )
        return done, Path(place.read_text().strip())

    def serve(self, line: str, folder: Path, awaited: str) -> subprocess.Popen[bytes]:
        """Start a line that does not end by itself, and wait until it has printed something."""
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        with log.open("wb") as file:
            started = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", f"exec {line.removesuffix('&')}"],
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 100
        while awaited not in log.read_text("utf-8", "replace"):
            if started.poll() is not None or time.monotonic() > end:
                stop(started)
                raise AssertionError(f"{line}: {awaited!r} is not in:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)
        return started


def stop(served: subprocess.Popen[bytes]) -> None:
    """End what `Shop.serve` started, and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(served.pid, signal.SIGTERM)
    try:
        served.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(served.pid, signal.SIGKILL)
        served.wait()


def opened(folder: Path) -> Shop:
    """Build the class and grade it once; the pages' own commands then go on from there."""
    (folder / "bin").mkdir(parents=True)
    # Where gradebench is installed, pytest finds its plugin itself.
    plugin = "" if entry_points(group="pytest11", name="gradebench") else "-p harness.pytest_plugin "
    modules = {"gradebench": "-m harness.cli", "pytest": f"-m pytest {plugin}", "dask": "-m dask", "python": ""}
    for name, arguments in modules.items():
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if key not in ("GRADEBENCH_DATA", "GITHUB_ACTIONS", "CI")}
    shop = Shop(
        folder,
        kept
        | {
            "PATH": f"{folder / 'bin'}:{kept['PATH']}",
            "HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "160",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        },
    )
    (folder / "home").mkdir()
    (folder / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    for make in dict.fromkeys(SEATS.values()):
        (folder / make).mkdir()
        examples.EXAMPLES[make](folder / make)
    with zipfile.ZipFile(folder / "handed-in.zip", "w") as archive:
        for seat, example in SEATS.items():
            for path in sorted((folder / example).iterdir()):
                archive.write(path, f"{seat}_assignsubmission_file/{path.name}")
    done, _ = shop.run("gradebench grade handed-in.zip --results results", folder)
    assert done.returncode == 1, done.stdout
    return shop


def of_a_student(shop: Shop, folder: Path) -> None:
    """A student's repository: a submission that misses its mark."""
    for path in (shop.folder / "mediocre").iterdir():
        shutil.copy(path, folder)


def of_an_instructor(shop: Shop, folder: Path) -> None:
    """The hand-ins of a class, and the results of it."""
    shop.take("handed-in.zip", folder)
    shop.take("results", folder)


def of_the_readme(shop: Shop, folder: Path) -> None:
    of_a_student(shop, folder)
    of_an_instructor(shop, folder)
    _moodle_sheet(folder / "grades.csv")


def of_ci(shop: Shop, folder: Path) -> None:
    of_a_student(shop, folder)
    (folder / "test_own.py").write_text(blocks_of(text_of("docs/ci.md"), "python")[0])


def of_decisions(shop: Shop, folder: Path) -> None:
    of_an_instructor(shop, folder)
    also_called(folder / "results", "28411003", "s1234567")


def of_exports(shop: Shop, folder: Path) -> None:
    of_an_instructor(shop, folder)
    also_called(folder / "results", "28411001", "s1", place="canvas:77")
    _moodle_sheet(folder / "worksheet.csv")
    (folder / "gradebook.csv").write_text(
        "Student,ID,SIS Login ID,Section,Homework 3 (4711)\n    Points Possible,,,,75\nAda,77,ada,A,\n"
    )
    (folder / "gradebench-0.1.0-py3-none-any.whl").write_bytes(b"")


def of_publishing(shop: Shop, folder: Path) -> None:
    """A clone of an empty repository stands for the one on GitHub."""
    of_an_instructor(shop, folder)
    (folder / "names.txt").write_text("".join(f"{name}\n" for seat in SEATS for name in seat.split("_")))
    done, _ = shop.run("git init -q --bare origin.git && git clone -q origin.git leaderboard", folder)
    assert done.returncode == 0, done.stdout


def of_a_cluster(shop: Shop, folder: Path) -> None:
    """A class of one, which was not graded before, so that the hosts have something to do."""
    with zipfile.ZipFile(folder / "handed-in.zip", "w") as archive:
        for path in sorted((shop.folder / "mediocre").iterdir()):
            archive.write(path, f"Ada Lovelace_28411001_assignsubmission_file/{path.name}")


def of_an_own_coursework(shop: Shop, folder: Path) -> None:
    """The coursework to copy, and a hand-in as its page writes it."""
    shutil.copytree(ROOT / "submissions" / "examples" / "own_coursework", folder / "my-coursework")
    handed_in = folder / "handed-in" / "s1"
    handed_in.mkdir(parents=True)
    from submissions.examples.own_coursework.architectures import ARCHITECTURES

    torch.manual_seed(0)
    for model, file in (("small-generator", "generator.pt"), ("mean-filter", "filter.pt")):
        torch.save(ARCHITECTURES[model].module().state_dict(), handed_in / file)
    page = text_of("submissions/examples/own_coursework/README.md")
    lines = page[page.index("    [[entry]]") :].split("\nThe pages")[0].splitlines()
    (handed_in / "submission.toml").write_text("\n".join(line.removeprefix("    ") for line in lines))


def of_additions(shop: Shop, folder: Path) -> None:
    """A copy of gradebench with all that the page adds, and three mails: weights, code, and weights that do nothing."""
    additions.project(text_of("docs/extending.md"), folder)
    flipped, same = np.eye(28, dtype=np.float32)[::-1], np.eye(28, dtype=np.float32)
    for mail, matrix in (("ada@example.org 0041", flipped), ("carl@example.org 0043", same)):
        (folder / "mails" / mail / "mirror").mkdir(parents=True)
        np.savez(folder / "mails" / mail / "mirror" / "weights.npz", matrix=matrix)
    own = folder / "mails" / "emmy@example.org 0042" / "mirror"
    own.mkdir(parents=True)
    (own / "net.py").write_text("class Net:\n    def mirror(self, images):\n        return images.flip(3)\n")


def also_called(results: Path, submission: str, name: str, **changes: str) -> None:
    """Give the records of a submission to another one, too."""
    for record in records.load_all(results).records:
        if record.submission == submission:
            records.save(results, replace(record, submission=name, figures=(), arrays="", answers="", **changes))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _moodle_sheet(path: Path) -> None:
    path.write_text(
        "Identifier,Full name,Grade,Maximum Grade,Grade can be changed\n"
        "Participant 28411001,Ada Lovelace,,75.00,Yes\nParticipant 28411002,Bob Noyce,,75.00,Yes\n"
        "Participant 28411003,Carl Gauss,,75.00,Yes\n"
    )


FOLDERS: dict[str, Callable[[Shop, Path], None]] = {
    "README.md": of_the_readme,
    "docs/ci.md": of_ci,
    "docs/cluster.md": of_a_cluster,
    "docs/decisions.md": of_decisions,
    "docs/exports.md": of_exports,
    "docs/extending.md": of_additions,
    "docs/publishing.md": of_publishing,
    "submissions/examples/own_coursework/README.md": of_an_own_coursework,
    "submissions/template/README.md": of_a_student,
}
"""The functions that fill the folder of a page; one that stands here not has an empty folder."""
