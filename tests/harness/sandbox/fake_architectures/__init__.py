"""Stands in for `reference`: architectures of which one behaves and one attacks."""

from __future__ import annotations

import torch
from torch import nn

from fake_architectures.hostile import Hostile
from reference import Architecture


class Scaler(nn.Module):
    """An image whose pixel p is weight · noise[p mod 3] + the label's index: every part of the answer is checkable."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def sample(self, noise: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        values = noise * self.weight + labels.argmax(1, keepdim=True)  # (N, 3)
        return values.repeat(1, 262)[:, :784].reshape(-1, 1, 28, 28)


class HostileWeights(nn.Module):
    """The attacks of `hostile`, from inside a worker that a zygote forked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.hostile = Hostile()

    def __getattr__(self, name: str) -> object:
        attacks = self.__dict__.get("hostile")
        return getattr(attacks, name) if hasattr(attacks, name) else super().__getattr__(name)


TASK = "conditional-generation"
SCALER = Architecture("Scaler", "Scales the noise", TASK, "model", Scaler, {"kind": ("plain", "fancy")})
# Both forms of an entry: a place to import from, and the architecture itself.
MODELS = {
    "scaler": ("fake_architectures:SCALER", "Scales the noise"),
    "hostile": Architecture("Hostile", "Attacks the sandbox", TASK, "model", HostileWeights),
}
