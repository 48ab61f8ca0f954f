"""The file format of a judge: one safetensors file with all members in float16, and their facts in its header.

Tensors are named `<member>/<tensor>`. The header holds the networks, recipes, temperatures and thresholds, so that a
private judge is a single file. Files may come from others: size, numbers and facts are checked before anything is
computed with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save_file
from torch import nn

from classifiers.folding import fold as fold_batch_norm
from classifiers.network import CLASSES, NETWORKS, SIDE, Member, channels_last

LARGEST = 64 * 2**20
"""Largest size of a judge's file, in bytes; the shipped one is a twentieth of it."""
SHIPPED = Path(__file__).parent / "weights" / "judge.safetensors"


class WeightsError(Exception):
    """A judge's file is missing or damaged, or has unknown networks. The message names the file."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MemberFacts(_Said):
    """Facts of one member in the header."""

    name: str = Field(pattern=r"^[\w.-]+$")
    network: str
    """A key of `classifiers.network.NETWORKS`."""
    recipe: dict[str, str | int | float]
    held_out_accuracy: float = Field(ge=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    """Divisor of the logits before the softmax, fitted on held-out images."""


class Facts(_Said):
    """Facts of a judge in the header."""

    data: str
    """Name of the training data."""
    members: tuple[MemberFacts, ...] = Field(min_length=1, max_length=9)
    temperature: float = Field(default=1.0, gt=0)
    """Temperature of the members' mean."""
    sure: float = Field(default=1.0, ge=0, le=1)
    """Confidence from which the first member decides alone."""
    doubt: float = Field(default=1.0, ge=0, le=1)
    """Doubt that less than one in a hundred real digits exceeds."""
    real_spread: tuple[float, ...] = ()
    """Trace of the covariance of the first member's features, by digit, on held-out real digits."""

    @field_validator("members")
    @classmethod
    def _names_differ(cls, members: tuple[MemberFacts, ...]) -> tuple[MemberFacts, ...]:
        if len({member.name for member in members}) < len(members):
            raise ValueError("two members of one name")
        return members

    @field_validator("real_spread")
    @classmethod
    def _of_each_digit(cls, spread: tuple[float, ...]) -> tuple[float, ...]:
        if spread and (len(spread) != CLASSES or min(spread) <= 0):
            raise ValueError(f"must hold {CLASSES} positive numbers, or none")
        return spread


def save(path: Path, networks: Sequence[Member], facts: Facts) -> None:
    """Write a judge with these networks, in the order of `facts.members`."""
    tensors = {}
    for network, member in zip(networks, facts.members, strict=True):
        for name, value in network.state_dict().items():
            tensors[f"{member.name}/{name}"] = (value.half() if value.is_floating_point() else value).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readers find either the old or the new judge, never half of one, even after an interruption.
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata={"gradebench": facts.model_dump_json()})
    partial.replace(path)


def load(path: Path, fold: bool = True) -> tuple[list[Member], Facts, str]:
    """Read a judge: the networks in evaluation mode, their facts, and the SHA-256 of the file.

    Parameters
    ----------
    fold : fold each batch norm into the layer before it, which is faster and equivalent

    Raises
    ------
    WeightsError
        if the file is missing or damaged, or has unknown networks
    """
    content = _content(path)
    try:
        state = tensors_of(content)
        length = int.from_bytes(content[:8], "little")
        said = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get("gradebench")
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: damaged, or not safetensors ({error}).") from error
    if said is None:
        raise WeightsError(f"{path}: not a judge's file: its header has no 'gradebench' entry.")
    try:
        facts = Facts.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "header"
        raise WeightsError(f"{path}: not a judge's file: {where}: {first['msg']}.") from error
    networks = []
    for member in facts.members:
        mark = member.name + "/"
        own = {name.removeprefix(mark): state.pop(name) for name in list(state) if name.startswith(mark)}
        networks.append(_network(member, own, path, fold))
    if state:
        raise WeightsError(f"{path}: {next(iter(state))!r} belongs to no member named in the header.")
    return networks, facts, hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    """Read the file's bytes once, so that the digest belongs to the weights in use."""
    if not path.exists():
        raise WeightsError(f"{path}: no such file; `gradebench judge train` writes one.")
    if not path.is_file():
        raise WeightsError(f"{path}: not a regular file; `gradebench judge train` writes judge.safetensors.")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise WeightsError(f"{path}: can't be read ({error.strerror}).") from error
    if len(content) > LARGEST:
        raise WeightsError(f"{path}: larger than {LARGEST >> 20} MB, the limit for a judge.")
    return content


def _network(member: MemberFacts, own: dict[str, torch.Tensor], path: Path, fold: bool) -> Member:
    if member.network not in NETWORKS:
        raise WeightsError(f"{path}: unknown network {member.network!r}; known are {', '.join(NETWORKS)}.")
    for name, value in own.items():
        if value.is_complex() or not value.isfinite().all():
            raise WeightsError(f"{path}: {member.name}/{name} holds numbers that are not finite, or complex.")
    network = NETWORKS[member.network]()
    try:
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in own.items()})
    except RuntimeError as error:
        raise WeightsError(f"{path}: {member.name}: {str(error).splitlines()[1].strip()}") from error
    network.eval()
    if fold:
        fold_batch_norm(network.body)
    if not _answers(network):
        message = "its answers to blank and black images are not finite (a variance below 0, or weights too large)."
        raise WeightsError(f"{path}: {member.name}: {message}")
    return channels_last(network)


@torch.inference_mode()
def _answers(network: Member) -> bool:
    papers = torch.stack([torch.zeros(1, SIDE, SIDE), torch.ones(1, SIDE, SIDE)])
    return bool(network(papers).isfinite().all())


def parameters(network: nn.Module) -> int:
    """Count the trained weights."""
    return sum(p.numel() for p in network.parameters())
