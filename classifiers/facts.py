"""The facts in the header of a judge's file (see `classifiers.weights_file`), read and checked without torch."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError, deserialize

CLASSES = 10
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


def facts_of(content: bytes, path: Path) -> Facts:
    """Read the facts of a judge from its file's content; `path` is for messages.

    Raises
    ------
    WeightsError
        if the content is not that of a whole safetensors file, or its header holds no such facts
    """
    try:
        deserialize(content)  # type: ignore[no-untyped-call]  # it has no annotations
        length = int.from_bytes(content[:8], "little")
        said = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get("gradebench")
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{path}: damaged, or not safetensors ({error}).") from error
    if said is None:
        raise WeightsError(f"{path}: not a judge's file: its header has no 'gradebench' entry.")
    try:
        return Facts.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "header"
        raise WeightsError(f"{path}: not a judge's file: {where}: {first['msg']}.") from error


def content_of(path: Path) -> bytes:
    """Read a judge's file, once, so that its digest belongs to the weights in use. Raises WeightsError."""
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
