"""Bounds that hold where the digits are MNIST's, for which good models are known: scores too good, ratios too large."""

from __future__ import annotations

import math

from harness.evidence.too_good import too_good
from harness.tasks.base import Context
from harness.types import Evidence, Metric


def beyond_known(context: Context, metric: Metric, bound: float | None) -> tuple[Evidence, ...]:
    """Evidence from a metric and the bound that its task states; none for other digits, or where none is stated."""
    if bound is None or metric.value is None or context.data.name != "mnist":
        return ()
    return (too_good(metric.value, bound, metric.better, metric.title),)


def most_ratio(context: Context, bound: float) -> float:
    """The largest ratio of errors on altered and unaltered digits that honest models have; infinite for other digits.

    The embedded digits are enlarged from 8 × 8 pixels: their missing rows are almost linear in the others, those of
    altered ones are not, and a ridge regression has a ratio of 3.5.
    """
    return bound if context.data.name == "mnist" else math.inf
