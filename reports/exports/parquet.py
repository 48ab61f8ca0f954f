"""Parquet: the table of the CSV export with its types, for pandas, R, DuckDB and the like.

Numbers are float64, truth values boolean, all else strings; what was not measured is null. Needs pyarrow, which is an
optional part of the installation: it is as large as all of gradebench's other libraries but torch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.files import write_atomically
from harness.text import one_line
from harness.types import Record
from reports.exports import csv
from reports.exports.grades import ExportError, Options

FILE = "scores.parquet"
SEEN_BY_STUDENTS = False
"""A table for the instructor, which no platform shows."""
MISSING = "needs pyarrow, which is not installed: pip install pyarrow (or: pip install 'gradebench[parquet]')"


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write scores.parquet. Raises ExportError with the line that installs pyarrow where it is missing."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ExportError(MISSING) from error
    rows = list(csv.rows(records, results, options))
    columns = {name: [_plain(row[name]) for row in rows] for name in csv.HEADER}
    table = pa.table({name: pa.array(values, _type(values, pa)) for name, values in columns.items()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    path = options.path(folder, FILE)
    write_atomically(path, buffer.getvalue())
    return path


def _plain(value: object) -> object:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    return one_line(str(value), 2000)


def _type(values: Sequence[object], pa: Any) -> object:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    return pa.float64() if kinds == {float} else pa.string()
