"""The file format of a judge: one safetensors file with all members in float16, and their facts in its header.

Tensors are named `<member>/<tensor>`. The header holds the networks, recipes, temperatures and thresholds, so that a
private judge is a single file. Files may come from others: size, numbers and facts are checked before anything is
computed with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load as tensors_of
from safetensors.torch import save_file
from torch import nn

from classifiers.facts import LARGEST, SHIPPED, Facts, MemberFacts, WeightsError, content_of, facts_of
from classifiers.folding import fold as fold_batch_norm
from classifiers.network import NETWORKS, SIDE, Member, channels_last

__all__ = ["LARGEST", "SHIPPED", "Facts", "MemberFacts", "WeightsError", "load", "loaded", "parameters", "save"]


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
    return loaded(content_of(path), path, fold)


def loaded(content: bytes, path: Path, fold: bool = True) -> tuple[list[Member], Facts, str]:
    """Make a judge of its file's content; as `load`, with `path` for messages."""
    facts = facts_of(content, path)
    state = tensors_of(content)
    networks = []
    for member in facts.members:
        mark = member.name + "/"
        own = {name.removeprefix(mark): state.pop(name) for name in list(state) if name.startswith(mark)}
        networks.append(_network(member, own, path, fold))
    if state:
        raise WeightsError(f"{path}: {next(iter(state))!r} belongs to no member named in the header.")
    return networks, facts, hashlib.sha256(content).hexdigest()


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
