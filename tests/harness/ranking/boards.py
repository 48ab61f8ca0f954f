"""Boards of equal entries, made by resampling real scores, and how often they show a false separation.

`python -m tests.harness.ranking.boards RESULTS…` prints the table of docs/ranks.md from the scores that `gradebench
grade --fresh` keeps beside the records of baselines and reference models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness import records
from harness.metrics.accuracy import wilson
from harness.ranking.paired import better
from harness.run.kept import load_arrays

Scores = NDArray[np.float64]
Kind = Literal["drawn", "mixed"]
KINDS: tuple[Kind, ...] = ("drawn", "mixed")


def board(real: Scores, questions: int, entries: int, kind: Kind, generator: np.random.Generator) -> Scores:
    """Draw the scores (entries, questions) of entries of equal means, for questions drawn with replacement.

    Parameters
    ----------
    real : scores (models, Q) of real models for the same questions, at whose differences in mean is not looked
    kind : "drawn": each entry's score for a question is that of a model drawn at random, so that differences are
        symmetric; "mixed": each entry is a weighted mean of the models, with weights of its own, so that differences
        are as skewed as theirs
    """
    binary = bool(((real == 0) | (real == 1)).all())
    asked = real[:, generator.integers(real.shape[1], size=questions)]
    if kind == "drawn":
        # Of 0 and 1, exchangeable scores have equal means without being centred.
        centred = asked if binary else asked - real.mean(axis=1, keepdims=True)
        return centred[generator.integers(len(real), size=(entries, questions)), np.arange(questions)]
    weights = generator.dirichlet(np.full(len(real), 0.5), size=entries)
    mixed: Scores = weights @ (asked - real.mean(axis=1, keepdims=True))
    return mixed


def separated(
    real: Scores, questions: int, entries: int, kind: Kind, boards: int, generator: np.random.Generator
) -> int:
    """Count the boards of equal entries on which any two are told apart."""
    return sum(
        bool(better(list(board(real, questions, entries, kind, generator)), higher=True).any()) for _ in range(boards)
    )


def kept_scores(results: Path) -> Mapping[str, Scores]:
    """Read the scores (models, Q) of the baselines and reference models of a results folder, by task."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for record in records.load_all(results).records:
        scores = load_arrays(results, record).get("scores")
        if scores is not None and len(scores) > 1:
            found.setdefault(record.task, {})[record.submission] = scores.astype(np.float64)
    return {task: np.stack(list(own.values())) for task, own in found.items() if len(own) > 1}


def table(real: Mapping[str, Scores]) -> Iterator[str]:
    """Yield the rows of a Markdown table: the share of boards that show a false separation, with its 95 % interval."""
    yield "| task | models | questions | boards of equal entries | 2 | 10 | 30 | 100 |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, scores in real.items():
        binary = bool(((scores == 0) | (scores == 1)).all())
        for questions, counts in ((100, (4000, 2000, 1000, 1000)), (10_000, (2000, 500, 200, 100))):
            if questions > 100 * scores.shape[1] // 10:
                continue
            for kind in KINDS[: 1 if binary else 2]:
                cells = []
                for entries, boards in zip((2, 10, 30, 100), counts, strict=True):
                    count = separated(scores, questions, entries, kind, boards, np.random.default_rng(entries))
                    low, high = wilson(count, boards)
                    cells.append(f"{count / boards:.1%} ({low:.1%} – {high:.1%})")
                yield f"| {name} | {len(scores)} | {questions:,} | {kind} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        for line in table(kept_scores(Path(folder))):
            print(line, flush=True)
