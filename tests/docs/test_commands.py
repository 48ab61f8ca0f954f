"""Runs the commands of every page as they stand there, in the page's order.

A line that can't be run in a test is in `EXCEPTED`, with its reason, and one that is run with smaller arguments in
`SMALLER`. A line of a page that is neither run nor in there fails, and so does one in there that no page has.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.folders import FOLDERS, Shop, free_port, opened, stop
from tests.docs.pages import PAGES, Command, commands, passed_over, text_of

LOCAL, ENCRYPTED = free_port(), free_port()
INSTALLS = "installs from the package index; tox makes its environments from the same constraints"
TITLES = ("Mirrors", "A matrix that mirrors", "mean absolute error", "unmirrored answers")
"""Titles of what docs/extending.md adds."""
EXCEPTED: dict[tuple[str, str], str] = {
    (
        "README.md",
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt . && .venv/bin/gradebench demo",
    ): f"{INSTALLS}; tox -e demo grades the example class from an installed package",
    (
        "README.md",
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt tox && .venv/bin/tox",
    ): "runs all tests, this one among them",
    (
        "CONTRIBUTING.md",
        'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[dev]"',
    ): INSTALLS,
    ("CONTRIBUTING.md", ".venv/bin/pytest"): "runs all tests, this one among them",
    ("CONTRIBUTING.md", ".venv/bin/pytest tests/benchmarks --benchmark-only"): "takes a quarter of an hour",
    ("classifiers/MODEL_CARD.md", "gradebench judge train --seed 1 --out judge"): "trains for 75 minutes",
    (
        "classifiers/MODEL_CARD.md",
        "gradebench judge evaluate --write classifiers/MODEL_CARD.md",
    ): "attacks the judge for minutes, and needs MNIST",
    (
        "docs/cluster.md",
        "gradebench grade handed-in.zip --executor dask --scheduler tls://10.0.0.5:8786",
    ): "needs another host; tests/harness/run/executors/test_cluster.py grades over TLS on this one",
}
"""Commands that are not run, by page and line, each with the reason."""
SMALLER: dict[tuple[str, str], str] = {
    ("docs/cluster.md", "dask scheduler --host 127.0.0.1 --no-dashboard &"): (
        f"dask scheduler --host 127.0.0.1 --port {LOCAL} --no-dashboard &"
    ),
    ("docs/cluster.md", "dask worker tcp://127.0.0.1:8786 --nworkers 4 --nthreads 1 --no-dashboard &"): (
        f"dask worker tcp://127.0.0.1:{LOCAL} --nworkers 1 --nthreads 1 --no-dashboard &"
    ),
    ("docs/cluster.md", "gradebench grade handed-in.zip --executor dask --scheduler tcp://127.0.0.1:8786"): (
        f"gradebench grade handed-in.zip --executor dask --scheduler tcp://127.0.0.1:{LOCAL} --no-references"
    ),
    ("docs/cluster.md", "dask scheduler --protocol tls --no-dashboard"): (
        f"dask scheduler --protocol tls --host 127.0.0.1 --port {ENCRYPTED} --no-dashboard"
    ),
    ("docs/cluster.md", "dask worker tls://10.0.0.5:8786 --nthreads 1 --no-dashboard"): (
        f"dask worker tls://127.0.0.1:{ENCRYPTED} --nworkers 1 --nthreads 1 --no-dashboard"
    ),
}
"""The command that is run in place of a line: the same with fewer processes, or other ports."""
SERVING = {"dask scheduler": "Scheduler at:", "dask worker": "Registered to:"}
"""Beginnings of lines that do not end by themselves, and what they print once they serve."""
FAILING: dict[str, int] = {
    # Submissions of the pages' class miss their mark, or are held.
    "gradebench grade": 1,
    "gradebench check": 1,
    "pytest": 1,
    # Estimates only.
    "gradebench check . --quick": 0,
    # Nothing is found.
    "grep -rilF": 1,
}
"""Exit codes that are not 0, by the beginning of the line; the longest counts."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return opened(tmp_path_factory.mktemp("docs"))


@pytest.fixture
def served() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in reversed(started):
        stop(one)


RUN = {page: [one for one in commands(text_of(page), page) if (page, one.text) not in EXCEPTED] for page in PAGES}


