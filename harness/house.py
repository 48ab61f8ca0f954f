"""The reference models as submissions: graded like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harness.types import HOUSE, Entry, Kind, Submission
from reference import Architecture, architecture, shipped
from reference.seeding import generator_for
from reference.shipped import WEIGHTS, facts

__all__ = ["facts", "sampler", "submissions"]


def submissions(folder: Path = WEIGHTS) -> list[Submission]:
    """One submission for each weight file that is shipped, and for each other set of options that its header names.

    `folder` may be another one that `gradebench reference train` wrote to.
    """
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        said = facts(path.stem, folder)
        model = said["model"]
        for name, options in {path.stem: said["options"], **said.get("variants", {})}.items():
            title = said.get("title", architecture(model).title)
            if name != path.stem:
                title += f", {', '.join(f'{key} = {value}' for key, value in options.items())}"
            # The names of weights that were saved on the way say when.
            epochs = said["epochs"] if name == f"{model}-{said['epochs']}" else None
            entries = [
                Entry(task, Kind.WEIGHTS, part, model, path.name, options=dict(options), epochs=epochs)
                for task, part in _parts(name, architecture(model)).items()
            ]
            found.append(Submission(f"{HOUSE}{name}", f"Reference {title}", folder, tuple(entries)))
    return found


def _parts(name: str, model: Architecture) -> dict[str, str]:
    """What an entry of shipped weights is called, by the tasks that they answer, their own first."""
    return {model.task: name} | {task: f"{name}-{task}" for task in model.also}


def sampler(model: str) -> Callable[[int, int], NDArray[np.float32]]:
    """A function of (n, seed) that draws n images (n, 1, 28, 28), labels cycling, from a shipped model."""
    sample = shipped.sampler(model)

    def draw(n: int, seed: int) -> NDArray[np.float32]:
        noise = torch.randn(n, 100, generator=generator_for("house", model, seed))
        images: NDArray[np.float32] = sample(noise, torch.eye(10)[torch.arange(n) % 10]).numpy()
        return images

    return draw
