"""Attacks from a worker of the fork server: each ends with a stated reason, and the next worker is sound.

An attack that waits does so for longer than pytest lets a test run: a call that returns has kept its deadline.
"""

from __future__ import annotations

import select
from collections.abc import Iterator

import numpy as np
import pytest

from harness.sandbox.outside import Isolation, Limits, Session, WeightsWorkers
from harness.types import GradingError
from tests.harness.sandbox.sandbox_asking import PROBES, WEIGHTS, descendants, question, works

REGISTRY = "fake_architectures:MODELS"

ENDINGS = {
    "leave": ("crashed", "exit code 0"),
    "segfault": ("crashed", "segmentation fault"),
    "abort": ("crashed", "abort"),
    "spin": ("timeout", "longer than 1 s"),
    "nap": ("timeout", "longer than 1 s"),
    "stop": ("timeout", "longer than 1 s"),
    "ignore_signals_and_nap": ("timeout", "longer than 1 s"),
    "forge_slowly": ("timeout", "longer than 1 s"),
    "forge_twice": ("protocol", "longer than the answer"),
    "forge_tag": ("protocol", "0x00"),
    "forge_length": ("protocol", "4,294,967,295"),
    "forge_error": ("protocol", "can't be read"),
    "forge_deep_notes": ("protocol", "can't be read"),
    "forge_part": ("crashed", "exit code 0"),
    "close_wire": ("protocol", "closed its connection"),
}

REFUSALS = {
    "exit_softly": ("worker", "exception", "SystemExit"),
    "gluttony": ("worker", "memory", "more memory than is allowed"),
    "torch_gluttony": ("worker", "memory", "more memory than is allowed"),
    "not_a_number": ("answers", "not-finite", "1 values that are NaN"),
    "infinite": ("answers", "not-finite", "index (0,)"),
    "whole_numbers": ("answers", "wrong-dtype", "int64; float32"),
    "wide": ("answers", "wrong-shape", "(2, 3); (1,)"),
    "words": ("answers", "wrong-type", "a str"),
    "objects": ("answers", "wrong-dtype", "object"),
    "sparse": ("answers", "wrong-dtype", "sparse"),
    "no_such_method": ("worker", "missing-method", "no method 'no_such_method'"),
    "unprintable_error": ("worker", "exception", "can't be printed"),
    "huge_error": ("worker", "exception", "ValueError: xxx"),
}


@pytest.fixture(scope="module", params=["full", "reduced"])
def warm(request: pytest.FixtureRequest) -> Iterator[WeightsWorkers]:
    """A fork server with the fake architectures, at each level."""
    isolation: Isolation = request.getfixturevalue(request.param)
    with WeightsWorkers(isolation, registries=(REGISTRY,)) as workers:
        yield workers


@pytest.fixture
def worker(warm: WeightsWorkers) -> Iterator[Session]:
    with warm.worker(Limits()) as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        yield session


def at_rest(warm: WeightsWorkers) -> set[int]:
    """The processes that there are between two workers: the fork server's own."""
    with warm.worker() as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
    return descendants()


@pytest.mark.corpus("Runtime", "os._exit(0)", "leave")
@pytest.mark.corpus("Runtime", "segfault", "segfault")
@pytest.mark.corpus("Runtime", "busy loop", "spin")
@pytest.mark.corpus("Runtime", "sleep", "nap")
@pytest.mark.corpus("Runtime", "SIGSTOP on itself", "stop")
@pytest.mark.corpus(
    "Runtime",
    "forged, oversized, partial frame",
    "forge_slowly",
    "forge_twice",
    "forge_tag",
    "forge_length",
    "forge_error",
    "forge_deep_notes",
    "forge_part",
)
@pytest.mark.corpus("Runtime", "closing the result descriptor", "close_wire")
@pytest.mark.corpus("Runtime", "daemon outliving the kill", "ignore_signals_and_nap")
@pytest.mark.parametrize("attack", ENDINGS)
def test_a_worker_that_ends_or_hangs_is_reported_and_the_next_one_is_sound(warm: WeightsWorkers, attack: str) -> None:
    kind, reason = ENDINGS[attack]
    before = at_rest(warm)
    with warm.worker() as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        with pytest.raises(GradingError) as caught:
            session.ask(question(attack), 1.0 if kind == "timeout" else 60.0)
        failure = caught.value.failure
        assert (failure.stage, failure.kind, failure.fault) == ("worker", kind, "submission")
        assert reason in failure.message
        with pytest.raises(GradingError, match="longer" if kind == "timeout" else None) as again:
            session.ask(question("echo"))
        assert again.value.failure == failure
    assert descendants() <= before
    with warm.worker() as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        assert works(session)


