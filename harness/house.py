"""The reference models as submissions: graded like any other, and tabled in MODELS.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.card import BEGIN, END, replace_figures
from harness.types import HOUSE, Entry, Kind, Record, Submission
from reference import MODELS, shipped
from reference.seeding import generator_for
from reference.shipped import WEIGHTS, facts

__all__ = ["BEGIN", "END", "facts", "sampler", "submissions", "write_table"]


def submissions() -> list[Submission]:
    """One submission for each reference model whose weights are shipped."""
    found = []
    for name in MODELS:
        if not (WEIGHTS / f"{name}.safetensors").is_file():
            continue
        options = shipped.options(name)
        entry = Entry(MODELS[name].task, Kind.WEIGHTS, name, name, f"{name}.safetensors", options=options)
        found.append(Submission(f"{HOUSE}{name}", f"Reference {MODELS[name].title}", WEIGHTS, (entry,)))
    return found


def sampler(model: str) -> Callable[[int, int], NDArray[np.float32]]:
    """A function of (n, seed) that draws n images (n, 1, 28, 28), labels cycling, from a shipped model."""
    sample = shipped.sampler(model)

    def draw(n: int, seed: int) -> NDArray[np.float32]:
        noise = torch.randn(n, 100, generator=generator_for("house", model, seed))
        images: NDArray[np.float32] = sample(noise, torch.eye(10)[torch.arange(n) % 10]).numpy()
        return images

    return draw


def write_table(path: Path, records: Sequence[Record], data: str) -> None:
    """Replace the table between the two marks in `path` by one of these records."""
    rows = [
        f"| model | {data}: accuracy | 95 % interval | diversity | mode collapse | weights' SHA-256 |",
        "|---|---|---|---|---|---|",
    ]
    for record in records:
        metric = record.metrics.get("accuracy")
        if metric is None or metric.value is None or metric.low is None or metric.high is None:
            rows.append(f"| {record.part} | not scored | | | | |")
            continue
        spread = record.metrics["diversity"].value or 0.0
        collapse = next(e for e in record.evidence if e.name == "mode-collapse")
        rows.append(
            f"| {record.part} | {metric.value:.2%} | {metric.low:.2%} – {metric.high:.2%} | {spread:.4f} "
            f"(gate {'held' if record.gates['diversity'] else 'not held'}) | {'flagged' if collapse.flag else 'no'}, "
            f"{collapse.value:.2f} | `{record.digests['checkpoint'][:16]}…` |"
        )
    replace_figures(path, "\n".join(rows) + "\n")
