"""Tests that the batches of a question are asked one by one, as parts of one question."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.sandbox.outside import Isolation, Session, Worker
from harness.types import ArraySpec, GradingError, Question

CODE = """
import gc
import time
import torch

class Model:
    def __init__(self):
        self.calls = 0

    def draw(self, x):
        return x + torch.rand(len(x))

    def rows_in_sight(self, x):
        sizes = [len(t) for t in gc.get_objects() if isinstance(t, torch.Tensor) and t.dtype == x.dtype and t.ndim == 1]
        return torch.full((len(x),), float(max(sizes)))

    def nap(self, x):
        time.sleep(0.5)
        return x

    def late_nan(self, x):
        return torch.where(x == 5, float("nan"), x)

    def total(self, x, scale):
        return scale + 0.0, x * scale

def load(checkpoint):
    return Model()
"""
X = np.arange(7, dtype=np.float32)


@pytest.fixture
def session(full: Isolation, tmp_path: Path) -> Iterator[Session]:
    (tmp_path / "model.py").write_text(CODE, encoding="utf-8")
    with Worker(full) as worker:
        worker.open_code(tmp_path, "model.py:load", None)
        yield worker


def ask(method: str, batch: int | None) -> Question:
    return Question(method, {"x": X}, {"y": ArraySpec((7,))}, batch)


@pytest.mark.parametrize("batch", [None, 3, 7, 50])
def test_the_random_state_goes_on_from_batch_to_batch_and_begins_anew_with_each_question(
    session: Session, batch: int | None
) -> None:
    torch.manual_seed(0)
    rows = torch.from_numpy(X).split(batch or len(X))
    expected = torch.cat([part + torch.rand(len(part)) for part in rows])
    for _ in range(2):
        assert session.ask(ask("draw", batch), 30.0)["y"].tobytes() == expected.numpy().tobytes()


def test_a_model_sees_no_rows_but_those_of_its_batch(session: Session) -> None:
    assert list(session.ask(ask("rows_in_sight", 2), 30.0)["y"]) == [2.0] * 6 + [1.0]


def test_batches_are_told_as_they_are_answered(session: Session) -> None:
    told: list[tuple[int, int]] = []
    session.ask(ask("draw", 3), 30.0, lambda done, of: told.append((done, of)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    session.ask(ask("draw", None), 30.0, lambda done, of: told.append((done, of)))
    assert told[4:] == [(0, 1), (1, 1)]


def test_one_deadline_holds_for_all_batches_together(session: Session) -> None:
    # No batch takes as long as the deadline; seven of them take over three times as long.
    with pytest.raises(GradingError, match=r"nap took longer than 1 s and was stopped at batch [123] of 7\.") as caught:
        session.ask(ask("nap", 1), 1.0)
    assert caught.value.failure.kind == "timeout"


def test_values_that_are_not_finite_end_a_question_at_their_batch(session: Session) -> None:
    told: list[int] = []
    with pytest.raises(GradingError, match=r"1 values that are NaN or infinite at batch 3 of 4, .* index \(5,\)"):
        session.ask(ask("late_nan", 2), 30.0, lambda done, of: told.append(done))
    assert told == [0, 1, 2]
    np.testing.assert_array_less(X, session.ask(ask("draw", 2), 30.0)["y"] + 1e-9)


def test_inputs_and_answers_without_rows_are_whole_in_each_batch(session: Session) -> None:
    scale = np.array(3.0, dtype=np.float32)
    answers = {"scale": ArraySpec(()), "y": ArraySpec((7,))}
    found = session.ask(Question("total", {"x": X, "scale": scale}, answers, 3), 30.0)
    assert found["scale"] == 3.0
    np.testing.assert_array_equal(found["y"], 3 * X)


def test_a_pulse_that_raises_ends_the_wait_at_once(session: Session) -> None:
    began = time.monotonic()

    class Enough(BaseException):
        pass

    def pulse() -> None:
        # Not before the model is at work.
        if time.monotonic() - began > 0.2:
            raise Enough

    session.pulse = pulse
    with pytest.raises(Enough):
        session.ask(ask("nap", 1), 60.0)
    # The model would have slept for 3.5 s: the worker was not waited for.
    session.pulse = None
    session.close()
