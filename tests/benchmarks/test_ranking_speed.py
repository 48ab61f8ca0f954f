"""Ranks 1,000 entries by 10,000 scores each, read from beside their records; the naive way tests pair after pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.run.kept import load_arrays, save_arrays
from reports.leaderboard import places
from tests.reports.examples import scored

ENTRIES, QUESTIONS, PAIRS = 1000, 10_000, 500


def test_ranks(compare: Any, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    common = generator.lognormal(size=QUESTIONS)
    record = scored("s", "S", 0.99)
    records = []
    for number in range(ENTRIES):
        own = replace(record, submission=f"s{number:04}")
        scores = common + generator.normal(number / 1e4, 0.5, QUESTIONS)
        records.append(replace(own, arrays=save_arrays(tmp_path, own, scores, {})))

    def pairs() -> None:
        loaded = [load_arrays(tmp_path, record)["scores"] for record in records[:40]]
        for pair in range(PAIRS):
            stats.ttest_rel(loaded[pair % 40], loaded[(7 * pair + 1) % 40])

    row = compare(
        "ranks of 1,000 entries with 10,000 scores each",
        lambda: places(records, tmp_path),
        "a paired t test for each of 499,500 pairs",
        pairs,
        share=PAIRS / (ENTRIES * (ENTRIES - 1) / 2),
        rounds=2,
    )
    assert row.naive > row.ours
    found = places(records, tmp_path)
    assert found["s0000", "cvae"][1] == ENTRIES
    assert found["s0999", "cvae"][0] == 1
