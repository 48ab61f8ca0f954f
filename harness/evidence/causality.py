"""Causality: predictions of a sequence depend only on earlier steps of the same sequence.

The statistic is the largest change of a prediction when only later steps are changed. Honest models in evaluation mode
give rounding, below 1e-4. A model beyond that has seen what it predicts: it has no score, and the error says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.evidence.batch_dependence import SAME, in_smaller_batch
from harness.types import Evidence, refuse


class Words(NamedTuple):
    """Names of a task's sequences and steps, for messages."""

    sequence: str
    step: str


def batch_dependence(first: NDArray[np.float64], again: NDArray[np.float64], words: Words) -> Evidence:
    """Batch dependence of predictions (n, …), told in the words of sequences."""
    return in_smaller_batch(
        first,
        again,
        f"The same {words.sequence}s got the same predictions in a smaller batch.",
        f"The same {words.sequence}s got other predictions in a smaller batch: a state kept from batch to batch, "
        "dropout, or batch norm in training mode.",
    )


def causality(moved: NDArray[np.float64], kept: NDArray[np.int64], batch: Evidence, words: Words) -> Evidence:
    """Evidence that no prediction moved with later steps.

    Parameters
    ----------
    moved : by how much each prediction (n, T) changed with them, 0 where it may; the prediction at t is of step t + 2
    kept : how many steps (n,) of each sequence were left as they were
    batch : how far predictions move with the batch, which is told along with a refusal
    words : for the messages

    Raises
    ------
    GradingError
        of stage "answers", where one did, whatever moved it: noise would otherwise be a place to hide in
    """
    most, (sequence, step) = float(moved.max()), words
    if most <= SAME:
        message = f"Changing later {step}s changed no earlier prediction."
        return Evidence("causality", False, most, 0.0, SAME, message, "causality")
    row, at = np.unravel_index(moved.argmax(), moved.shape)
    message = (
        f"The prediction of {step} {at + 2} of a sequence changed by {most:.2g} when only {step}s after the first "
        f"{kept[row]} were changed. A prediction may depend on earlier {step}s alone: look for a bidirectional layer, "
        f"a convolution that sees the {step} itself, or targets that are not shifted by one."
    )
    if batch.flag:
        message += (
            f" The same question in a smaller batch was answered otherwise, too, by up to {batch.value:.2g}: with "
            "dropout or batch norm in training mode (call model.eval()), or with a state kept from batch to batch, a "
            f"prediction depends on the other {sequence}s and on chance, and that it sees no later {step} can't be "
            "shown."
        )
    raise refuse("answers", "not-causal", message)
