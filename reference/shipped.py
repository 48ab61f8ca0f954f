"""Weights of the reference models that come with gradebench: float16 on disk, float32 in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reference import architecture
from reference.weights_files import WEIGHTS, facts


def options(model: str) -> dict[str, str]:
    """Return the architecture's options that belong to the weights."""
    return dict(facts(model)["options"])


def state(model: str) -> dict[str, Tensor]:
    """Load the state dict, with floating-point tensors as float32."""
    stored = load_file(WEIGHTS / f"{model}.safetensors")
    return {name: value.float() if value.is_floating_point() else value for name, value in stored.items()}


def module(name: str, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Load the trained model, or other weights of its kind, in evaluation mode; its sizes are read off the weights."""
    model = architecture(facts(name)["model"])
    arrays = {key: value.numpy() for key, value in (state(name) if weights is None else weights).items()}
    sizes: dict[str, int] = {}
    if model.adapt is not None:
        arrays, sizes, _ = model.adapt(arrays)
    built = model.build(options(name), **sizes)
    built.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})
    return built.eval()


def sampler(name: str, weights: Mapping[str, Tensor] | None = None) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the model's `sample(noise (N, 100), labels_one_hot (N, 10)) -> images (N, 1, 28, 28)`, gradients off."""
    sample: Callable[[Tensor, Tensor], Tensor] = getattr(module(name, weights), "sample")  # noqa: B009  # untyped there
    return torch.inference_mode()(sample)
