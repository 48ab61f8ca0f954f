"""A judge on disk: one safetensors file with all members in float16, and in its header what is known of them.

Tensors are named `<member>/<tensor>`. The header holds the networks, recipes, temperatures and thresholds, so that a
private judge is a single file that can be handed on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from classifiers.network import NETWORKS, Member, channels_last

SHIPPED = Path(__file__).parent / "weights" / "judge.safetensors"


class WeightsError(Exception):
    """A judge's file is absent, damaged, or not of known networks. The message names the file."""


class MemberFacts(BaseModel):
    """What the header says of one member."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    network: str
    """A key of `classifiers.network.NETWORKS`."""
    recipe: dict[str, str | int | float]
    held_out_accuracy: float
    temperature: float = 1.0
    """What the logits are divided by before the softmax, from held-out images."""


class Facts(BaseModel):
    """What the header says of a judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    """What it was trained on."""
    members: tuple[MemberFacts, ...]
    temperature: float = 1.0
    """Of the members' mean."""
    sure: float = 1.0
    """Confidence from which the first member's verdict stands without the others'."""
    doubt: float = 1.0
    """Doubt that less than one in a hundred real digits exceeds."""
    real_spread: tuple[float, ...] = ()
    """Trace of the covariance of the first member's features of held-out real digits, by digit."""


def save(path: Path, networks: Sequence[Member], facts: Facts) -> None:
    """Write a judge of these networks, in the order of `facts.members`."""
    tensors = {}
    for network, member in zip(networks, facts.members, strict=True):
        for name, value in network.state_dict().items():
            tensors[f"{member.name}/{name}"] = (value.half() if value.is_floating_point() else value).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"gradebench": facts.model_dump_json()})


def load(path: Path, fold: bool = True) -> tuple[list[Member], Facts, str]:
    """The networks in evaluation mode, what is known of them, and the SHA-256 of the file.

    Parameters
    ----------
    fold : fold each batch norm into the layer before it, which gives the same answers faster

    Raises
    ------
    WeightsError
        for a file that is absent, damaged or of unknown networks
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `gradebench judge train` makes one.")
    try:
        with safe_open(path, "pt") as file:
            facts = Facts.model_validate_json((file.metadata() or {})["gradebench"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: damaged, or not safetensors ({error}).") from error
    except (KeyError, ValidationError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path}: not a judge's file ({str(error).splitlines()[0]}).") from error
    networks = []
    for member in facts.members:
        if member.network not in NETWORKS:
            raise WeightsError(f"{path}: unknown network {member.network!r}; known are {', '.join(NETWORKS)}.")
        network = NETWORKS[member.network]()
        own = {name.partition("/")[2]: value for name, value in state.items() if name.startswith(member.name + "/")}
        try:
            network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in own.items()})
        except RuntimeError as error:
            raise WeightsError(f"{path}: {member.name}: {str(error).splitlines()[1].strip()}") from error
        network.eval()
        if fold:
            _fold(network.body)
        networks.append(channels_last(network))
    return networks, facts, hashlib.sha256(path.read_bytes()).hexdigest()


def _fold(module: nn.Module) -> None:
    """Fold each batch norm into the convolution or linear layer before it."""
    previous = ""
    for name, child in list(module.named_children()):
        before = getattr(module, previous) if previous else None
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            setattr(module, previous, fuse_conv_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            setattr(module, previous, fuse_linear_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.ReLU):
            setattr(module, name, nn.ReLU(inplace=True))
        else:
            _fold(child)
        previous = name


def parameters(network: nn.Module) -> int:
    """Number of trained weights."""
    return sum(p.numel() for p in network.parameters())
