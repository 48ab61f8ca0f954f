"""Looks for what makes a time void: answers that are worse, or others than untimed ones, and work between the calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.secret import Secret
from harness.timing import agreement, protocol
from harness.timing.order import ENTRY
from harness.types import Answer, GradingError, Question

if TYPE_CHECKING:
    from harness.timing.measure import Measured, Subject

Objection = tuple[Literal["void", "not-measurable"], str]
"""The status that a timing has, and the sentence that says why."""

OTHER_ANSWERS = "The answers that were timed are not those that the model gives to the same questions untimed."


def objection(subject: Subject, measured: Measured, secret: Secret) -> Objection | None:
    """Return the first reason why the timed calls do not count; None where they do.

    GradingError where the harness fails.
    """
    return (
        _works_between_calls(measured)
        or _answers_worse(subject, measured, secret)
        or _answers_otherwise(subject, measured, secret)
    )


def _works_between_calls(measured: Measured) -> Objection | None:
    for process in measured.processes[ENTRY]:
        if process.idle > max(protocol.IDLE_SECONDS, protocol.IDLE_SHARE * process.working):
            return "void", (
                f"The model used {1e3 * process.idle:.0f} ms of processor time between the calls, and "
                f"{1e3 * process.working:.0f} ms within them: no thread may work on once an answer is given."
            )
    return None


def _answers_worse(subject: Subject, measured: Measured, secret: Secret) -> Objection | None:
    """Hold the scores of timed answers against the graded ones, separately for both sizes of calls."""
    calls, chosen = measured.plan.calls, secret.numbers("scored")
    for part in (range(calls), range(calls, calls + measured.plan.singles)):
        pairs = [(round_, call) for round_ in range(protocol.ROUNDS) for call in part]
        scores: list[agreement.Scores] = []
        for index in chosen.permutation(len(pairs)):
            if sum(map(len, scores)) >= protocol.SCORED_ROWS:
                break
            round_, call = pairs[index]
            try:
                answer = measured.processes[ENTRY][round_].calls[call].answer
                scores.append(measured.questions[round_][call].rate(answer))
            except GradingError as error:
                if error.failure.fault == "harness":
                    raise
                return "void", f"An answer that was timed can't be marked: {error.failure.message}"
        if scores and agreement.worse(np.concatenate(scores), subject.graded, subject.better):
            timed, graded = float(np.concatenate(scores).mean()), float(subject.graded.mean())
            return "void", f"The answers that were timed are worse than the graded ones: {timed:.4g}, not {graded:.4g}."
    return None


def _answers_otherwise(subject: Subject, measured: Measured, secret: Secret) -> Objection | None:
    """Ask some of the timed questions again: alone in a fresh worker, and, of code, hidden among graded questions."""
    questions, timed, processes = _asked_again(measured, secret)
    numbers = secret.numbers("again")
    try:
        once = _alone(subject, questions, numbers)
        if not agreement.agree(timed, once):
            if any(agreement.repeated(answers) for answers in processes):
                return "void", f"{OTHER_ANSWERS} They are answers to earlier questions."
            if not agreement.agree(once, _alone(subject, questions, numbers)):
                return "not-measurable", (
                    "The model does not give the same answer to the same question in another process, so the answers "
                    "that were timed can't be checked. Draw noise from torch's or numpy's global generator, which is "
                    "seeded before each question, or from one that is seeded in the method."
                )
            return "void", OTHER_ANSWERS
        if subject.runs_code and not _as_in_grading(subject, questions, timed, numbers):
            return "void", f"{OTHER_ANSWERS} They were asked among the graded questions."
    except GradingError as error:
        if error.failure.fault == "harness":
            raise
        return "void", f"The model failed when it was asked timed questions again, untimed: {error.failure.message}"
    return None


def _asked_again(measured: Measured, secret: Secret) -> tuple[list[Question], list[Answer], list[list[Answer]]]:
    """Some timed questions, as many as time allows, the answers that were timed, and those of each process."""
    plan, numbers = measured.plan, secret.numbers("asked again")
    everything = [(round_, call) for round_ in range(protocol.ROUNDS) for call in range(plan.calls + plan.singles)]
    chosen: list[tuple[int, int]] = []
    seconds = 0.0
    for index in numbers.permutation(len(everything)):
        round_, call = everything[index]
        seconds += measured.processes[ENTRY][round_].calls[call].seconds
        if len(chosen) >= protocol.ASKED_AGAIN or (len(chosen) >= 2 and seconds > protocol.AGAIN_SECONDS):
            break
        chosen.append((round_, call))
    questions = [measured.questions[round_][call].question for round_, call in chosen]
    timed = [measured.processes[ENTRY][round_].calls[call].answer for round_, call in chosen]
    return questions, timed, [[call.answer for call in process.calls] for process in measured.processes[ENTRY]]


def _alone(subject: Subject, questions: Sequence[Question], numbers: np.random.Generator) -> list[Answer]:
    """The answers of a fresh worker, on any core, to questions in random order."""
    answers: dict[int, Answer] = {}
    with subject.model() as worker:
        for index in numbers.permutation(len(questions)):
            answers[int(index)] = worker.ask(questions[index])
    return [answers[index] for index in range(len(questions))]


def _as_in_grading(
    subject: Subject, questions: Sequence[Question], timed: Sequence[Answer], numbers: np.random.Generator
) -> bool:
    """Tell whether timed answers are those that are given within a graded question, as nearly as these are repeated."""
    graded = [one for one in subject.graded_questions() if one.method == questions[0].method]
    if not graded:
        return True
    length = min(len(array) for array in graded[0].inputs.values())
    share = min(1.0, protocol.AGAIN_SECONDS / max(2 * subject.graded_seconds, 1e-9))
    rows = max(int(length * share), min(length, 2 * (graded[0].batch or 1)))
    given: list[Answer] = []
    for _ in range(2):
        # A worker that sees nothing but what a graded one sees.
        asked = agreement.as_in_grading(graded[0], questions, rows, numbers)
        if asked is None:
            return True
        question, places = asked
        with subject.model() as worker:
            answer = worker.ask(question, question.deadline)
        given.append({name: array[places] for name, array in answer.items()})
    return agreement.close_enough(agreement.rows_of(timed, len(places)), given[0], given[1])