@pytest.mark.parametrize("page", [page for page, found in RUN.items() if found])
def test_the_commands_of_a_page_do_what_it_says(
    page: str, shop: Shop, tmp_path: Path, served: list[subprocess.Popen[bytes]]
) -> None:
    if page == "docs/cluster.md" and not find_spec("distributed"):
        pytest.skip("needs the extra: pip install 'gradebench[cluster]'")
    FOLDERS.get(page, lambda shop, folder: None)(shop, tmp_path)
    place = tmp_path
    for command in RUN[page]:
        line = SMALLER.get((page, command.text), command.text)
        if (before := BEFORE.get((page, command.text))) is not None:
            before(shop)
        if (awaited := next((said for start, said in SERVING.items() if line.startswith(start)), None)) is not None:
            served.append(shop.serve(line, place, awaited))
            continue
        former = place
        done, place = shop.run(line, place)
        starts = [start for start in FAILING if line.startswith(start)]
        expected = FAILING[max(starts, key=len)] if starts else 0
        assert done.returncode == expected, f"{command}\n{done.stdout}"
        assert "Traceback" not in done.stdout, f"{command}\n{done.stdout}"
        written(command, line, former)
        if (after := AFTER.get((page, command.text))) is not None:
            after(former, done.stdout)


def written(command: Command, line: str, folder: Path) -> None:
    """Check that the files that a command names as its output are there, and were not before."""
    for option, name in re.findall(r" (-o|--site|--junit|--export|>) (\S+)", line):
        file = folder / name.rpartition("=")[2]
        file = file / "index.html" if option == "--site" else file
        assert file.is_file() and file.stat().st_size > 0, f"{command}: there is no {file.name}"
        # So that the next command that names it has to write it.
        if option == "-o" and not name.endswith(".toml"):
            file.rename(file.with_name(f"{command.number}-{file.name}"))


def _wrote_dask_settings(shop: Shop) -> None:
    """Do what the page says in words: write its settings to ~/.config/dask."""
    page = text_of("docs/cluster.md")
    block = page[page.index("    distributed:\n") :].split("\n\n")[0]
    file = Path(shop.environment["HOME"]) / ".config" / "dask" / "gradebench.yaml"
    file.parent.mkdir(parents=True)
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    file.write_text("\n".join(lines).replace("/home/me", shop.environment["HOME"]))


def _graded_sheet(*grades: str, column: int) -> Callable[[Path, str], None]:
    def check(folder: Path, said: str) -> None:
        name = max(folder.glob("*-graded.csv"), key=lambda path: path.stat().st_mtime_ns)
        assert [row[column] for row in list(csv.reader(name.open()))[1:]] == list(grades), said

    return check


def _says(*texts: str) -> Callable[[Path, str], None]:
    def check(folder: Path, said: str) -> None:
        for text in texts:
            assert text in said

    return check


