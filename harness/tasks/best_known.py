"""Evidence of a score that is too good, where the digits are MNIST's, for which good models are known."""

from __future__ import annotations

from harness.evidence.too_good import too_good
from harness.tasks.base import Context
from harness.types import Evidence, Metric


def beyond_known(context: Context, metric: Metric, bound: float | None) -> tuple[Evidence, ...]:
    """Evidence from a metric and the bound that its task states; none for other digits, or where none is stated."""
    if bound is None or metric.value is None or context.data.name != "mnist":
        return ()
    return (too_good(metric.value, bound, metric.better, metric.title),)
