"""A CSV sheet of a learning platform, of which single cells are replaced and every other byte stays as it is.

Cells are found by RFC 4180; where Python's csv module reads the text otherwise, the sheet is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.text import one_line
from reports.exports.grades import ExportError, Grade, Options, seat

LARGEST = 64 << 20
"""Bytes of the largest sheet that is read."""
_BOM = "\ufeff"


@dataclass
class Sheet:
    """A sheet's text, its cells, and the place of each cell in the text."""

    path: Path
    text: str
    delimiter: str
    rows: list[list[str]]
    spans: list[list[tuple[int, int]]]
    replaced: dict[tuple[int, int], str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Sheet:
        """Read a sheet in UTF-8, with commas, semicolons or tabs. Raises ExportError where it is none."""
        try:
            if not path.is_file():
                raise ExportError(f"{path}: no such file")
            if path.stat().st_size > LARGEST:
                raise ExportError(f"{path}: larger than {LARGEST >> 20} MB, which is no sheet of a class")
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise ExportError(f"{path}: can't be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ExportError(
                f"{path}: is not UTF-8; download the sheet again, and don't save it by a spreadsheet"
            ) from (error)
        start = len(_BOM) if text.startswith(_BOM) else 0
        tried = []
        for delimiter in ",;\t":
            rows, spans = _cells(text, start, delimiter)
            try:
                if rows == list(csv.reader(io.StringIO(text[start:], newline=""), delimiter=delimiter)):
                    tried.append(cls(path, text, delimiter, rows, spans))
            except csv.Error:
                continue
        if not tried or not max(len(sheet.rows[0]) if sheet.rows else 0 for sheet in tried):
            raise ExportError(f"{path}: can't be read as a CSV file")
        return max(tried, key=lambda sheet: len(sheet.rows[0]))

    @property
    def header(self) -> list[str]:
        """The headings."""
        return self.rows[0]

    def column(self, names: Sequence[str]) -> int | None:
        """The only column whose heading is one of `names`; None where there is none, or several."""
        found = [index for index, heading in enumerate(self.header) if heading.strip() in names]
        return found[0] if len(found) == 1 else None

    def cell(self, row: int, column: int) -> str:
        """The text of a cell, empty where the row ends before it."""
        return self.rows[row][column] if column < len(self.rows[row]) else ""

    def replace(self, row: int, column: int, value: str) -> None:
        """Replace one cell. Raises ExportError where the row ends before it."""
        if column >= len(self.rows[row]):
            raise ExportError(f"{self.path}: row {row + 1} has no cell below {self.header[column]!r}")
        self.replaced[row, column] = value

    def content(self) -> bytes:
        """The sheet with what was replaced; quoted cells stay quoted."""
        parts, at = [], 0
        for (row, column), value in sorted(self.replaced.items()):
            begin, end = self.spans[row][column]
            quoted = self.text[begin:end].startswith('"') or any(sign in value for sign in f'{self.delimiter}"\r\n')
            parts += [self.text[at:begin], '"' + value.replace('"', '""') + '"' if quoted else value]
            at = end
        return "".join([*parts, self.text[at:]]).encode("utf-8")


def _cells(text: str, start: int, delimiter: str) -> tuple[list[list[str]], list[list[tuple[int, int]]]]:
    """The cells of a text, and where each begins and ends in it, quotes included."""
    rows: list[list[str]] = []
    spans: list[list[tuple[int, int]]] = []
    at, size = start, len(text)
    while at < size:
        cells: list[str] = []
        places: list[tuple[int, int]] = []
        while True:
            begin = at
            if text.startswith('"', at):
                at += 1
                pieces = []
                while (end := text.find('"', at)) >= 0:
                    pieces.append(text[at:end])
                    at = end + 1
                    if not text.startswith('"', at):
                        break
                    pieces.append('"')
                    at += 1
                else:
                    at = size
                value = "".join(pieces)
            else:
                while at < size and text[at] not in (delimiter, "\r", "\n"):
                    at += 1
                value = text[begin:at]
            cells.append(value)
            places.append((begin, at))
            if at < size and text[at] == delimiter:
                at += 1
                continue
            break
        if at < size and text[at] not in "\r\n":
            # Text after a closing quote: no CSV that is understood alike by all.
            return [], []
        at += 2 if text.startswith("\r\n", at) else 1
        rows.append([] if cells == [""] and places[0][0] == places[0][1] else cells)
        spans.append(places)
    return rows, spans


def number(points: float, decimal_comma: bool = False) -> str:
    """Points with up to five decimals, which is what Moodle keeps.

    >>> number(12.5), number(20.0), number(1 / 3, decimal_comma=True)
    ('12.5', '20', '0,33333')
    """
    plain = f"{points:.5f}".rstrip("0").rstrip(".")
    return plain.replace(".", ",") if decimal_comma else plain


def scaled(points: float, full_marks: float, maximum: float | None, options: Options) -> float:
    """Points out of the sheet's maximum. Raises ExportError where the two maxima differ and scaling was not asked."""
    if maximum is None or full_marks <= 0 or abs(maximum - full_marks) < 1e-9:
        return points
    if not options.scale:
        raise ExportError(
            f"the sheet's maximum is {maximum:g} points and the assignment's {full_marks:g}; --scale converts, or "
            "change the maximum on the platform"
        )
    return points * maximum / full_marks


def by_seat(grades: Sequence[Grade], platform: str, options: Options) -> dict[str, Grade]:
    """The grades by the platform's number of their owner. Tells of those that have none, or share one."""
    found: dict[str, Grade] = {}
    twice: set[str] = set()
    for grade in grades:
        own = seat(grade.place, platform)
        if own is None:
            options.tell(f"{grade.submission} ({grade.name}): was not handed in by {platform}; it is in no row")
        elif own in found:
            twice.add(own)
        else:
            found[own] = grade
    for own in sorted(twice):
        options.tell(f"{platform}:{own}: handed in by several paths; no number is exported")
        del found[own]
    return found


def tell_rows(found: Mapping[str, Grade], used: set[str], without: Sequence[str], options: Options) -> None:
    """Tell which submissions have no row in the sheet, and which rows no submission; rows are never added."""
    for own in sorted(set(found) - used):
        options.tell(f"{found[own].submission} ({found[own].name}): not found in the sheet; rows are never added")
    if without:
        names = ", ".join(one_line(name, 60) for name in without[:20]) + (", …" if len(without) > 20 else "")
        options.tell(f"{len(without)} rows without a submission, left as they are: {names}")
