"""Moodle's offline grading worksheet, filled in: the grade of each participant whose submission has one.

The instructor downloads the worksheet ("Download grading worksheet") and uploads the filled one ("Upload grading
worksheet"). Moodle finds its columns by their localised headings, a participant by the number at the end of the
identifier ("Participant 123456"), and refuses sheets without the column of the last change: so a sheet is never made
up, only grades are replaced, and every other byte stays. Source: moodle/moodle,
mod/assign/feedback/offline/importgradeslib.php; the number is the one in the names of the downloaded folders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.types import Record
from reports.exports.grades import ExportError, Options, grades
from reports.exports.sheet import Sheet, by_seat, number, scaled, tell_rows

FILE = "moodle-grades.csv"
GRADE = ("Grade", "Bewertung", "Note", "Calificación", "Valutazione", "Cijfer", "Beoordeling")
"""Headings of the column for grades in some of Moodle's languages."""
_LOCKED = ("no", "nein", "non", "nee")
"""Values of "Grade can be changed" that refuse a change; Spanish and Italian say no, too."""
_IDENTIFIER = re.compile(r".*?([0-9]{1,18})\s*", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write the filled-in copy of `options.sheet` to moodle-grades.csv. Grades that are open stay as they were.

    Raises ExportError where there is no sheet, or where it can't be understood.
    """
    if options.sheet is None:
        raise ExportError(
            'needs the worksheet that Moodle offers under "Download grading worksheet": '
            "gradebench export moodle RESULTS --worksheet FILE"
        )
    sheet = Sheet.read(options.sheet)
    column = sheet.column((options.column,)) if options.column else sheet.column(GRADE)
    if column is None:
        raise ExportError(f"{sheet.path}: name the column for grades by --column; there are {', '.join(sheet.header)}")
    found = by_seat(grades(records, options), "moodle", options)
    used: set[str] = set()
    without: list[str] = []
    for row in range(1, len(sheet.rows)):
        match = _IDENTIFIER.fullmatch(sheet.cell(row, 0))
        if match is None or (own := str(int(match[1]))) not in found:
            if any(sheet.rows[row]):
                without.append(sheet.cell(row, 1) if len(sheet.rows[row]) > 1 and sheet.cell(row, 1) else "a row")
            continue
        if own in used:
            raise ExportError(f"{sheet.path}: two rows have the identifier {match[0].strip()!r}")
        used.add(own)
        grade = found[own]
        if grade.points is None:
            continue
        if sheet.cell(row, column + 2).strip().lower() in _LOCKED:
            options.tell(
                f"{grade.submission} ({grade.name}): Moodle says that this grade can't be changed; left as it is"
            )
            continue
        maximum = sheet.cell(row, column + 1).strip()
        comma = "," in maximum
        most = float(maximum.replace(",", ".")) if _NUMBER.fullmatch(maximum) else None
        new = number(scaled(grade.points, grade.full_marks, most, options), comma)
        _tell_change(sheet.cell(row, column).strip(), new, grade.submission, options)
        sheet.replace(row, column, new)
    tell_rows(found, used, without, options)
    path = options.path(folder, FILE)
    write_atomically(path, sheet.content())
    return path


def _tell_change(old: str, new: str, submission: str, options: Options) -> None:
    """Tell where a grade was there already and is another one."""
    if _NUMBER.fullmatch(old) and float(old.replace(",", ".")) != float(new.replace(",", ".")):
        options.tell(f"{submission}: the sheet had {old}, now {new}")
