"""Moodle's feedback files: a zip with the page of each submission, for "Upload multiple feedback files in a zip".

Moodle splits each part of a path at "_", at most into five, and takes the second as the participant's number, the third
and fourth as the plugin: `<Full name>_<number>_assignsubmission_file_`. The name is for people alone, and may hold no
"_". Files that start with "." or "~" are passed over. Source: moodle/moodle, mod/assign/feedback/file/importziplib.php.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from harness.files import write_atomically
from harness.text import one_line
from harness.types import Record
from reports.exports.grades import ExportError, Options, grades
from reports.exports.sheet import by_seat
from reports.site import pages

FILE = "moodle-feedback.zip"
_UNFIT = re.compile(r'[_/\\:*?"<>|.~]+')
_DATE = (1980, 1, 1, 0, 0, 0)
"""Time of every file, so that the same pages give the same bytes."""


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write moodle-feedback.zip: `report.html` in a folder for each participant.

    Pages are written for open grades, too, since they say what is open. Raises ExportError where no submission came
    from Moodle.
    """
    found = by_seat(grades(records, options), "moodle", options)
    if not found:
        raise ExportError('no submission came from Moodle: grade the zip of "Download all submissions" as it is')
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        ordered = sorted(found.items())
        for (own, grade), page in zip(ordered, pages((grade.records for _, grade in ordered), results), strict=True):
            name = " ".join(_UNFIT.sub(" ", one_line(grade.name, 80)).split()) or "Participant"
            info = zipfile.ZipInfo(f"{name}_{own}_assignsubmission_file_/report.html", _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, page)
    path = options.path(folder, FILE)
    write_atomically(path, buffer.getvalue())
    return path
