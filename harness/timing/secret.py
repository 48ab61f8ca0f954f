"""The secret seed that timed questions, their order and the pauses between them are drawn from."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
import torch


class Secret:
    """A seed that nothing outside this process knows, drawn anew for each entry that is timed."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = secrets.token_bytes(32) if seed is None else seed

    @property
    def digest(self) -> str:
        """SHA-256 of the seed, which a record may hold: it binds the seed and does not tell it."""
        return hashlib.sha256(self._seed).hexdigest()

    def generator(self, *parts: object) -> torch.Generator:
        """Return a CPU generator for `parts`."""
        return torch.Generator().manual_seed(self._number(*parts))

    def numbers(self, *parts: object) -> np.random.Generator:
        """Return a numpy generator for `parts`."""
        return np.random.default_rng(self._number(*parts))

    def _number(self, *parts: object) -> int:
        text = "/".join(map(str, parts)).encode()
        return int.from_bytes(hashlib.sha256(self._seed + text).digest()[:8], "little") >> 1
