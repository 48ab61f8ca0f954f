"""Reference implementations of the courseworks' models, one file each, readable beside its paper.

`MODELS` names the architectures whose form a coursework fixes, so that a submission can bring weights alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from reference import cgan, cvae
from reference.cgan import Generator
from reference.cvae import CVAE


@dataclass(frozen=True)
class Architecture:
    """A model whose layers a coursework fixes."""

    title: str
    task: str
    """The task that its weights are graded on."""
    checkpoint_key: str
    """Where the coursework's checkpoints keep its state dict."""
    build: Callable[[Mapping[str, str]], nn.Module]
    """The untrained module for the options of a manifest; absent options take their default."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the state dict does not tell: allowed values by option, the default first."""


def _build(kind: Callable[..., nn.Module], allowed: Mapping[str, tuple[str, ...]]) -> Callable[..., nn.Module]:
    def build(options: Mapping[str, str]) -> nn.Module:
        chosen = {name: options.get(name, values[0]) for name, values in allowed.items()}
        for name, value in chosen.items():
            if value not in allowed[name]:
                raise ValueError(f"option {name} = {value!r}; allowed are {', '.join(allowed[name])}")
        if unknown := sorted(set(options) - set(allowed)):
            raise ValueError(f"unknown option {unknown[0]!r}; known are {', '.join(allowed)}")
        return kind(**chosen)

    return build


_CVAE = {"concat_activation": ("none", "relu"), "z_log": ("std", "variance")}
_CGAN = {"concat_activation": ("relu", "none"), "value_range": ("-1,1", "0,1")}

MODELS: dict[str, Architecture] = {
    "cvae": Architecture(
        "Conditional variational autoencoder", "conditional-generation", "model", _build(CVAE, _CVAE), _CVAE
    ),
    "cgan": Architecture(
        "Conditional generative adversarial network", "conditional-generation", "g", _build(Generator, _CGAN), _CGAN
    ),
}

TRAININGS: dict[str, Callable[[int], Any]] = {"cvae": cvae.Training, "cgan": cgan.Training}
"""Recipes by model: each takes a seed and gives a `reference.train.Training` with `result()` and `options`."""
