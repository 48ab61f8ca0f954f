"""The filled-in gradebook of a class from Canvas, read by other readers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from harness.types import Record
from reports.exports import canvas
from reports.exports.grades import ExportError, Options
from tests.reports.exports.classes import SIZE, expected, handed_in, name_of, number_of, records_of

HEADER = [
    "Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Quiz 1 (4700)", "Homework 3 (4711)",
    "Current Score", "Final Score",
]  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return records_of(handed_in("canvas", tmp_path_factory.mktemp("canvas")))


def gradebook(path: Path, delimiter: str = ",", quiz: str = "10.00", possible: str = "40.00") -> Path:
    rows = [HEADER, ["", "", "", "", "", "", "Manual Posting", "", ""]]
    rows.append(["    Points Possible", "", "", "", "", quiz, possible, "(read only)", "(read only)"])
    for index in range(SIZE):
        last = name_of(index)
        old = "EX" if index == 10 else "12.00" if index % 12 == 1 else ""
        rows.append([last, str(number_of(index)), f"s{index}", f"login{index}", "A, B", "7.50", old, "80.1", "79.2"])
    rows.append(["Student, Test", "999999", "", "abc", "A, B", "", "", "", ""])
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def write(records: Sequence[Record], folder: Path, sheet: Path, **options: object) -> tuple[Path, list[str]]:
    said: list[str] = []
    return canvas.write(records, folder, folder, Options(sheet=sheet, tell=said.append, **options)), said  # type: ignore[arg-type]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_one_column_is_filled_and_all_else_stays(records: list[Record], tmp_path: Path, delimiter: str) -> None:
    sheet = gradebook(tmp_path / "sheet.csv", delimiter)
    path, said = write(records, tmp_path, sheet, column="4711")
    rows = [list(csv.reader(p.open(encoding="utf-8", newline=""), delimiter=delimiter)) for p in (sheet, path)]
    assert [row[:6] + row[7:] for row in rows[0]] == [row[:6] + row[7:] for row in rows[1]]
    assert rows[1][:3] == rows[0][:3]
    for index, row in enumerate(rows[1][3:-1]):
        points = expected(index)
        if index == 10:
            assert row[6] == "EX"
        elif points is None:
            # A grade that is open keeps what Canvas had: an empty cell would delete it.
            assert row[6] == ("12.00" if index % 12 == 1 else "")
        else:
            assert float(row[6]) == points
    frame = pd.read_csv(path, sep=delimiter, skiprows=[1, 2])
    assert frame["Homework 3 (4711)"].isna().sum() == 1 + sum(expected(i) is None and i % 12 != 1 for i in range(SIZE))
    assert any("excused" in line for line in said)
    assert any("Student, Test" in line for line in said)


def test_the_column_is_asked_for_where_several_may_be_written(records: list[Record], tmp_path: Path) -> None:
    sheet = gradebook(tmp_path / "sheet.csv")
    with pytest.raises(ExportError, match=r"there are: Quiz 1 \(4700\), Homework 3 \(4711\)"):
        write(records, tmp_path, sheet)
    named = [write(records, tmp_path, sheet, column=c)[0].read_bytes() for c in ("Homework 3", "Homework 3 (4711)")]
    assert named[0] == named[1] != sheet.read_bytes()
    with pytest.raises(ExportError):
        write(records, tmp_path, sheet, column="Final Score")


def test_read_only_columns_are_never_chosen(records: list[Record], tmp_path: Path) -> None:
    sheet = gradebook(tmp_path / "sheet.csv", quiz="(read only)")
    path, _ = write(records, tmp_path, sheet)
    assert path.read_bytes() == write(records, tmp_path, sheet, column="4711")[0].read_bytes()
    with pytest.raises(ExportError):
        write(records, tmp_path, sheet, column="4700")


def test_another_maximum_is_refused(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="maximum is 10 points"):
        write(records, tmp_path, gradebook(tmp_path / "sheet.csv", possible="10.00"), column="4711")


def test_a_file_that_is_no_gradebook_is_refused(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("Name,Points\nAda,1\n")
    with pytest.raises(ExportError, match="no gradebook"):
        write(records, tmp_path, tmp_path / "sheet.csv")
    with pytest.raises(ExportError, match="--worksheet FILE"):
        canvas.write(records, tmp_path, tmp_path, Options())
