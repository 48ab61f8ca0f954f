"""Density given the label (Tsinghua's cVAE): the negative ELBO of a model that is told which digit an image shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.tasks.codes.digits import code_size
from harness.tasks.codes.latent import BernoulliDensity
from harness.types import Entry

LATENT = 100
"""Numbers in a code of the Tsinghua coursework's conditional VAE."""


class ConditionalDensity(BernoulliDensity):
    """`encode(images, labels) -> (mean, log_variance)`, `decode(codes, labels)`, labels one-hot (N, 10)."""

    name = "conditional-density"
    title = "Density given the label, Bernoulli"
    summary = "bound the likelihood of digits given their labels; negative ELBO in nats, gray targets"

    def code_size(self, entry: Entry) -> int:
        """The numbers in a code: the option `code`, or the coursework's 100."""
        return code_size(entry) if "code" in entry.options else LATENT

    def metric_name(self, k: int) -> str:
        """One name for codes of all sizes: the coursework fixes one, and the label is part of none."""
        return self.primary

    def _inputs(
        self, name: str, rows: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float32]]:
        return {name: rows, "labels_one_hot": np.eye(10, dtype=np.float32)[labels]}
