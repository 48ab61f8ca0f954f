"""The filled-in worksheet and the feedback zip of a class from Moodle, read by other readers."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from harness.types import Record
from reports.exports import moodle, moodle_feedback
from reports.exports.grades import ExportError, Options
from tests.reports.exports.classes import FULL, SIZE, expected, handed_in, name_of, number_of, records_of

HEADER = [
    "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
    "Last modified (submission)", "Last modified (grade)", "Feedback comments",
]  # fmt: skip


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    return records_of(handed_in("moodle", tmp_path_factory.mktemp("moodle")))


def worksheet(
    path: Path,
    indices: Sequence[int],
    *,
    maximum: str = "40.00",
    grade: str = "",
    ending: str = "\n",
    bom: str = "\ufeff",
) -> Path:
    """A worksheet as Moodle writes it: a byte order mark, some cells quoted, some with line breaks."""
    lines = [",".join(f'"{heading}"' if " " in heading else heading for heading in HEADER)]
    for index in indices:
        name = name_of(index).replace('"', '""')
        comment = '"two\nlines, ""quoted"""' if index % 3 == 0 else ""
        day = '"Monday, 2 March 2026, 10:15 AM"'
        lines.append(
            f'"Participant {number_of(index)}","{name}",s{index}@example.org,Submitted for grading,{grade},{maximum},'
            f"{'No' if index == 9 else 'Yes'},{day},-,{comment}"
        )
    path.write_bytes((bom + ending.join(lines) + ending).encode())
    return path


def write(records: Sequence[Record], folder: Path, sheet: Path, **options: object) -> tuple[list[list[str]], list[str]]:
    said: list[str] = []
    path = moodle.write(records, folder, folder, Options(sheet=sheet, tell=said.append, **options))  # type: ignore[arg-type]
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file)), said


def test_each_grade_is_in_the_row_of_its_participant_and_all_else_stays(records: list[Record], tmp_path: Path) -> None:
    order = list(reversed(range(SIZE)))
    sheet = worksheet(tmp_path / "sheet.csv", [*order, 900])
    rows, said = write(records, tmp_path, sheet)
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        before = list(csv.reader(file))
    assert len(rows) == len(before) == SIZE + 2
    for old, new in zip(before, rows, strict=True):
        assert old[:4] + old[5:] == new[:4] + new[5:]
    for index, row in zip(order, rows[1:], strict=False):
        assert row[0] == f"Participant {number_of(index)}"
        points = None if index == 9 else expected(index)
        assert row[4] == "" if points is None else float(row[4]) == points, index
    assert rows[-1][4] == ""
    frame = pd.read_csv(tmp_path / moodle.FILE)
    # pandas agrees: the open ones are missing, not zero.
    assert frame["Grade"].isna().sum() == 1 + sum(expected(i) is None or i == 9 for i in range(SIZE))
    assert any("can't be changed" in line for line in said)
    for index in range(SIZE):
        mentioned = any(line.startswith(f"{number_of(index)} (") for line in said)
        assert mentioned == (expected(index) is None or index == 9), index
    (without,) = [line for line in said if line.startswith("not handed in and counted as 0: cgan")]
    ids = {number_of(index) for index in range(SIZE) if index % 12 == 2 and index % 8 != 7}
    assert without.startswith(f"not handed in and counted as 0: cgan, of {len(ids)}: ")
    assert set(map(int, without.rpartition(": ")[2].split(", "))) == ids
    assert any("1 rows without a submission" in line and "Student 900" in line for line in said)


def test_bytes_outside_of_the_grades_are_the_same(records: list[Record], tmp_path: Path) -> None:
    for number, ending in enumerate(("\n", "\r\n")):
        sheet = worksheet(tmp_path / f"sheet{number}.csv", range(SIZE), ending=ending)
        write(records, tmp_path, sheet)
        filled = (tmp_path / moodle.FILE).read_bytes().decode()
        text = sheet.read_bytes().decode()
        # Emptied again, it is the sheet that was downloaded.
        assert re.sub(r"(Submitted for grading,)[0-9.]*(,40\.00)", r"\1\2", filled) == text
        assert filled != text


def test_a_submission_without_a_row_is_named_and_gets_none(records: list[Record], tmp_path: Path) -> None:
    rows, said = write(records, tmp_path, worksheet(tmp_path / "sheet.csv", range(10)))
    assert len(rows) == 11
    missing = [line for line in said if "not found in the sheet" in line]
    assert len(missing) == SIZE - 10


def test_open_grades_are_exported_only_as_asked(records: list[Record], tmp_path: Path) -> None:
    rows, said = write(records, tmp_path, worksheet(tmp_path / "sheet.csv", range(SIZE)), open_as_number=True)
    grades = {row[0]: row[4] for row in rows[1:]}
    # Index 1: its first part's points; index 4: both parts, without the points for time; index 3: nothing handed in.
    assert float(grades[f"Participant {number_of(1)}"]) == round(20 / SIZE, 4)
    assert float(grades[f"Participant {number_of(4)}"]) == round(80 / SIZE + 20, 4)
    assert grades[f"Participant {number_of(3)}"] == ""
    # Index 6: held, with the points that it has if no flag counts.
    assert float(grades[f"Participant {number_of(6)}"]) == round(120 / SIZE + 20, 4)
    assert any("as asked" in line for line in said)


