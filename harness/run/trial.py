"""Tries options that neither weights nor manifest tell: all combinations, on a few questions; the best one is graded.

A ReLU after a concatenation is in no state dict. To assume it away, or there, wrongs the honest student who did
otherwise, so both are asked. The answers for each choice are kept: marking them makes the choice, and the full question
is asked with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from harness.numbers import plain_number
from harness.run import workers
from harness.run.deadlines import deadline_of
from harness.run.plan import Planned
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.tasks.base import Task, Trial
from harness.text import shown
from harness.types import Answer, Evidence, GradingError, Kind, Metric, Record, Role, Tried

if TYPE_CHECKING:
    from reference.options import Values

Options = Mapping[str, str]
MOST = 32
"""Combinations that are tried; further ones are left out."""
_SHELTER = (
    " This counts as unusual, not as a flag: the options were chosen by trial, and with none of them the model comes "
    "near the mark, so that an option or the model may be another. State the options in submission.toml."
)


@dataclass(frozen=True)
class Choice:
    """The outcome of a trial."""

    options: Options
    """The options to grade with, those that the manifest states among them."""
    tried: tuple[Tried, ...]
    note: str
    """A sentence for the student; empty where no option mattered."""
    answers: Sequence[Sequence[Answer] | None] | None = None
    """The answers for each choice; None where they are known from an earlier run."""
    file: str = ""
    """The file of the answers that an earlier run kept."""
    doubtful: bool = False
    """True where even the best choice is so far from the mark that an option or the model may be another."""


def combinations(planned: Planned, run: Run) -> list[Options]:
    """Return all options that an entry may have meant; one set where the manifest states them, or none can be tried.

    The first set has the defaults. Options that are numbers take their defaults: they say how a model is asked, not
    what it is.
    """
    entry = planned.entry
    stated = dict(entry.options)
    if planned.failure is not None or entry.kind is not Kind.WEIGHTS or planned.submission.role is not Role.STUDENT:
        return [stated]
    if entry.model is None or not hasattr(run.coursework.task(entry.task), "trial"):
        return [stated]
    silent = _silent(run.coursework.description(entry.model).options, stated)
    found = [stated | dict(zip(silent, values, strict=True)) for values in product(*silent.values())]
    return list(found[:MOST])


def ask(
    planned: Planned, run: Run, trial: Trial, choices: Sequence[Options], warm: WeightsWorkers, content: bytes
) -> list[Sequence[Answer] | None]:
    """Ask the model the trial's questions with each choice of options; None where it can't be asked with one."""
    entry = planned.entry
    name = shown(entry.file or entry.part)
    found: list[Sequence[Answer] | None] = []
    run.activity.at("trying options")
    for options in choices:
        try:
            with workers.for_weights(run, warm) as worker:
                worker.open_weights(entry.model or "", options, content, name)
                asked = [worker.ask(q, deadline_of(q, planned, run)) for q in trial.questions]
            found.append(asked)
        except GradingError as error:
            if error.failure.fault == "harness":
                raise
            found.append(None)
            if error.failure.stage == "checkpoint":
                # What can't be read with one choice of options can't be with another.
                return [None] * len(choices)
    return found


def choose(trial: Trial, choices: Sequence[Options], answers: Sequence[Sequence[Answer] | None]) -> Choice:
    """Rate the answers for each choice and take the best; of equals the first, so the defaults if nothing matters."""
    metrics = [None if given is None else _rated(trial, given) for given in answers]
    measured = [(index, m.value) for index, m in enumerate(metrics) if m is not None and m.value is not None]
    if not measured:
        return Choice(choices[0], tuple(Tried(options, None) for options in choices), "")
    example = next(m for m in metrics if m is not None)
    sign = -1.0 if example.better == "higher" else 1.0
    best = min(measured, key=lambda pair: (sign * pair[1], pair[0]))[0]
    tried = tuple(
        Tried(options, None if m is None else m.value, index == best)
        for index, (options, m) in enumerate(zip(choices, metrics, strict=True))
    )
    note = _note(tried, choices[best], example, sign)
    return Choice(choices[best], tried, note, answers)


def is_doubtful(task: Task, tried: Sequence[Tried]) -> bool:
    """Tell whether options mattered and no choice of them comes near enough to the mark for flags to count."""
    best = next((one.value for one in tried if one.chosen), None)
    mattered = len({one.value for one in tried}) > 1
    trusted_from: float | None = getattr(task, "trusted_from", None)
    return mattered and trusted_from is not None and best is not None and best < trusted_from


def sheltered(evidence: Sequence[Evidence], choice: Choice | None) -> tuple[Evidence, ...]:
    """Return the evidence, in which flags are unusual at most where the choice of options is doubtful."""
    if choice is None or not choice.doubtful:
        return tuple(evidence)
    return tuple(
        replace(one, flag=False, unusual=True, message=one.message + _SHELTER) if one.flag else one for one in evidence
    )


def shared(choices: Sequence[Options]) -> Options:
    """Return the options in which all choices agree: those that the manifest states, which a trial is planned with."""
    return {name: value for name, value in choices[0].items() if all(one.get(name) == value for one in choices)}


def choice_of(record: Record) -> Choice | None:
    """Return the choice that a record keeps; None where nothing was tried."""
    if not record.tried:
        return None
    note = next(iter(record.stage_notes.get("try", ())), "")
    return Choice(record.options, record.tried, note, None, record.trial_answers)


def _rated(trial: Trial, answers: Sequence[Answer]) -> Metric | None:
    try:
        return trial.rate(answers)
    except GradingError:
        return None


def _note(tried: Sequence[Tried], chosen: Options, metric: Metric, sign: float) -> str:
    """A sentence on the choice, the runner-up, and the line that states it; empty where no option matters."""
    best = next(one.value for one in tried if one.chosen)
    matter = [name for name in chosen if any(_differs_in(name, one, chosen) and one.value != best for one in tried)]
    others = [one for one in tried if one.value is not None and one.value != best]
    if not matter or not others or best is None:
        return ""
    second = min(others, key=lambda one: sign * (one.value or 0.0))
    said = " and ".join(f"{name} = {chosen[name]}" for name in matter)
    other = " and ".join(f"{name} = {second.options[name]}" for name in matter)
    line = ", ".join(f'{name} = "{chosen[name]}"' for name in matter)
    return (
        f"The weights don't tell, and the manifest doesn't state, {' and '.join(matter)}: all {len(tried)} "
        f"combinations were tried on {metric.n} questions, and the best is graded: {said} ({metric.title} "
        f"{plain_number(best, metric.unit)}; next: {other}, {plain_number(second.value, metric.unit)}). To state it, "
        f"write options = {{ {line} }} in submission.toml."
    )


def _differs_in(name: str, one: Tried, chosen: Options) -> bool:
    """Tell whether a choice differs from the chosen one in this option and no other."""
    return {key for key, value in one.options.items() if value != chosen[key]} == {name}


def _silent(options: Mapping[str, Values], stated: Options) -> dict[str, tuple[str, ...]]:
    """The options with several words that the manifest does not state."""
    return {name: values for name, values in options.items() if isinstance(values, tuple) and name not in stated}
