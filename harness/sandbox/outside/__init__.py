"""The parent's side of the sandbox: starts, asks, limits and kills workers, and probes how well they are confined."""

from harness.sandbox.outside.isolation import Check, Isolation, probe
from harness.sandbox.outside.limits import CODE_LIMITS, Limits
from harness.sandbox.outside.session import Session
from harness.sandbox.outside.weights_workers import WeightsWorkers
from harness.sandbox.outside.worker import Worker

__all__ = ["CODE_LIMITS", "Check", "Isolation", "Limits", "Session", "WeightsWorkers", "Worker", "probe"]
