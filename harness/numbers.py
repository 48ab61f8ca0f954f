r"""Prints metrics: numbers, units, intervals and points, the same on pages, in tables and in a terminal.

Shares are percent with two decimals, numbers from 10,000 to ten million are whole, and everything else has four
significant digits. The functions for pages use a thin space before a unit and a true minus sign; `plain_number` and
`plain_interval`, for terminals, sentences and Markdown, use neither.
"""

from __future__ import annotations

import math

from harness.text import one_line
from harness.types import Metric

_UNITS = {"ms": "ms", "milliseconds": "ms", "nats": "nats", "bits": "bits", "bits/dim": "bits/dim"}
_UNITS |= {f"nats/{of}": f"nats/{of}" for of in ("pixel", "case", "step", "symbol", "image")}
"""Units that stand beside every number; a longer one stands once, beside the metric's name."""
_ERRORS = ("MSE", "mse", "squared")
"""First words of units of squared errors. These and nats keep their zeros, so that the numbers of a column align."""
_THIN = "\u202f"
_MINUS = "\u2212"


def finite(value: object) -> float | None:
    """`value` as a float, or None where it is missing, no number, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def interval(metric: Metric) -> tuple[float, float]:
    """The metric's 95 % interval; the value itself where an end is missing. Its value must be finite."""
    value = finite(metric.value)
    if value is None:
        raise ValueError("a metric without a value has no interval")
    low, high = finite(metric.low), finite(metric.high)
    return (min(value, value if low is None else low), max(value, value if high is None else high))


def number_text(value: float | None, unit: str = "") -> str:
    r"""A number for a page, with its unit where that is short; "not measured" for none.

    >>> number_text(0.9931, "share"), number_text(0.13, "squared gray value"), number_text(None)
    ('99.31\u202f%', '0.1300', 'not measured')
    >>> number_text(0.0905, "nats/pixel"), number_text(41.7, "ms")
    ('0.09050\u202fnats/pixel', '41.7\u202fms')
    """
    number = finite(value)
    if number is None:
        return "not measured"
    if unit == "share":
        return f"{100 * number:.2f}{_THIN}%"
    aligned = unit.startswith(_ERRORS) or unit.startswith(("nats", "bits"))
    text = _digits(number, "#" if aligned else "").replace("-", _MINUS)
    return f"{text}{_THIN}{_UNITS[unit]}" if unit in _UNITS else text


def unit_text(unit: str) -> str:
    """The unit where `number_text` leaves it out, and a person needs it: once, beside the metric's name.

    >>> unit_text("squared gray value"), unit_text("nats"), unit_text("share")
    ('squared gray value', '', '')
    """
    return "" if unit in _UNITS or unit == "share" else one_line(unit, 60)


def interval_text(metric: Metric) -> str:
    """The 95 % interval for a page, without repeating the unit; empty where there is none."""
    if finite(metric.value) is None or (finite(metric.low) is None and finite(metric.high) is None):
        return ""
    low, high = interval(metric)
    # The unit once, at the end.
    first = number_text(low, metric.unit).split(_THIN)[0]
    return f"{first} – {number_text(high, metric.unit)}"


def points_text(points: float | None) -> str:
    """Points without needless decimals: 20, 17.5, 6.67.

    >>> points_text(20.0), points_text(6.6666)
    ('20', '6.67')
    """
    number = finite(points)
    return "—" if number is None else f"{number:.2f}".rstrip("0").rstrip(".")


def tick_text(value: float, unit: str) -> str:
    """A short label for an axis: shares as percent with no more decimals than they need."""
    if unit == "share":
        return f"{100 * value:.2f}".rstrip("0").rstrip(".") + f"{_THIN}%"
    return f"{value:.3g}".replace("-", _MINUS)


def mark_text(value: float, unit: str) -> str:
    """A pass mark: as short as a tick, but with all its digits.

    >>> mark_text(0.98, "share"), mark_text(0.1346, "MSE")
    ('98\u202f%', '0.1346')
    """
    return tick_text(value, unit) if unit == "share" else f"{value:.6g}".replace("-", _MINUS)


def plain_number(value: float | None, unit: str = "", *, short: bool = False) -> str:
    """A number in ASCII and without its unit, but for percent: for a terminal, a sentence or a Markdown table.

    Zeros at the end stay, so that the numbers of a column align; `short` drops them, for sentences.

    >>> plain_number(0.9931, "share"), plain_number(0.13, "nats"), plain_number(0.13, "nats", short=True)
    ('99.31%', '0.1300', '0.13')
    """
    number = finite(value)
    if number is None:
        return "not measured"
    if unit == "share":
        return f"{number:.2%}"
    return _digits(number, "" if short else "#")


def _digits(number: float, zeros: str) -> str:
    """Four significant digits, or all of a whole part of up to seven; `zeros` is "#" where zeros at the end stay.

    >>> _digits(8974.2, ""), _digits(10_000, "#"), _digits(12_345_678, "")
    ('8974', '10000', '1.235e+07')
    """
    return f"{number:.0f}" if 1e4 <= round(abs(number)) < 1e7 else f"{number:{zeros}.4g}".rstrip(".")


def plain_interval(metric: Metric, between: str = " – ") -> str:
    """The 95 % interval in the digits of `plain_number`; empty where it lacks an end.

    >>> plain_interval(Metric(0.5, "share", "higher", 100, 0.4, 0.6))
    '40.00% – 60.00%'
    """
    low, high = finite(metric.low), finite(metric.high)
    if low is None or high is None:
        return ""
    return f"{plain_number(low, metric.unit)}{between}{plain_number(high, metric.unit)}"