def _was_pushed(folder: Path, said: str) -> None:
    files = subprocess.run(
        ["git", "--git-dir", str(folder / "origin.git"), "ls-tree", "-r", "--name-only", "main"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    pages = sorted(re.sub(r"-.*", "", Path(file).name) for file in files)
    assert pages == ["entry", "entry", "entry", "index.html", "reference"]


def _has_scores(folder: Path, said: str) -> None:
    assert json.loads((folder / "results.json").read_text())["score"] == 0


def _are_the_pages_grades(folder: Path, said: str) -> None:
    grades = next(folder.glob("*-grades.md")).read_text("utf-8")
    assert grades.strip() in text_of("docs/extending.md") and "0041" in grades
    page = (folder / "site" / "index.html").read_text("utf-8")
    assert [text for text in TITLES if text not in page] == []


BEFORE: dict[tuple[str, str], Callable[[Shop], None]] = {
    ("docs/cluster.md", "dask scheduler --protocol tls --no-dashboard"): _wrote_dask_settings,
}
AFTER: dict[tuple[str, str], Callable[[Path, str], None]] = {
    ("docs/ci.md", "gradebench check . --class-file gradebench-class.toml"): _says("as in class"),
    ("docs/ci.md", "gradebench check . --quick"): _says("estimate, no verdict"),
    ("docs/ci.md", "gradebench check . --site pages --junit report.xml --export gradescope=results.json"): _has_scores,
    ("docs/ci.md", "pytest --gradebench . --gradebench-class-file gradebench-class.toml"): _says(
        "1 failed", "2 passed"
    ),
    ("docs/exports.md", "gradebench export moodle results --worksheet worksheet.csv -o graded.csv"): (
        _graded_sheet("0", "0", "", column=2)
    ),
    (
        "docs/exports.md",
        'gradebench export canvas results --worksheet gradebook.csv --column "Homework 3" -o graded.csv',
    ): (_graded_sheet("75", "0", column=-1)),
    ("docs/decisions.md", 'gradebench decide results s1234567 cvae reject --reason "one image a digit"'): (
        _says("reject, 0 of 25 points")
    ),
    ("docs/extending.md", "gradebench tasks"): _says("mirroring"),
    ("docs/extending.md", "gradebench models"): _says("Mirror  "),
    ("docs/extending.md", "gradebench export markdown results -o grades.md"): _are_the_pages_grades,
    ("docs/publishing.md", "git -C leaderboard push"): _was_pushed,
}
"""The check of a command, beside its exit code and the files that it names."""


def test_the_files_of_a_results_folder_are_those_of_the_page(shop: Shop, tmp_path: Path) -> None:
    shop.take("results", tmp_path)
    (tmp_path / "teams.csv").write_text("id,team\n28411003,Team Gauss\n", encoding="utf-8")
    for line in (
        'gradebench decide results 28411003 cvae accept --reason "looked at"',
        "gradebench report results --site site --export csv",
        "gradebench report results --site shown --teams teams.csv --hide-until 2999-01-01T00:00+00:00",
    ):
        done, _ = shop.run(line, tmp_path)
        assert done.returncode == 0, done.stdout
    patterns = _patterns(text_of("docs/formats.md"))
    files = [path.relative_to(tmp_path / "results") for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert [str(file) for file in files if not any(file.match(pattern) for pattern in patterns)] == []
    # Nothing of this class was tried, its answers are larger than 8 MB, and no earlier class is named.
    absent = {"*/*.trial.npz", "*/*.answers.npz", "opt-out.txt", "earlier.txt"}
    unseen = {one for one in patterns if not one.startswith("@baseline") and not any(file.match(one) for file in files)}
    assert {one for one in unseen if not one.startswith("@reference")} <= absent


def _patterns(page: str) -> list[str]:
    """The paths of the page's tree of a results folder, with stars for the names of students, parts and figures."""
    folders: list[str] = []
    found = []
    for line in page[page.index("    results/\n") :].split("\n\n")[0].splitlines()[1:]:
        depth, name = (len(line) - len(line.lstrip())) // 2 - 3, line.split()[0]
        name = name.replace("s1234567", "*").replace("cvae", "*").replace("samples", "*")
        folders[depth:] = [name]
        if not name.endswith("/"):
            found.append("".join(folders))
    own = [pattern for pattern in found if pattern.startswith("*/")]
    # "The same", says the page of these.
    return [*found, *(f"{role}/{pattern}" for role in ("@baseline", "@reference") for pattern in own), "@exports/*"]


def test_every_exception_is_a_line_of_its_page() -> None:
    there = {(page, one.text) for page in PAGES for one in commands(text_of(page), page)}
    for named in (EXCEPTED, SMALLER, BEFORE, AFTER):
        assert set(named) <= there, set(named) - there
    assert not set(EXCEPTED) & set(SMALLER)
    assert all(reason for reason in EXCEPTED.values())
    # Nearly all is run, and every page that has a folder has a command for it.
    assert sum(len(found) for found in RUN.values()) > 3 * len(EXCEPTED)
    assert {page for page in FOLDERS if not RUN[page]} == set()


@pytest.mark.parametrize("page", PAGES)
def test_no_command_stands_where_it_is_not_found(page: str) -> None:
    assert passed_over(text_of(page)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```sh\na --b  # why\n\nc \\\n  d\n```\n", ["a --b", "c d"]),
        ("```console\n$ a\n```\n", ["a"]),
        ("Text\n\n    gradebench tasks   # all\n    x=1\n", ["gradebench tasks", "x=1"]),
        ("Text\n\n    .venv/bin/pytest\n", [".venv/bin/pytest"]),
        ("Text\n\n    [[entry]]\n    task = 1\n", []),
        ("```toml\ngradebench = 1\n```\n", []),
    ],
)
def test_commands_are_found_in_blocks(text: str, found: list[str]) -> None:
    assert [one.text for one in commands(text)] == found


def test_a_command_behind_other_text_of_a_block_is_told() -> None:
    assert passed_over("Text\n\n    setting: 1\n\n    dask scheduler\n") == ["dask scheduler"]
    assert passed_over("```text\ngradebench tasks\n```\n") == ["gradebench tasks"]
