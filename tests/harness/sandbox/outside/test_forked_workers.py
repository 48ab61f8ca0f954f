"""Tests weights, answers-only files and descriptions through the fork server, and the server's own robustness."""

from __future__ import annotations

import io
import json
import os
import signal
import threading

import numpy as np
import pytest

from harness.sandbox.outside import Isolation, WeightsWorkers, Worker
from harness.types import ArraySpec, GradingError, Question
from tests.harness.sandbox.sandbox_asking import WEIGHTS, descendants, npz, question, works

REGISTRY = "fake_architectures:MODELS"
NOISE = np.random.default_rng(3).standard_normal((7, 3)).astype(np.float32)
LABELS = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5, 9, 2]]
SAMPLE = Question("sample", {"noise": NOISE, "labels": LABELS}, {"images": ArraySpec((7, 1, 28, 28))})


def expected() -> np.ndarray:
    values = NOISE * np.array([2.0, -3.0, 0.5], dtype=np.float32) + np.array([3, 1, 4, 1, 5, 9, 2])[:, None]
    return np.stack([np.resize(row, 784).reshape(1, 28, 28) for row in values]).astype(np.float32)


@pytest.mark.parametrize("level", ["full", "reduced", "minimal"])
def test_answers_are_right_in_any_batch_size_at_every_level(request: pytest.FixtureRequest, level: str) -> None:
    isolation = Isolation("minimal", (), "") if level == "minimal" else request.getfixturevalue(level)
    with WeightsWorkers(isolation, registries=(REGISTRY,)) as warm:
        for batch in (None, 3, 7, 100):
            with warm.worker() as worker:
                worker.open_weights("scaler", {}, WEIGHTS, "model.npz")
                answer = worker.ask(Question("sample", SAMPLE.inputs, SAMPLE.answers, batch), 20.0)
                np.testing.assert_allclose(answer["images"], expected(), rtol=1e-6)
                assert worker.isolation_stamp == level


def test_a_new_process_gives_the_same_bits_as_a_fork(full: Isolation, warm: WeightsWorkers) -> None:
    answers = []
    for session in (Worker(full, registries=(REGISTRY,)), warm.worker()):
        with session:
            session.open_weights("scaler", {"kind": "fancy"}, WEIGHTS, "model.npz")
            answers.append(session.ask(SAMPLE)["images"])
    assert answers[0].tobytes() == answers[1].tobytes()


