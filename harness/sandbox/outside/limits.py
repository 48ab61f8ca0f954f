"""The resources that one worker may use before it is stopped."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Resource limits of one worker process. Memory and disk in bytes, time in seconds."""

    memory: int = 4 * GIB
    """Address space (RLIMIT_AS). PyTorch alone takes about 0.7 GiB of it, so at least 1 GiB is needed."""
    cpu_seconds: int = 1800
    """Processor time over the worker's whole life (RLIMIT_CPU)."""
    wall_seconds: float = 300.0
    """Wall-clock time for one request without a deadline of its own."""
    tmp_bytes: int = 256 * MIB
    """Size of the worker's private /tmp, and of any file in it. Only code entries have a /tmp."""
    tmp_files: int = 20_000
    """Files and folders in /tmp at one time; the parent stops a worker that has more. Each takes memory of the kernel,
    which no other limit counts."""
    threads: int = 512
    """Threads at one time; the parent stops a worker that has more."""


CODE_LIMITS = Limits(memory=6 * GIB, cpu_seconds=4 * 3600)
"""Limits for a student's own code, which brings libraries and activations of its own.

A flow of 40 million parameters takes 0.15 to 0.25 s of one core for a step of gradient ascent on 100 images, so up
to 250 s for the coursework's 1,000 steps, which half-inpainting asks for twice. The questions' deadlines end whatever
hangs.
"""
