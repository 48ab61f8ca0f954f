"""Loads the digits that tests use."""

import functools
import os
from pathlib import Path

import pytest

from harness import mnist


@functools.cache
def _load(directory: str) -> mnist.Digits:
    return mnist.load(Path(directory))


def mnist_digits() -> mnist.Digits:
    """MNIST; skips the test where it isn't at hand."""
    directory = os.environ.get("GRADEBENCH_DATA")
    if not directory:
        pytest.skip("needs MNIST: set GRADEBENCH_DATA to a folder with its four files")
    return _load(directory)


@functools.cache
def embedded_digits() -> mnist.Digits:
    """The digits that scikit-learn ships."""
    return mnist.embedded()
