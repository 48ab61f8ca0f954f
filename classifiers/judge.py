"""The judge: which digit an image shows, and how sure that is.

Weights are shipped as safetensors beside this file, each with its recipe in the header; the digest of the files is
stamped on every verdict. Answers do not depend on how many images are asked about at once: images are always passed
through the networks in batches of one fixed size, the last one filled up with blanks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from classifiers.network import NETWORKS, Member, channels_last

WEIGHTS = Path(__file__).parent / "weights"
COMMITTEE = ("folded",)
"""Names of the shipped members; the first is the one that features come from."""
BATCH = 250


@dataclass(frozen=True)
class Loaded:
    """One member, ready to judge."""

    name: str
    network: Member
    parameters: int
    sha256: str
    """Of the weight file."""
    real_spread: NDArray[np.float64] | None
    """Trace of the covariance of its features of held-out real digits, by digit (10,); None where not recorded."""


class WeightsError(Exception):
    """A judge's weight file is absent, damaged, or not of a known network. The message names the file."""


class Judge:
    """A committee of networks; its verdict is the mean of the members' probabilities.

    Parameters
    ----------
    files : one safetensors file a member
    """

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise WeightsError("A judge needs at least one weight file.")
        self._take([_load(path) for path in files])

    @classmethod
    def of(cls, members: Sequence[Loaded]) -> Judge:
        """A judge of members that are loaded already."""
        judge = cls.__new__(cls)
        judge._take(members)
        return judge

    def _take(self, members: Sequence[Loaded]) -> None:
        self.members = list(members)
        self.digest = hashlib.sha256("".join(member.sha256 for member in members).encode()).hexdigest()

    @classmethod
    def shipped(cls) -> Judge:
        """The public judge, whose weights come with the package."""
        return cls([WEIGHTS / f"{name}.safetensors" for name in COMMITTEE])

    @property
    def real_spread(self) -> NDArray[np.float64] | None:
        """Trace of the covariance of the features of real digits, by digit (10,), as measured at training."""
        return self.members[0].real_spread

    def probabilities(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean probability of each digit: images (N, 1, 28, 28) in [0, 1] -> (N, 10)."""
        total = np.zeros((len(images), 10), np.float32)
        for member in self.members:
            total += _in_batches(lambda x, network=member.network: network(x).softmax(1), images, 10)  # type: ignore[misc]
        return total / np.float32(len(self.members))

    def labels(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """The most probable digit of each image: (N, 1, 28, 28) in [0, 1] -> (N,)."""
        labels: NDArray[np.int64] = self.probabilities(images).argmax(1).astype(np.int64)
        return labels

    def features(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Penultimate features of the first member: (N, 1, 28, 28) in [0, 1] -> (N, F)."""
        network = self.members[0].network
        return _in_batches(network.features, images, network.head.in_features)


def save(path: Path, network: Member, facts: Mapping[str, object]) -> None:
    """Write a member's weights as float16, with `facts` (its name, recipe, figures) in the header."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"gradebench": json.dumps(dict(facts), sort_keys=True)})


def facts(path: Path) -> dict[str, object]:
    """What the header of a weight file says of its member."""
    try:
        with safe_open(path, "pt") as file:
            said: dict[str, object] = json.loads((file.metadata() or {})["gradebench"])
            return said
    except (OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{path}: not a judge's weight file ({error}).") from error
    except Exception as error:  # safetensors raises a type of its own
        raise WeightsError(f"{path}: damaged or not safetensors ({error}).") from error


def _load(path: Path) -> Loaded:
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file; `gradebench judge train` makes one.")
    said = facts(path)
    name = str(said.get("network"))
    if name not in NETWORKS:
        raise WeightsError(f"{path}: unknown network {name!r}; known are {', '.join(NETWORKS)}.")
    network = NETWORKS[name]()
    with safe_open(path, "pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    parameters = sum(p.numel() for p in network.parameters())
    network.eval()
    _fold(network.body)
    spread = said.get("real_spread")
    return Loaded(
        name, channels_last(network), parameters, _sha256(path), np.array(spread) if isinstance(spread, list) else None
    )


def _fold(module: nn.Module) -> None:
    """Fold each batch norm into the convolution or linear layer before it: the same function, fewer passes."""
    previous: str | None = None
    for name, child in list(module.named_children()):
        before = getattr(module, previous) if previous is not None else None
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            setattr(module, previous or "", fuse_conv_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.BatchNorm1d) and isinstance(before, nn.Linear):
            setattr(module, previous or "", fuse_linear_bn_eval(before, child))
            setattr(module, name, nn.Identity())
        else:
            _fold(child)
        previous = name


@torch.inference_mode()
def _in_batches(
    function: Callable[[torch.Tensor], torch.Tensor], images: NDArray[np.float32], width: int
) -> NDArray[np.float32]:
    answers = np.empty((len(images), width), np.float32)
    for start in range(0, len(images), BATCH):
        part = torch.zeros(BATCH, 1, 28, 28)
        rows = images[start : start + BATCH]
        part[: len(rows)] = torch.from_numpy(np.ascontiguousarray(rows))
        answers[start : start + len(rows)] = function(part.contiguous(memory_format=torch.channels_last))[: len(rows)]
    return answers


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
