"""Numbers as they are printed, on pages and in a terminal."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.numbers import (
    interval_text,
    mark_text,
    number_text,
    plain_interval,
    plain_number,
    points_text,
    tick_text,
    unit_text,
)
from harness.types import Metric

ACCURACY = Metric(0.99, "share", "higher", 10_000, 0.985, 0.995)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_no_value_is_not_measured(value: float | None) -> None:
    metric = replace(ACCURACY, value=value)
    assert number_text(value, "share") == plain_number(value, "share") == "not measured"
    assert interval_text(metric) == ""


def test_numbers_as_text() -> None:
    assert number_text(-1.5) == "\u22121.5"
    assert number_text(0.07, "MSE") == "0.07000"
    assert number_text(1234.5, "MSE") == "1234"
    assert points_text(17.5) == "17.5"
    assert points_text(0.0) == "0"
    assert points_text(None) == "—"
    assert points_text(100.0) == "100"
    assert tick_text(0.125, "share") == "12.5\u202f%"
    assert mark_text(0.13461, "MSE") == "0.13461"


def test_units() -> None:
    assert unit_text("nats/step") == unit_text("bits/dim") == unit_text("share") == ""
    assert unit_text("MSE") == "MSE"


def test_intervals() -> None:
    assert interval_text(ACCURACY) == "98.50 – 99.50\u202f%"
    assert interval_text(replace(ACCURACY, low=None)) == "99.00 – 99.50\u202f%"
    assert plain_interval(ACCURACY) == "98.50% – 99.50%"
    assert plain_interval(ACCURACY, "-") == "98.50%-99.50%"
    assert plain_interval(replace(ACCURACY, low=None)) == ""


def test_plain_numbers_hold_ascii_alone() -> None:
    seen = [plain_number(value, unit) for value in (-1.5, 0.0, 1234.5, 0.00012) for unit in ("share", "nats", "ms")]
    assert all(text.isascii() for text in seen)
    assert plain_number(-1.5, "nats") == "-1.500"
    assert plain_number(1234.5, "nats") == "1234"
    assert plain_number(0.98, "share", short=True) == "98.00%"
