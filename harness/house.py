"""The reference models as submissions: graded like any other, and tabled in MODELS.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

import reference
from harness.types import HOUSE, Entry, Kind, Record, Submission
from reference import MODELS
from reference.seeding import generator_for

WEIGHTS = Path(reference.__file__).parent / "weights"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def facts(model: str) -> dict[str, object]:
    """What the header of a shipped weight file says: model, seed, epochs, data, options."""
    with safe_open(WEIGHTS / f"{model}.safetensors", "np") as file:
        said: dict[str, object] = json.loads(file.metadata()["gradebench"])
    return said


def submissions() -> list[Submission]:
    """One submission for each reference model whose weights are shipped."""
    shipped = [name for name in MODELS if (WEIGHTS / f"{name}.safetensors").is_file()]
    found = []
    for name in shipped:
        options = facts(name)["options"]
        assert isinstance(options, dict)
        entry = Entry(MODELS[name].task, Kind.WEIGHTS, name, name, f"{name}.safetensors", options=options)
        found.append(Submission(f"{HOUSE}{name}", f"Reference {MODELS[name].title}", WEIGHTS, (entry,)))
    return found


def sampler(model: str) -> Callable[[int, int], NDArray[np.float32]]:
    """A function of (n, seed) that draws n images (n, 1, 28, 28), labels cycling, from a shipped model."""
    said = facts(model)["options"]
    assert isinstance(said, dict)
    module = MODELS[model].build(said)
    state = load_file(WEIGHTS / f"{model}.safetensors")
    module.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    sample: Callable[..., torch.Tensor] = getattr(module.eval(), "sample")  # noqa: B009  # untyped there

    def draw(n: int, seed: int) -> NDArray[np.float32]:
        noise = torch.randn(n, 100, generator=generator_for("house", model, seed))
        with torch.inference_mode():
            images: NDArray[np.float32] = sample(noise, torch.eye(10)[torch.arange(n) % 10]).numpy()
        return images

    return draw


def write_table(path: Path, records: Sequence[Record], data: str) -> None:
    """Replace the table between the two marks in `path` by one of these records."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
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
    path.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + after, encoding="utf-8")
