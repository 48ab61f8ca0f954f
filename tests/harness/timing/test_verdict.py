"""Conclusions from calls that were measured: too quick to tell, quicker than possible, worse, working between calls."""

import types

import numpy as np
import pytest

from harness.secret import Secret
from harness.tasks.base import TimedQuestion
from harness.timing import audit, calls, operations, protocol, verdict
from harness.timing.measure import Measured, Plan, Subject
from harness.timing.order import AGAIN, ENTRY, REFERENCE
from harness.types import ArraySpec, Entry, Kind, Question, refuse

ROWS, CALLS, SINGLES = 50, 4, 3


class Echo:
    """A model that doubles its inputs, in a worker of the same interface as the sandbox's."""

    def __init__(self, answer=lambda noise: 2 * noise):
        self._answer = answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def ask(self, question, deadline=None):
        return {"images": self._answer(question.inputs["noise"]).astype(np.float32)}


def question(generator, rows):
    noise = generator.random((rows, 3), dtype=np.float32)
    asked = Question("draw", {"noise": noise}, {"images": ArraySpec((rows, 3))})
    return TimedQuestion(asked, lambda answer: np.abs(answer["images"] - 2 * noise).mean(axis=1).astype(np.float64))


def measured(factor=2.0, answer=lambda noise: 2 * noise, idle=0.0):
    """What an entry that takes `factor` times the reference's 10 ms, and gives some answers, comes to."""
    generator = np.random.default_rng(0)
    found = Measured(Plan(ROWS, CALLS, SINGLES))
    for _ in range(protocol.ROUNDS):
        sizes = [ROWS] * CALLS + [1] * SINGLES
        found.questions.append([question(generator, rows) for rows in sizes])
        for who in (ENTRY, REFERENCE, AGAIN):
            times = 0.01 * (factor if who == ENTRY else 1) * np.exp(generator.normal(0, 0.01, len(sizes)))
            times[CALLS:] /= 5
            given = [
                calls.Call(float(t), Echo(answer).ask(one.question))
                for t, one in zip(times, found.questions[-1], strict=True)
            ]
            found.processes[who].append(calls.Process(given, float(times.sum()), idle, 3e8))
    return found


def subject(answer=lambda noise: 2 * noise, architecture=None, runs_code=True):
    graded = Question("draw", {"noise": np.ones((200, 3), np.float32)}, {"images": ArraySpec((200, 3))}, ROWS)
    return Subject(
        None,
        None,
        Entry("draw", Kind.CODE, "draw"),
        lambda: Echo(answer),
        np.zeros(1000) + 1e-9,
        "lower",
        lambda: [graded],
        0.1,
        runs_code,
        architecture,
    )


def machine(wire=0.001, peak=1e9, flops=0):
    return types.SimpleNamespace(
        name="a processor",
        peak=peak,
        wire_seconds=lambda _: wire,
        work=lambda name, build, asked: operations.Work(1000, flops),
    )


def concluded(found, of=None, on=None):
    return verdict.conclude(of or subject(), "Reference", on or machine(), found, Secret(bytes(32)))


def test_an_honest_entry_has_its_ratio_times_and_sizes():
    timing = concluded(measured(2.0), subject(architecture=("draw", None)), machine(flops=10_000))
    assert (timing.status, timing.reason, timing.told_apart) == ("measured", "", True)
    ratio = timing.metrics["times_reference"]
    assert ratio.value == pytest.approx(2.0, rel=0.02)
    assert ratio.low < ratio.value < ratio.high < 2.1
    assert timing.metrics["milliseconds"].value == pytest.approx(20, rel=0.02)
    assert timing.metrics["milliseconds_single"].value == pytest.approx(4, rel=0.02)
    assert timing.metrics["throughput"].value == pytest.approx(ROWS / 0.02, rel=0.02)
    assert timing.metrics["floating_point_operations"].value == 10_000
    assert timing.metrics["parameters"].value == 1000
    assert timing.metrics["peak_memory"].value == 300
    assert timing.reference_milliseconds.value == pytest.approx(10, rel=0.02)
    assert timing.control.low < 1 < timing.control.high
    assert (timing.processes, timing.calls, timing.questions) == (6, 24, ROWS)
    assert timing.wire_milliseconds == 1.0


