"""Shares of the cores of a machine that works on several entries at a time."""

from __future__ import annotations


def cores() -> int:
    """Return the number of cores that this process may use."""
    import joblib

    return int(joblib.cpu_count())


def shares(jobs: int, of_cores: int) -> tuple[int, int]:
    """Return the number of processes, and of threads in each.

    >>> shares(4, 10), shares(4, 2)
    ((4, 2), (2, 1))
    """
    processes = max(1, min(jobs, of_cores))
    return processes, max(1, of_cores // processes)
