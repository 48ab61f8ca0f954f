"""The Parquet export, read by pandas."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from reports.exports import csv, parquet
from reports.exports.grades import DEFAULTS, ExportError
from tests.reports.exports.classes import SIZE, handed_in, records_of


def test_pandas_reads_the_same_table_as_from_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is an optional part")
    records = records_of(handed_in("moodle", tmp_path))
    frame = pd.read_parquet(parquet.write(records, tmp_path, tmp_path, DEFAULTS))
    table = pd.read_csv(csv.write(records, tmp_path, tmp_path))
    assert list(frame.columns) == list(table.columns) == csv.HEADER
    assert len(frame) == 2 * SIZE
    assert frame["points"].dtype == "float64"
    for name in ("points", "value", "n", "rank_low", "max_points"):
        pd.testing.assert_series_equal(frame[name], table[name], check_dtype=False)
    # Names are as they are: nothing is quoted where no spreadsheet opens it.
    assert "=cmd|' C calc'!A0" in set(frame["name"])
    assert frame["submission"].astype(int).tolist() == table["submission"].tolist()


def test_without_pyarrow_the_line_that_installs_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match="pip install pyarrow"):
        parquet.write([], tmp_path, tmp_path, DEFAULTS)