def test_a_difference_within_the_control_s_is_not_told_apart():
    assert not concluded(measured(1.0)).told_apart


def test_an_entry_of_which_most_is_transport_is_not_measurable():
    timing = concluded(measured(2.0), on=machine(wire=0.011))
    assert (timing.status, timing.fault, timing.told_apart) == ("not-measurable", "harness", False)
    assert "of a call's 19.9 ms is the cost of sending the question" in timing.reason
    assert timing.metrics["times_reference"].value == pytest.approx(2.0, rel=0.02)


def test_a_time_below_the_architecture_s_operations_at_the_machine_s_peak_is_void():
    # 30 million operations take 24 ms at 1.25 times a peak of a billion in a second.
    timing = concluded(measured(2.0), subject(architecture=("draw", None)), machine(flops=30_000_000))
    assert timing.status == "void"
    assert "floating-point operations" in timing.reason
    assert not timing.metrics
    assert concluded(measured(2.0), subject(architecture=("a", None)), machine(flops=20_000_000)).status == "measured"


def test_threads_that_work_between_calls_void_the_time():
    timing = concluded(measured(idle=0.05))
    assert (timing.status, timing.fault) == ("void", "submission")
    assert timing.reason.startswith("The model used 50 ms of processor time between the calls")
    assert concluded(measured(idle=0.001)).status == "measured"


def test_answers_that_are_worse_void_the_time():
    wrong = lambda noise: 2 * noise + 0.5  # noqa: E731  # a model
    timing = concluded(measured(answer=wrong), subject(wrong))
    assert timing.status == "void"
    assert "worse than the graded ones: 0.5" in timing.reason


def test_answers_that_can_t_be_marked_void_the_time():
    found = measured()

    def rate(answer):
        raise refuse("answers", "out-of-range", "The values lie in [0, 7].")

    found.questions[0][0] = TimedQuestion(found.questions[0][0].question, rate)
    timing = concluded(found)
    assert timing.reason == "An answer that was timed can't be marked: The values lie in [0, 7]."


def near(noise, by):
    return 2 * noise + by * np.float32(1e-2)


def test_answers_that_an_untimed_worker_does_not_give_void_the_time():
    of = subject(lambda noise: near(noise, 1))
    of.graded[:] = np.random.default_rng(0).random(1000)  # so that the scores say nothing
    timing = concluded(measured(), of)
    assert (timing.status, timing.reason) == ("void", audit.OTHER_ANSWERS)


def test_a_model_that_never_answers_twice_alike_is_not_accused():
    draws = iter(np.random.default_rng(1).random(10_000))
    of = subject(lambda noise: near(noise, next(draws)))
    of.graded[:] = np.random.default_rng(0).random(1000)
    timing = concluded(measured(), of)
    assert (timing.status, timing.fault) == ("not-measurable", "submission")
    assert "Draw noise from torch's or numpy's global generator" in timing.reason


def test_answers_that_are_others_among_graded_questions_void_the_time():
    # Knows a graded question by its number of rows.
    of = subject(lambda noise: near(noise, float(len(noise) > ROWS)))
    of.graded[:] = np.random.default_rng(0).random(1000)
    timing = concluded(measured(), of)
    assert timing.reason == f"{audit.OTHER_ANSWERS} They were asked among the graded questions."
    known = Subject(**{**of.__dict__, "runs_code": False})
    assert concluded(measured(), known).status == "measured"


def test_failures_are_the_side_s_on_which_they_lie():
    own = verdict.failed(refuse("worker", "crashed", "It crashed.").failure, "while it was timed")
    theirs = verdict.failed(refuse("worker", "crashed", "It crashed.").failure, "", harness=True)
    assert (own.status, own.fault, own.reason) == (
        "void",
        "submission",
        "The model failed while it was timed: It crashed.",
    )
    assert (theirs.status, theirs.fault) == ("not-measurable", "harness")
