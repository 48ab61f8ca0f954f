"""Secret seeds: draws that no submission can know beforehand.

Timed questions, their order and the pauses between them have a seed that is drawn anew for each entry. The questions by
which a memory of the test set would show have one that is drawn once a results folder, and kept there, so that a run
that is interrupted goes on with the same questions and a result can be verified.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

FILE = ".secret-seed"
"""Name of the file in a results folder; only its owner can read it."""
_BYTES = 32


class SecretError(Exception):
    """The file of a secret seed can't be used; the message says why."""


class Secret:
    """A seed that nothing outside this process, or the folder that keeps it, knows."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._seed = secrets.token_bytes(_BYTES) if seed is None else seed

    @classmethod
    def kept(cls, folder: Path) -> Secret:
        """Read the secret seed of a results folder, which gets one if it has none.

        Raises SecretError where the file is not one that this class wrote, or can't be written.
        """
        path = folder / FILE
        try:
            seed = bytes.fromhex(_read(path).strip())
            if len(seed) != _BYTES:
                raise ValueError(f"{len(seed)} bytes, not {_BYTES}")
            return cls(seed)
        except FileNotFoundError:
            return cls._new(path)
        except (OSError, ValueError) as error:
            raise SecretError(
                f"{path}: can't be read as a secret seed ({error}). Delete it: a new one is drawn, and the entries "
                "whose questions depend on it are asked again."
            ) from error

    @classmethod
    def _new(cls, path: Path) -> Secret:
        seed = secrets.token_bytes(_BYTES)
        temporary = path.with_name(f"{FILE}.{secrets.token_hex(6)}.tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(seed.hex() + "\n")
            try:
                # A link fails where another run was quicker, whose seed then counts for both.
                os.link(temporary, path, follow_symlinks=False)
            finally:
                temporary.unlink(missing_ok=True)
        except FileExistsError:
            return cls.kept(path.parent)
        except OSError as error:
            raise SecretError(f"{path}: the secret seed can't be kept: {error.strerror}.") from error
        return cls(seed)

    @property
    def digest(self) -> str:
        """SHA-256 of the seed, which a record may hold: it binds the seed and does not tell it."""
        return hashlib.sha256(self._seed).hexdigest()

    @property
    def seed(self) -> bytes:
        """The seed itself, for trusted hosts that ask the same questions."""
        return self._seed

    def generator(self, *parts: object) -> torch.Generator:
        """Return a CPU generator for `parts`."""
        import torch

        return torch.Generator().manual_seed(self._number(*parts))

    def numbers(self, *parts: object) -> np.random.Generator:
        """Return a numpy generator for `parts`."""
        return np.random.default_rng(self._number(*parts))

    def _number(self, *parts: object) -> int:
        text = "/".join(map(str, parts)).encode()
        return int.from_bytes(hashlib.sha256(self._seed + text).digest()[:8], "little") >> 1


def _read(path: Path) -> str:
    """The text of a small regular file; OSError where it is none. No link is followed and no pipe waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "r", encoding="ascii") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > 2 * _BYTES + 1:
            raise OSError("not a small regular file")
        return file.read()
