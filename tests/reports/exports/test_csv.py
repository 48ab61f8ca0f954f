"""The CSV export: spreadsheets must not run it, programs must read it back."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from harness.types import Failure, Metric, Timing
from reports.exports.csv import HEADER, cell, write
from tests.reports.examples import scored, unscored

FORMULAS = [
    '=HYPERLINK("http://evil.example","x")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\x1b[0m=1",
    "\u202e=1",
    "\uff1d1",
]


@pytest.mark.corpus("Reports", "CSV cells starting with = + - @ tab")
@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_neutralised(text: str, tmp_path: Path) -> None:
    failed = unscored("s2", "x", Failure("checkpoint", text, text, detail=text))
    write([replace(scored("s1", text, 0.99), device=text), failed], tmp_path)
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == HEADER
    assert len(rows) == 3
    for row in rows[1:]:
        assert len(row) == len(HEADER)
        assert not any(value.startswith(tuple("=+-@\t\r\n\uff1d")) for value in row)
    assert rows[1][HEADER.index("name")].startswith("'")


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    negative = replace(scored("s1", "A", 0.99), metrics={"accuracy": Metric(-0.25, "nats", "higher", 5)}, seed=-3)
    write([negative], tmp_path)
    frame = pd.read_csv(tmp_path / "scores.csv")
    assert frame["value"].iloc[0] == -0.25
    assert frame["seed"].iloc[0] == -3
    assert frame[["rank_low", "rank_high"]].iloc[0].tolist() == [1, 1]


def test_what_was_not_measured_is_empty_not_zero(tmp_path: Path) -> None:
    write([unscored("s1", "A", Failure("checkpoint", "truncated", "cut"))], tmp_path)
    row = pd.read_csv(tmp_path / "scores.csv").iloc[0]
    assert row[["value", "points", "rank_low", "rank_high", "low", "high", "n", "passed"]].isna().all()
    assert row["status"] == "failed"
    assert row["failure_kind"] == "truncated"


def test_cells() -> None:
    assert cell(-5) == "-5"
    assert cell("-5") == "'-5"
    assert cell(True) == "true"
    assert cell(None) == ""
    assert cell(float("nan")) == ""
    assert cell(pd.NA) == ""
    assert cell("a,b\nc") == "a,b c"


@pytest.mark.corpus("Reports", "megabyte names, lone surrogates")
def test_lone_surrogates_and_separators_survive_a_round_trip(tmp_path: Path) -> None:
    write([scored("s1", 'a,"b"\ud800;c', 0.99)], tmp_path)
    assert pd.read_csv(tmp_path / "scores.csv")["name"].iloc[0] == 'a,"b"\ufffd;c'


def test_a_time_has_its_ratio_with_interval_and_a_void_one_its_reason(tmp_path: Path) -> None:
    ratio = Metric(1.5, "ratio", "lower", 48, 1.4, 1.6)
    metrics = {"times_reference": ratio, "milliseconds": Metric(20.0, "milliseconds", "lower", 48)}
    measured = Timing("measured", "", metrics=metrics, reference="Reference")
    void = Timing("void", "=1+1", "submission")
    timed = [replace(scored("s1", "A", 0.99), timing=measured), replace(scored("s2", "B", 0.98), timing=void)]
    write([*timed, scored("s3", "C", 0.97)], tmp_path)
    frame = pd.read_csv(tmp_path / "scores.csv").set_index("submission")
    row = frame.loc["s1"]
    assert row[["times_reference", "times_reference_low", "times_reference_high"]].tolist() == [1.5, 1.4, 1.6]
    assert (row["timing_status"], row["milliseconds"]) == ("measured", 20.0)
    assert frame.loc["s2"][["timing_status", "timing_reason"]].tolist() == ["void", "'=1+1"]
    assert frame.loc["s2"][["times_reference", "milliseconds", "milliseconds_single", "peak_memory_mb"]].isna().all()
    assert frame.loc["s3"][["timing_status", "timing_reason", "times_reference"]].isna().all()
