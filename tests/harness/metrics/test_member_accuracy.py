"""Accuracy by single members, against asking all of them about everything."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.member_accuracy import Stratum, member_accuracies

pytestmark = pytest.mark.numeric


def test_where_all_samples_are_asked_it_is_each_members_accuracy() -> None:
    generator = np.random.default_rng(0)
    committee, members = generator.random(1000) < 0.9, generator.random((3, 1000)) < [[0.8], [0.9], [0.95]]
    parts = np.split(np.arange(1000), [300])
    strata = [Stratum(len(rows), committee[rows], members[:, rows]) for rows in parts]
    assert member_accuracies(committee.mean(), strata) == pytest.approx(members.mean(axis=1))


def test_a_few_samples_of_each_stratum_are_weighed_by_its_size() -> None:
    # Of 100 doubtful samples two of four, of 900 others one of ten is read otherwise by the second member.
    doubtful = Stratum(100, np.array([1, 1, 1, 0]) > 0, np.array([[1, 1, 1, 0], [1, 0, 0, 0]]) > 0)
    others = Stratum(900, np.ones(10) > 0, np.stack([np.ones(10), np.arange(10)]) > 0)
    found = member_accuracies(0.95, [doubtful, others])
    assert found == pytest.approx([0.95, 0.95 - 0.1 * 0.5 - 0.9 * 0.1])


def test_it_is_right_on_the_average_and_within_0_and_1() -> None:
    generator = np.random.default_rng(1)
    committee = generator.random(5000) < 0.97
    member = committee & (generator.random(5000) < np.where(np.arange(5000) < 1000, 0.8, 0.995))
    found = []
    for _ in range(300):
        drawn = [generator.choice(rows, 100, replace=False) for rows in np.split(np.arange(5000), [1000])]
        strata = [Stratum(n, committee[d], member[None, d]) for n, d in zip((1000, 4000), drawn, strict=True)]
        found.append(member_accuracies(committee.mean(), strata)[0])
    assert np.mean(found) == pytest.approx(member.mean(), abs=0.003)
    none = Stratum(0, np.empty(0, bool), np.empty((2, 0), bool))
    all_wrong = Stratum(10, np.zeros(5, bool), np.ones((2, 5), bool))
    assert member_accuracies(0.9, [none, all_wrong]).tolist() == [1.0, 1.0]
