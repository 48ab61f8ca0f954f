"""Offers the shipped reference models as submissions, which are asked and marked like any other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.types import Entry, Kind, Role, Submission
from reference.listing import Description, description
from reference.weights_files import WEIGHTS, facts


def submissions(folder: Path = WEIGHTS) -> list[Submission]:
    """Return one submission for each weight file, and one for each other set of options that its header names.

    `folder` may be another one that `gradebench reference train` wrote to.
    """
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        said = facts(path.stem, folder)
        model = said["model"]
        described = description(model)
        for name, options in {path.stem: said["options"], **said.get("variants", {})}.items():
            title = said.get("title", described.title)
            if name != path.stem:
                title += f", {', '.join(f'{key} = {value}' for key, value in options.items())}"
            # The names of weights that were saved on the way say when.
            epochs = said["epochs"] if name == f"{model}-{said['epochs']}" else None
            entries = [
                Entry(task, Kind.WEIGHTS, part, model, path.name, options=dict(options), epochs=epochs)
                for task, part in _parts(name, described).items()
            ]
            found.append(Submission(name, f"Reference {title}", folder, tuple(entries), role=Role.REFERENCE))
    return found


def samplers() -> Mapping[str, Callable[[int, int], NDArray[np.float32]]]:
    """Return, for each shipped model that samples by label, a function of (n, seed) that draws n images.

    Images are (n, 1, 28, 28), their labels cycle 0 … 9.
    """
    from reference import shipped

    names = [path.stem for path in sorted(WEIGHTS.glob("*.safetensors"))]
    return {name: _sampler(name) for name in names if _takes_labels(shipped.module(name))}


def _parts(name: str, model: Description) -> dict[str, str]:
    """The names of the entries of shipped weights, by the tasks that they answer, their own first."""
    others = (*model.also, *model.extended)
    return {model.task: name} | {task: f"{name}-{task}" for task in others}


def _takes_labels(model: object) -> bool:
    sample = getattr(model, "sample", None)
    return sample is not None and len(inspect.signature(sample).parameters) == 2


def _sampler(model: str) -> Callable[[int, int], NDArray[np.float32]]:
    import torch

    from reference import shipped
    from reference.seeding import generator_for

    sample = shipped.sampler(model)

    def draw(n: int, seed: int) -> NDArray[np.float32]:
        noise = torch.randn(n, 100, generator=generator_for("house", model, seed))
        images: NDArray[np.float32] = sample(noise, torch.eye(10)[torch.arange(n) % 10]).numpy()
        return images

    return draw
