"""Reads and writes the floors and ceilings of a judge, a JSON file beside the judge's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from harness.files import write_atomically
from harness.tasks.samples.floors import Floors

_LARGEST = 1 << 20


def path_of(judge: Path) -> Path:
    """Return the place of the floors of a judge's file: judge.safetensors has judge.floors.json."""
    return judge.with_suffix(".floors.json")


def read(judge: Path, judge_digest: str, data_digest: str) -> Floors | None:
    """Read the floors beside a judge's file; None where there are none, or they are damaged or of something else."""
    try:
        with path_of(judge).open("rb") as file:
            found = loaded(file.read(_LARGEST))
    except (OSError, ValidationError):
        return None
    return found if found is not None and found.fit(judge_digest, data_digest) else None


def write(floors: Floors, path: Path) -> None:
    """Write floors to a file."""
    write_atomically(path, (floors.model_dump_json(by_alias=True, indent=1) + "\n").encode())


def dumped(floors: object) -> bytes:
    """Return floors as JSON; empty where there are none."""
    return floors.model_dump_json(by_alias=True).encode() if isinstance(floors, Floors) else b""


def loaded(content: bytes) -> Floors | None:
    """Return the floors that `dumped` made JSON of; raises ValidationError where they are damaged."""
    return Floors.model_validate_json(content) if content else None


def digest(floors: object) -> str:
    """Calculate the SHA-256 of floors."""
    return hashlib.sha256(dumped(floors)).hexdigest()
