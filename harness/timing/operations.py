"""Counts what a known architecture has to compute, and measures what the machine can: a floor under any honest time.

Only on architectures that the coursework fixes, built here anew and untrained: nothing of a submission is run or read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.sequences import derived
from harness.types import Question
from reference.products import linear

_SIDE = 768
"""Side of the matrices by which the machine's peak is measured: three of them fit most second-level caches."""
_SECONDS = 0.4


@dataclass(frozen=True)
class Work:
    """The size of an architecture, and its work for one question."""

    parameters: int
    operations: int
    """Floating-point operations of matrix products and convolutions, a multiplication and an addition counting as two;
    everything else is left out, so this is a lower bound. 0 where the counter knows none of its layers."""


def work_of(model: nn.Module, question: Question) -> Work:
    """Count an architecture's parameters, and its operations for a question (`torch.utils.flop_counter`)."""
    method = derived.method(model.eval(), question.method)
    if method is None:
        raise LookupError(f"the architecture has no method {question.method}")
    arguments = [torch.from_numpy(array.copy()) for array in question.inputs.values()]
    counter = FlopCounterMode(display=False)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        # The first call may prepare what later ones use.
        method(*arguments)
        with counter:
            method(*arguments)
    return Work(sum(parameter.numel() for parameter in model.parameters()), int(counter.get_total_flops()))


@torch.no_grad()
def peak() -> float:
    """Measure the floating-point operations in a second of one thread of this process: the best of many products.

    By MKL and by oneDNN, since models take either, and one of them may take half of a processor's units alone. To be
    called on the core that is timed. The number of threads is restored.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(_SIDE, _SIDE, generator=generator) for _ in range(2))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        best, end = float("inf"), time.perf_counter() + _SECONDS
        while time.perf_counter() < end:
            for product in (torch.mm, linear):
                started = time.perf_counter()
                product(a, b)
                best = min(best, time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return 2.0 * _SIDE**3 / best