@pytest.mark.parametrize(
    ("model", "options", "data", "kind", "reason"),
    [
        ("other", {}, WEIGHTS, "unknown-model", "no architecture 'other'; the known architectures are hostile, scaler"),
        ("scaler", {"kind": "odd"}, WEIGHTS, "option-value", "kind = 'odd'; allowed are plain, fancy"),
        ("scaler", {"size": "1"}, WEIGHTS, "unknown-option", "no option 'size'"),
        ("scaler", {}, npz(weight=np.zeros(4, np.float32)), "mismatch", "model.npz"),
        ("scaler", {}, b"PK\x03\x04 cut", None, "model.npz"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    warm: WeightsWorkers, model: str, options: dict[str, str], data: bytes, kind: str | None, reason: str
) -> None:
    with warm.worker() as worker:
        with pytest.raises(GradingError) as caught:
            worker.open_weights(model, options, data, "model.npz")
        assert caught.value.failure.fault == "submission"
        assert kind is None or caught.value.failure.kind == kind
        assert reason in caught.value.failure.message
        worker.open_weights("scaler", {}, WEIGHTS, "model.npz")


def test_answers_only_files_are_read_by_key_and_checked(warm: WeightsWorkers) -> None:
    images = np.random.default_rng(0).random((4, 784), dtype=np.float32)
    labels = np.arange(4)
    wanted = {"imgs": ArraySpec((4, 1, 28, 28)), "labels": ArraySpec((4,), "int64")}
    with warm.worker() as worker:
        found = worker.read_outputs(npz(labels=labels, imgs=images, extra=labels), "answers.npz", wanted)
        np.testing.assert_array_equal(found["imgs"], images.reshape(4, 1, 28, 28))
        np.testing.assert_array_equal(found["labels"], labels)
        assert "(4, 784)" in worker.notes[0]
        spoilt = images.copy()
        spoilt[2, 5] = np.nan
        for arrays, reason in (
            ({"imgs": images}, "answers.npz has no array 'labels'; it holds imgs"),
            ({"imgs": images[:3], "labels": labels}, r"answers.npz: imgs has shape \(3, 784\); \(4, 1, 28, 28\)"),
            ({"imgs": (images * 255).astype(np.uint8), "labels": labels}, "imgs has dtype uint8; float32"),
            ({"imgs": images, "labels": labels / 2}, "labels has dtype float64; int64"),
            ({"imgs": spoilt, "labels": labels}, r"imgs holds 1 values that are NaN .* index \(2, 0, 0, 5\)"),
        ):
            with pytest.raises(GradingError, match=reason) as caught:
                worker.read_outputs(npz(**arrays), "answers.npz", wanted)
            assert caught.value.failure.stage == "answers"


def test_a_pickle_that_would_run_code_is_read_without_running_it(warm: WeightsWorkers) -> None:
    torch = pytest.importorskip("torch")

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.kill, (os.getppid(), signal.SIGKILL)

    buffer = io.BytesIO()
    torch.save({"model": {"weight": torch.tensor([2.0, -3.0, 0.5])}, "evil": Evil()}, buffer)
    with warm.worker() as worker:
        description = worker.describe(buffer.getvalue(), "evil.pt")
        assert "kill" in json.dumps(description)
        worker.open_weights("scaler", {}, buffer.getvalue(), "evil.pt")
        np.testing.assert_allclose(worker.ask(SAMPLE)["images"], expected(), rtol=1e-6)


def test_a_lost_fork_server_is_replaced_and_its_forks_are_gone(full: Isolation) -> None:
    before = descendants()
    with WeightsWorkers(full, registries=(REGISTRY,)) as warm:
        with warm.worker() as orphan:
            orphan.open_weights("hostile", {}, WEIGHTS, "model.npz")
            for process in descendants() - before:
                os.kill(process, signal.SIGKILL)
            with pytest.raises(GradingError):
                orphan.ask(question("echo"), 5.0)
        with warm.worker() as worker:
            worker.open_weights("hostile", {}, WEIGHTS, "model.npz")
            assert works(worker)
    assert descendants() <= before


@pytest.mark.parametrize("level", ["full", "reduced"])
def test_a_server_that_was_begun_outlives_the_thread_that_begun_it(request: pytest.FixtureRequest, level: str) -> None:
    before = descendants()
    with WeightsWorkers(request.getfixturevalue(level), registries=(REGISTRY,)) as warm:
        thread = threading.Thread(target=warm.begin)
        thread.start()
        thread.join()
        for _ in range(2):
            with warm.worker() as worker:
                worker.open_weights("hostile", {}, WEIGHTS, "model.npz")
                assert works(worker)
            generation = warm.generation
            warm.begin()  # there is one
            assert warm.generation == generation
    assert descendants() <= before


def test_a_server_that_was_begun_and_never_needed_is_gone(full: Isolation) -> None:
    before = descendants()
    with WeightsWorkers(full, registries=(REGISTRY,)) as warm:
        warm.begin()
    assert descendants() <= before
    with warm.worker() as worker:
        worker.open_weights("hostile", {}, WEIGHTS, "model.npz")
        assert works(worker)
    warm.close()
    assert descendants() <= before


def test_two_forks_live_side_by_side(warm: WeightsWorkers) -> None:
    with warm.worker() as one, warm.worker() as other:
        one.open_weights("hostile", {}, WEIGHTS, "model.npz")
        other.open_weights("hostile", {}, WEIGHTS, "model.npz")
        with pytest.raises(GradingError):
            one.ask(question("segfault"), 5.0)
        assert works(other)


def test_many_workers_leave_no_descriptor_or_process(warm: WeightsWorkers) -> None:
    def once() -> None:
        with warm.worker() as worker:
            worker.open_weights("hostile", {}, WEIGHTS, "model.npz")
            assert works(worker)

    once()
    descriptors, processes = len(os.listdir("/proc/self/fd")), descendants()
    for _ in range(20):
        once()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert descendants() == processes


@pytest.mark.parametrize("kind", [Worker, WeightsWorkers])
def test_a_worker_that_cannot_start_is_the_harnesss_fault(
    full: Isolation, kind: type[Worker] | type[WeightsWorkers]
) -> None:
    with kind(full, registries=("fake_architectures:NOTHING",)) as opened:
        worker = opened if isinstance(opened, Worker) else opened.worker()
        with pytest.raises(GradingError) as caught:
            worker.open_weights("scaler", {}, WEIGHTS, "model.npz")
    assert (caught.value.failure.kind, caught.value.failure.fault) == ("start", "harness")
    assert "no attribute 'NOTHING'" in caught.value.failure.detail
