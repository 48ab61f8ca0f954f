"""Ranks of the entries of one leaderboard table, from the scores that are kept beside their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.ranking.intervals import Rank, intervals
from harness.ranking.paired import Row, better
from harness.run.kept import load_arrays
from harness.types import Record


def ranks(records: Sequence[Record], results: Path | None, higher: bool) -> list[Rank]:
    """Give each record's rank among these, which were asked the same questions and have a score.

    Parameters
    ----------
    results : the folder that holds the scores beside the records; None where there is none. An entry without scores, or
        with another number of them than most, is told apart from none.
    higher : True where higher scores are better
    """
    scores = [_scores(record, results) for record in records]
    lengths = Counter(len(own) for own in scores if len(own))
    told = np.zeros((len(records), len(records)), dtype=np.bool_)
    if lengths:
        usual = min(lengths, key=lambda length: (-lengths[length], length))
        known = [index for index, own in enumerate(scores) if len(own) == usual]
        told[np.ix_(known, known)] = better([scores[index] for index in known], higher)
    return intervals(told)


def _scores(record: Record, results: Path | None) -> Row:
    """Return the scores question by question (q,); empty where they were not kept or are damaged."""
    found = load_arrays(results, record).get("scores") if results is not None else None
    if found is None or found.ndim != 1 or found.dtype.kind != "f" or not np.isfinite(found).all():
        return np.empty(0)
    scores: Row = found
    return scores
