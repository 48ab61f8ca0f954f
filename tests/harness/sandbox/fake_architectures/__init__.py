"""A registry of architectures that replaces `reference` in tests: one behaves and one attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from fake_architectures.hostile import Hostile


class Scaler(nn.Module):
    """Draws images whose pixel p is weight · noise[p mod 3] + the label's index, so that every value can be checked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))

    def sample(self, noise: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        values = noise * self.weight + labels.argmax(1, keepdim=True)  # (N, 3)
        return values.repeat(1, 262)[:, :784].reshape(-1, 1, 28, 28)


class HostileWeights(nn.Module):
    """The attacks of `hostile`, run in a worker of the fork server."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.hostile = Hostile()

    def __getattr__(self, name: str) -> object:
        attacks = self.__dict__.get("hostile")
        return getattr(attacks, name) if hasattr(attacks, name) else super().__getattr__(name)


@dataclass(frozen=True)
class Architecture:
    build: Callable[[Mapping[str, str]], nn.Module]
    checkpoint_key: str | None = "model"
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    adapt: None = None


MODELS = {
    "scaler": Architecture(lambda options: Scaler(), options={"kind": ("plain", "fancy")}),
    "hostile": Architecture(lambda options: HostileWeights()),
}
