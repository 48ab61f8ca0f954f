"""Canvas's gradebook, filled in: one assignment's column of the file that Canvas exports.

Canvas takes an assignment by the id in the heading, "Homework 3 (4711)", and creates a new one for a heading that it
does not know; a student by the column ID. Rows above the students ("Points Possible", "Manual Posting") and columns
that are marked "(read only)" are Canvas's own. So the exported file is filled in, and every other byte stays; a grade
that is open stays as it was, since an empty cell would delete it. Source: instructure/canvas-lms,
lib/gradebook_importer.rb.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.types import Record
from reports.exports.grades import ExportError, Options, grades
from reports.exports.sheet import Sheet, by_seat, number, scaled, tell_rows

FILE = "canvas-grades.csv"
_ASSIGNMENT = re.compile(r".*\(([0-9]{1,18})\)\s*", re.DOTALL)
_POSSIBLE = "Points Possible"
_READ_ONLY = re.compile(r"read\s+only")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write the filled-in copy of `options.sheet` to canvas-grades.csv.

    Raises ExportError where there is no sheet, where it is not Canvas's, or where its column can't be told.
    """
    if options.sheet is None:
        raise ExportError(
            'needs the file that Canvas\'s gradebook offers under "Export entire gradebook": '
            "gradebench export canvas RESULTS --worksheet FILE"
        )
    sheet = Sheet.read(options.sheet)
    ids = sheet.column(("ID",))
    if ids is None or ids < 1:
        raise ExportError(f"{sheet.path}: is no gradebook of Canvas: it has no column ID")
    possible = next((r for r in range(1, len(sheet.rows)) if _POSSIBLE in sheet.cell(r, 0)), None)
    column = _column(sheet, possible, options)
    told = sheet.cell(possible, column).strip() if possible is not None else ""
    most = float(told.replace(",", ".")) if _NUMBER.fullmatch(told) else None
    found = by_seat(grades(records, options), "canvas", options)
    used: set[str] = set()
    without: list[str] = []
    for row in range(1, len(sheet.rows)):
        own = sheet.cell(row, ids).strip()
        if row == possible or not own.isdigit():
            continue
        if own not in found:
            without.append(sheet.cell(row, 0))
            continue
        used.add(own)
        grade = found[own]
        if grade.points is None:
            continue
        new = number(scaled(grade.points, grade.full_marks, most, options))
        old = sheet.cell(row, column).strip()
        if old.upper() == "EX":
            options.tell(f"{grade.submission} ({grade.name}): is excused in Canvas; left as it is")
            continue
        if _NUMBER.fullmatch(old) and float(old.replace(",", ".")) != float(new):
            options.tell(f"{grade.submission} ({grade.name}): the sheet had {old}, now {new}")
        sheet.replace(row, column, new)
    tell_rows(found, used, without, options)
    path = options.path(folder, FILE)
    write_atomically(path, sheet.content())
    return path


def _column(sheet: Sheet, possible: int | None, options: Options) -> int:
    """The column of the assignment: the only one that may be written to, or the one that was asked for."""
    writable = {
        index: match[1]
        for index, heading in enumerate(sheet.header)
        if (match := _ASSIGNMENT.fullmatch(heading))
        and not (possible is not None and _READ_ONLY.search(sheet.cell(possible, index)))
    }
    wanted = options.column.strip()
    chosen = [
        index
        for index, number_ in writable.items()
        if not wanted
        or wanted in (number_, sheet.header[index].strip(), sheet.header[index].rpartition("(")[0].strip())
    ]
    if len(chosen) == 1:
        return chosen[0]
    named = ", ".join(sheet.header[index] for index in writable) or "none"
    raise ExportError(f"{sheet.path}: name the assignment's column by --column; there are: {named}")
