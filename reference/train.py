"""The training loop of all models: shuffled minibatches, epochs, checkpoints, resume.

Each model's file defines its step (`Training.step`). All randomness of an epoch follows from the seed and the number
of the epoch, so that a training that was interrupted and resumed gives the same weights as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from reference.seeding import generator_for

Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(Exception):
    """A checkpoint is damaged or belongs to another training. The message names the file and the difference."""


class Training(Protocol):
    """One model being trained."""

    name: str
    """Model and recipe; seeds the random draws and identifies the checkpoint."""
    seed: int
    epochs: int
    batch: int

    def step(self, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator) -> Mapping[str, float]:
        """Update once on images (B, 1, 28, 28) in [0, 1] and labels (B,); return losses by name.

        `progress` is the share of the training that is done.
        """

    def state(self) -> dict[str, Any]:
        """Return all that is needed to resume, such as weights and optimiser states: tensors, numbers, lists, dicts."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""


class Resumable(ABC):
    """Base of trainings with a state made of their parts: networks, averages, optimisers, schedules."""

    def state(self) -> dict[str, Any]:
        """Return the state dicts of all parts."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state()` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    @abstractmethod
    def _parts(self) -> dict[str, Any]:
        """Return the objects with a state dict, by name in `state()`."""


class Averaged(Resumable, Generic[Model]):
    """Base of trainings of one model by one optimiser, with a moving average of the weights."""

    model: Model
    averaged: Model
    optimizer: torch.optim.Optimizer

    def result(self) -> nn.Module:
        """Return the model with averaged weights."""
        return self.averaged.eval()

    def _parts(self) -> dict[str, Any]:
        return {"model": self.model, "averaged": self.averaged, "optimizer": self.optimizer}


@dataclass(frozen=True)
class Epoch:
    """Progress and losses after an epoch."""

    number: int
    of: int
    losses: Mapping[str, float]
    """Means over the epoch's steps."""


def fit(
    training: Training,
    images: Tensor,
    labels: Tensor,
    checkpoint: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train to the end, from the start or from the checkpoint of an interrupted training.

    Parameters
    ----------
    images : float32 in [0, 1], (N, 1, 28, 28); labels : int64, (N,)
    checkpoint : file for the state after each epoch; a checkpoint of the same training there is resumed, one of
        another training is left unchanged
    on_step : called with (steps done, steps in total)
    on_epoch : called after each epoch

    A training with `examples` sees only that many images, from the first; one with `steps_per_epoch` draws its own
    data, needs no images, and takes that many steps an epoch.

    Returns
    -------
    The epochs of this call. Incomplete final batches are dropped.

    Raises
    ------
    CheckpointError
        if the checkpoint is damaged, or belongs to another recipe, seed or other data
    """
    images = images[: getattr(training, "examples", None)]
    steps = getattr(training, "steps_per_epoch", None) or len(images) // training.batch
    if steps == 0:
        raise ValueError(f"{training.name}: {len(images)} images are fewer than one batch of {training.batch}")
    identity = _identity(training, images, labels) if checkpoint is not None else {}
    done = _resume(training, checkpoint, identity)
    history = []
    for epoch in range(done, training.epochs):
        generator = generator_for("epoch", training.name, training.seed, epoch)
        order = torch.randperm(len(images), generator=generator)
        totals: dict[str, float] = {}
        for step in range(steps):
            rows = order[step * training.batch : (step + 1) * training.batch]
            progress = (epoch * steps + step) / (training.epochs * steps)
            for name, loss in training.step(images[rows], labels[rows], progress, generator).items():
                totals[name] = totals.get(name, 0.0) + loss / steps
            if on_step is not None:
                on_step(epoch * steps + step + 1, training.epochs * steps)
        history.append(Epoch(epoch + 1, training.epochs, totals))
        if checkpoint is not None:
            _save(training, checkpoint, identity, epoch + 1)
        if on_epoch is not None:
            on_epoch(history[-1])
    return history


def one_cycle(progress: float, warm_up: float = 0.2) -> float:
    """Compute the factor of the peak learning rate: it rises along a cosine for `warm_up`, then falls to almost 0.

    Smith and Topin 2019, arXiv:1708.07120.
    """
    share = progress / warm_up if progress < warm_up else 1 - (progress - warm_up) / (1 - warm_up)
    return 0.5 * (1 - float(torch.cos(torch.tensor(share * torch.pi)))) + 1e-4


def cosine(progress: float, warm_up: float = 0.02) -> float:
    """Compute the factor of the peak learning rate: it rises linearly for `warm_up`, then falls along a cosine to 0.

    Loshchilov and Hutter 2017, arXiv:1608.03983.
    """
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters of an optimiser."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def average(kept: nn.Module, new: nn.Module, decay: float) -> None:
    """Move the averaged weights `kept` towards `new`: kept ← decay · kept + (1 − decay) · new; counters are copied."""
    for old, current in zip(kept.state_dict().values(), new.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(current, 1 - decay)
        else:
            old.copy_(current)


def _identity(training: Training, images: Tensor, labels: Tensor) -> dict[str, object]:
    """Return the properties that a training must share with a checkpoint to resume it."""
    recipe = getattr(training, "recipe", None)
    data = hashlib.sha256(images.contiguous().numpy().data)
    data.update(labels.contiguous().numpy().data)
    return {
        "training": training.name,
        "seed": training.seed,
        "epochs": training.epochs,
        "batch": training.batch,
        "recipe": repr(sorted(asdict(recipe).items())) if is_dataclass(recipe) and not isinstance(recipe, type) else "",
        "data": data.hexdigest(),
    }


def _save(training: Training, path: Path, identity: Mapping[str, object], epochs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    torch.save({"identity": dict(identity), "epochs": epochs, "state": training.state()}, temporary)
    temporary.replace(path)


def _resume(training: Training, path: Path | None, identity: Mapping[str, object]) -> int:
    if path is None or not path.exists():
        return 0
    try:
        saved = torch.load(path, weights_only=True)
        found, state, epochs = saved["identity"], saved["state"], int(saved["epochs"])
        differing = [key for key, value in identity.items() if found[key] != value]
    except Exception as error:
        # torch raises half a dozen types of error here, one from a module that nothing in this project imports.
        message = f"{path}: damaged, or not a checkpoint of this version. Remove it to start again."
        raise CheckpointError(message) from error
    if differing:
        key = differing[0]
        values = "" if key in ("recipe", "data") else f" {found[key]!r}, not {identity[key]!r}"
        raise CheckpointError(
            f"{path}: belongs to another training: its {key} {'is' if values else 'differs'}{values}. Remove it, or "
            "train into another folder."
        )
    training.load_state(state)
    return epochs