def test_another_maximum_is_refused_unless_it_is_to_be_scaled(records: list[Record], tmp_path: Path) -> None:
    sheet = worksheet(tmp_path / "sheet.csv", range(SIZE), maximum="100.00")
    with pytest.raises(ExportError, match=r"maximum is 100 points and the assignment's 40; --scale"):
        write(records, tmp_path, sheet)
    rows, _ = write(records, tmp_path, sheet, scale=True)
    points = expected(24)
    assert points is not None
    assert float(rows[25][4]) == pytest.approx(points * 100 / FULL, abs=1e-5)


def test_a_german_sheet_has_decimal_commas_and_its_own_headings(records: list[Record], tmp_path: Path) -> None:
    sheet = worksheet(tmp_path / "sheet.csv", range(SIZE), maximum='"40,00"', bom="")
    sheet.write_text(sheet.read_text("utf-8").replace(",Grade,", ",Bewertung,", 1), "utf-8")
    rows, _ = write(records, tmp_path, sheet)
    assert rows[6][4] == f"{expected(5):.4f}".rstrip("0").replace(".", ",")
    sheet.write_text(sheet.read_text("utf-8").replace(",Bewertung,", ",Punkte (neu),", 1), "utf-8")
    with pytest.raises(ExportError, match=r"--column; there are .*Punkte \(neu\)"):
        write(records, tmp_path, sheet)
    assert write(records, tmp_path, sheet, column="Punkte (neu)")[0][6][4] == rows[6][4]


def test_a_grade_that_was_there_is_replaced_and_named(records: list[Record], tmp_path: Path) -> None:
    rows, said = write(records, tmp_path, worksheet(tmp_path / "sheet.csv", range(SIZE), grade="3.00"))
    assert rows[2][4] == "3.00"  # open: left as it was
    assert float(rows[1][4]) == expected(0)
    assert f"{number_of(0)}: the sheet had 3.00, now 20" in said


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "CSV"),
        (b'Identifier,Grade\n"Participant 5000"x,1\n', "CSV"),
        (b"Identifier,Full name\nParticipant 5000,x\n", "--column"),
        (b"Identifier,Full name,,,Grade,Maximum\nParticipant 5000\n", "has no cell"),
        (b"Identifier,a,b,c,Grade,Maximum\nParticipant 5000,,,,,\nParticipant 5000,,,,,\n", "two rows"),
    ],
)
def test_a_sheet_that_is_none_is_refused(records: list[Record], tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "sheet.csv").write_bytes(content)
    with pytest.raises(ExportError, match=re.escape(reason)):
        write(records, tmp_path, tmp_path / "sheet.csv")
    assert not (tmp_path / moodle.FILE).exists()


def test_no_sheet_is_made_up(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--worksheet FILE"):
        moodle.write(records, tmp_path, tmp_path, Options())


def test_a_megabyte_in_a_cell_is_refused_in_a_sentence(records: list[Record], tmp_path: Path) -> None:
    sheet = worksheet(tmp_path / "sheet.csv", range(3))
    sheet.write_text(sheet.read_text("utf-8").replace("s1@example.org", "x" * 1_000_000), "utf-8")
    with pytest.raises(ExportError, match="can't be read as a CSV file"):
        write(records, tmp_path, sheet)


def importer(path: str, participants: set[int]) -> tuple[int, str] | None:
    """Moodle's rule for a file of the zip: whose it is, and what it is called there."""
    parts = path.split("/")
    if parts[-1].startswith((".", "~")):
        return None
    while parts:
        info = parts.pop(0).split("_", 4)
        if len(info) < 4 or not info[1].isdigit() or int(info[1]) not in participants:
            continue
        assert info[2:4] == ["assignsubmission", "file"]
        return int(info[1]), "/".join([info[4] if len(info) > 4 else "", *parts]).lstrip("/")
    return None


def test_moodle_finds_the_owner_of_each_page_of_the_feedback_zip(records: list[Record], tmp_path: Path) -> None:
    path = moodle_feedback.write(records, tmp_path, tmp_path, Options())
    participants = {number_of(index) for index in range(SIZE)}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        found = [importer(name, participants) for name in archive.namelist()]
        assert sorted(owner[0] for owner in found if owner) == sorted(participants)
        assert {owner[1] for owner in found if owner} == {"report.html"}
        pages = {importer(name, participants): archive.read(name).decode() for name in archive.namelist()}
        page = pages[number_of(5), "report.html"]
        assert "&lt;b&gt;Bold" in page and "<b>Bold" not in page
        assert "Back to the leaderboard" not in page
        # Nobody else's name is on it.
        assert "Ada Lovelace" not in page
    again = moodle_feedback.write(records, tmp_path / "again", tmp_path, Options())
    assert again.read_bytes() == path.read_bytes()


def test_a_class_that_is_not_moodles_has_no_feedback_zip(records: list[Record], tmp_path: Path) -> None:
    elsewhere = [type(record)(**{**vars(record), "place": "abc/x"}) for record in records[:2]]
    with pytest.raises(ExportError, match="no submission came from Moodle"):
        moodle_feedback.write(elsewhere, tmp_path, tmp_path, Options())