@pytest.mark.corpus("Runtime", "8 GB allocation", "gluttony", "torch_gluttony")
@pytest.mark.corpus("Scores", "NaN", "not_a_number")
@pytest.mark.corpus("Scores", "infinity", "infinite")
@pytest.mark.corpus("Scores", "int64", "whole_numbers")
@pytest.mark.corpus("Scores", "wrong shape", "wide")
@pytest.mark.corpus("Scores", "an object, a text, a sparse tensor", "words", "objects", "sparse")
@pytest.mark.parametrize("attack", REFUSALS)
def test_a_bad_answer_is_refused_and_the_worker_lives_on(worker: Session, attack: str) -> None:
    stage, kind, reason = REFUSALS[attack]
    with pytest.raises(GradingError) as caught:
        worker.ask(question(attack), 10.0)
    failure = caught.value.failure
    assert (failure.stage, failure.kind, failure.fault) == (stage, kind, "submission")
    assert reason in failure.message
    assert len(failure.message) < 2100
    assert len(failure.detail) < 8100
    assert works(worker)


@pytest.mark.parametrize("attack", PROBES)
def test_no_attack_succeeds(worker: Session, attack: str) -> None:
    assert float(worker.ask(question(attack), 200.0)["y"][0]) == 0.0, worker.log
    assert works(worker)


@pytest.mark.corpus("Runtime", "forged, oversized, partial frame")
def test_a_forged_verdict_counts_as_the_submissions_failure(worker: Session) -> None:
    with pytest.raises(GradingError) as caught:
        worker.ask(question("forge_verdict"), 5.0)
    failure = caught.value.failure
    assert (failure.stage, failure.kind, failure.fault) == ("worker", "error", "submission")
    assert failure.message == "\\x1b[31mok"


@pytest.mark.corpus("Runtime", "forged, oversized, partial frame")
def test_an_answer_sent_before_its_question_is_refused(worker: Session) -> None:
    assert float(worker.ask(question("forge_ahead"), 5.0)["y"][0]) == 42.0
    assert worker._channel is not None
    select.select([worker._channel._receive], [], [])  # until what it sends ahead is here
    with pytest.raises(GradingError, match="nobody had asked for"):
        worker.ask(question("echo"), 5.0)


@pytest.mark.corpus("Runtime", "forged JSON on stdout")
def test_json_on_stdout_is_only_text_in_the_log(worker: Session) -> None:
    assert float(worker.ask(question("forge_json"), 5.0)["y"][0]) == 42.0
    assert '"accuracy": 1.0' in worker.log
    assert works(worker)


@pytest.mark.corpus("Runtime", "100 MB of log")
def test_a_log_of_100_megabytes_is_drained_and_its_end_kept(worker: Session) -> None:
    assert float(worker.ask(question("flood_log"), 20.0)["y"][0]) == 42.0
    assert len(worker.log) <= 64 << 10
    assert worker.log.endswith("x\nthe end")


@pytest.mark.corpus("Runtime", "ANSI in a traceback")
@pytest.mark.corpus("Reports", "ANSI and OSC in logs")
def test_terminal_escapes_and_direction_marks_in_an_error_are_escaped(worker: Session) -> None:
    with pytest.raises(GradingError) as caught:
        worker.ask(question("colourful_error"), 5.0)
    for text in (caught.value.failure.message, caught.value.failure.detail):
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


@pytest.mark.corpus("Scores", "a tensor subclass with `__torch_function__` that lies")
def test_a_lying_tensor_subclass_gives_its_real_numbers(worker: Session) -> None:
    assert float(worker.ask(question("liar"), 5.0)["y"][0]) == 0.25


@pytest.mark.corpus("Scores", "requires_grad")
def test_tensors_with_gradients_and_narrow_floats_are_accepted(worker: Session) -> None:
    assert float(worker.ask(question("needs_gradient"), 5.0)["y"][0]) == 0.5
    assert not [note for note in worker.notes if "needs_gradient" in note]
    answer = worker.ask(question("narrow"), 5.0)["y"]
    assert answer.dtype == np.float32
    assert float(answer[0]) == 0.5


@pytest.mark.corpus("Scores", "wrong shape")
def test_flat_images_are_accepted_with_a_note_and_other_shapes_refused(worker: Session) -> None:
    images = worker.ask(question("flat", (2, 1, 28, 28)), 5.0)["y"]
    assert images.shape == (2, 1, 28, 28)
    assert images[1, 0, 2, 3] == 2 * 28 + 3
    assert any("(2, 784)" in note and "(2, 1, 28, 28)" in note for note in worker.notes)
    with pytest.raises(GradingError, match=r"\(2, 784\); \(2, 1, 14, 56, 1\)"):
        worker.ask(question("flat", (2, 1, 14, 56, 1)), 5.0)


@pytest.mark.corpus("Runtime", "deadlock at exit")
def test_closing_does_not_wait_for_a_deadlocked_exit(warm: WeightsWorkers) -> None:
    before = at_rest(warm)
    with warm.worker() as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        assert float(session.ask(question("deadlock_at_exit"), 60.0)["y"][0]) == 42.0
    assert descendants() <= before


@pytest.mark.corpus("Runtime", "busy loop")
def test_processor_time_is_limited(warm: WeightsWorkers) -> None:
    with warm.worker(Limits(cpu_seconds=1)) as session:
        session.open_weights("hostile", {}, WEIGHTS, "model.npz")
        with pytest.raises(GradingError) as caught:
            session.ask(question("spin"), 200.0)
    assert caught.value.failure.kind == "timeout"
    assert "processor time" in caught.value.failure.message
