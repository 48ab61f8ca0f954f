"""From marks to points: an assignment is a TOML file that states its parts, thresholds and gates.

name = "my-homework"
title = "My homework"
on_flag = "hold"                  # what a flag of integrity does: "hold" the entry until the instructor decides, give
                                  # "zero" points, or "note" it beside the score
hide_until = 2026-12-01T18:00:00+01:00   # pages for everybody show no scores before (docs/publishing.md)
[[part]]
id = "cvae"                       # what an entry's `part` refers to
title = "Conditional VAE"
task = "conditional-generation"
points = 20
pass = 0.98                       # mark for "passed", in the unit of the task's primary metric
steps = [[0.98, 1.0]]             # from this value on, this share of the points
gates = ["diversity"]             # what must hold as well: conditions of the task, and flags not raised
models = ["cvae"]                 # architectures that may be handed in as weights
metric = "accuracy"               # what steps and pass mark refer to, if not the task's primary metric
choice = "vae-or-gan"             # parts with the same word are alternatives: the best of them counts in full …
bonus = 5                         # … and each other adds this, times the share of its points that it earned
optional = true                   # may be left out; its points are a bonus, beside the full marks
deadline = 600                    # seconds for the answer to each question, in place of those that the task allows
options = { code = "10" }         # what every entry of the part has, such as the size of a code
epochs = 5                        # after how many epochs of training the model is saved, for the learning curve
on_flag = "note"                  # in place of the assignment's own
[[part.timing]]                   # what the model's time is worth (docs/timing.md), at most one of these rows
at_most = 2.0                     # times that of the task's reference model …
points = 5                        # … gives points beside those above, to a model that reaches the pass mark
[[part]]
id = "cvae-1"                     # may be left out, is worth nothing and ranks nowhere:
earlier_of = "cvae"               # the same model …
epochs = 1                        # … as it was after one epoch
title = "Conditional VAE after one epoch"
task = "conditional-generation"
points = 0
pass = 0.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness import hiding
from harness.numbers import plain_number
from harness.types import Evidence, Marks, Metric, Score, Timing, broken


class AssignmentError(Exception):
    """An assignment can't be used; the message names the file, the key, what was found and what is allowed."""


OnFlag = Literal["hold", "zero", "note"]
"""The effect of a flag of integrity that is no gate of the part: it holds the entry until the instructor decides, gives
no points, or stands beside the score."""


class TimeStep(BaseModel):
    """Points for a model's time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_most: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Largest ratio to the time of the task's reference model."""
    points: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Points in all, beside those for the answers; of several steps, the one with the most points counts."""


class Part(BaseModel):
    """One part of an assignment: a task, and what reaching a value of its primary metric is worth."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    title: str
    task: str
    points: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    pass_mark: Annotated[float, Field(alias="pass", allow_inf_nan=False)]
    steps: list[tuple[float, Annotated[float, Field(ge=0, le=1)]]] = []
    gates: list[str] = []
    models: list[str] = []
    """Architectures that may be handed in as weights; any of the task's if empty."""
    metric: str | None = None
    """Metric that `pass_mark` and `steps` refer to; the task's primary one if absent."""
    options: dict[str, str] = {}
    """Options of every entry of the part, such as the size of a code that the task asks for. A hand-in need not state
    them, and can't state others; a reference model stands in the part only if it has them."""
    choice: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]{0,39})?$")] = ""
    bonus: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    optional: bool = False
    """True where the part may be left out and its points come on top of the full marks."""
    deadline: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds in which a handed-in model has to answer each question; what the task allows if absent."""
    epochs: Annotated[int, Field(ge=0)] | None = None
    """After how many epochs of training the model of this part is saved."""
    earlier_of: str = ""
    """The part whose model this is at an earlier time, with fewer epochs; it may be left out."""

    timing: list[TimeStep] = []
    on_flag: OnFlag | None = None
    """The effect of a flag of integrity; the assignment's own rule if absent."""

    @property
    def max_points(self) -> float:
        """Points of full marks: for the answers and for their time."""
        return self.points + max((step.points for step in self.timing), default=0.0)

    @model_validator(mode="after")
    def _default_steps(self) -> Part:
        if not self.steps:
            object.__setattr__(self, "steps", [(self.pass_mark, 1.0)])
        return self

    @model_validator(mode="after")
    def _ordered_steps(self) -> Part:
        thresholds = [threshold for threshold, _ in sorted(self.steps, key=lambda step: step[1])]
        pairs = list(pairwise(thresholds))
        if not (all(a < b for a, b in pairs) or all(a > b for a, b in pairs)):
            raise ValueError("the thresholds of steps must rise, or fall, as their shares of the points rise")
        return self

    @model_validator(mode="after")
    def _ordered_times(self) -> Part:
        steps = sorted(self.timing, key=lambda step: step.points)
        if not all(a.at_most > b.at_most and a.points < b.points for a, b in pairwise(steps)):
            raise ValueError("at_most of timing must fall as its points rise")
        return self

    @model_validator(mode="after")
    def _bonus_of_a_choice(self) -> Part:
        if self.bonus and not self.choice:
            raise ValueError("bonus is for parts with a choice")
        if self.optional and (self.choice or self.earlier_of):
            raise ValueError("optional is for parts without choice and earlier_of, which may be left out anyway")
        return self


class Assignment(BaseModel):
    """A coursework: its parts and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    title: str
    source: str = ""
    on_flag: OnFlag = "hold"
    """The effect of a flag of integrity in every part that does not state it itself."""
    hide_until: datetime | None = None
    """Pages for everybody show no scores before this moment; it has a time zone."""
    part: Annotated[list[Part], Field(min_length=1)]

    @field_validator("hide_until", mode="before")
    @classmethod
    def _with_zone(cls, value: object) -> datetime | None:
        return None if value is None else hiding.moment(value)

    @model_validator(mode="after")
    def _rule_of_parts(self) -> Assignment:
        for part in self.part:
            if part.on_flag is None:
                object.__setattr__(part, "on_flag", self.on_flag)
        return self

    @model_validator(mode="after")
    def _unique_parts(self) -> Assignment:
        ids = [part.id for part in self.part]
        if doubled := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"part ids must be unique; found twice: {', '.join(doubled)}")
        return self

    @model_validator(mode="after")
    def _alternatives(self) -> Assignment:
        choices = [part.choice for part in self.part if part.choice]
        if lonely := [choice for choice in choices if choices.count(choice) == 1]:
            raise ValueError(f"a choice needs two parts or more; found one of {lonely[0]!r}")
        return self

    @model_validator(mode="after")
    def _earlier_parts(self) -> Assignment:
        for part in self.part:
            if not part.earlier_of:
                continue
            later = next((p for p in self.part if p.id == part.earlier_of), None)
            if later is None or later.task != part.task or later.earlier_of:
                raise ValueError(
                    f"{part.id}: earlier_of must name another part of the task {part.task}; found {part.earlier_of!r}"
                )
            if part.max_points or part.epochs is None or later.epochs is None or part.epochs >= later.epochs:
                raise ValueError(f"{part.id}: an earlier part has no points, and fewer epochs than {later.id}")
        return self

    @property
    def max_points(self) -> float:
        """Points of full marks: of alternatives the best one's. A bonus and optional parts come on top."""
        best: dict[str, float] = {}
        for part in (part for part in self.part if not part.optional):
            key = part.choice or f"part {part.id}"
            best[key] = max(part.max_points, best.get(key, 0.0))
        return sum(best.values())

    def part_for(self, part: str, task: str, options: Mapping[str, str] | None = None) -> Part | None:
        """The part that an entry answers: the one of its name, else the only one of its task, else the only one of
        its task that takes the architecture of this name, for that is an entry's name by default. Where several take
        it, it is the only one of those with options of their own that the entry has all options of.
        """
        of_task = [p for p in self.part if p.task == task]
        last = [p for p in of_task if not p.earlier_of]
        named = [p for p in of_task if p.id == part] or (last if len(last) == 1 else [])
        taking = [p for p in last if part in p.models]
        if len(taking) > 1:
            taking = [p for p in taking if p.options and p.options.items() <= (options or {}).items()]
        return named[0] if named else taking[0] if len(taking) == 1 else None


def parse(text: bytes, name: str) -> Assignment:
    """An assignment from TOML; AssignmentError where it is malformed."""
    try:
        return Assignment.model_validate(tomllib.loads(text.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        said = hiding.malformed(text.decode("utf-8", "replace")) or f"not valid TOML: {error}"
        raise AssignmentError(f"{name}: {said}") from error
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == (hiding.KEY,):
            raise AssignmentError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from error
        where = ".".join(str(step) for step in first["loc"]) or "top level"
        raise AssignmentError(
            f"{name}: {where}: {first['msg'].removeprefix('Value error, ')}; found {first['input']!r:.80}"
        ) from error


def score(
    part: Part,
    marks: Marks,
    timing: Timing | None = None,
    compared: Sequence[Evidence] = (),
    on_flag: OnFlag | None = None,
) -> Score:
    """Give points for marks: the share of the best step reached, and none where a gate is shut; and those for time.

    A flag of integrity, in the marks or in what comparing the class found (`compared`), holds the entry where no gate
    is shut. `on_flag` is in place of the part's rule.

    Raises GradingError where the assignment names a metric that the task does not have.
    """
    name = part.metric or marks.primary
    if name not in marks.metrics:
        message = f"The part {part.id} is marked by {name!r}, which {part.task} does not measure; it measures "
        raise broken("scoring", "no-metric", f"{message}{', '.join(marks.metrics)}.")
    metric = marks.metrics[name]
    spoken = metric.title or name
    # An earlier state of a model is worth nothing that could be held back.
    rule = "note" if part.earlier_of else on_flag or part.on_flag or "hold"
    flags = tuple(one.title or one.name for one in (*marks.evidence, *compared) if one.flag and one.integrity)
    earned = _earned(part, metric, spoken)
    time = _for_time(part, earned.passed, timing)
    free = Score(
        round(part.points * earned.share + time.points, 4),
        part.max_points,
        earned.passed,
        f"{earned.explanation} {time.explanation}".strip(),
        part.pass_mark if name == marks.primary else None,
        part.choice,
        part.bonus,
        earned.borderline,
        open_points=time.open,
        optional=part.optional,
        next_step=_next_step(part, metric, earned.share) if name == marks.primary else None,
    )
    free = replace(free, unconditional=(free.points, free.passed))
    if metric.value is None:
        return free
    shut = tuple(
        marks.gates[gate].title or gate for gate in part.gates if gate in marks.gates and not marks.gates[gate].holds
    )
    flagged = flags if rule == "zero" else ()
    if shut or flagged:
        titles = tuple(dict.fromkeys((*shut, *flagged)))
        why = f"{_one_of('the condition', 'the conditions', shut)} not hold" if shut else ""
        if raised := [title for title in flagged if title not in shut]:
            why += f"{'; ' * bool(why)}{_one_of('the flag', 'the flags', raised, 'is', 'are')} raised"
        said = f"{spoken} {_shown(metric, metric.value)}, but 0 points: {why}."
        no_time = _for_time(part, False, timing).explanation
        return replace(
            free, points=0.0, passed=False, explanation=f"{said} {no_time}".strip(), borderline=False, shut=titles,
            open_points=0.0,
        )  # fmt: skip
    return replace(free, held=flags if rule == "hold" else ())


class _Earned(NamedTuple):
    """The share of the points that a metric reaches, whatever conditions and flags say."""

    share: float
    passed: bool
    explanation: str
    borderline: bool = False


def _earned(part: Part, metric: Metric, spoken: str) -> _Earned:
    if metric.value is None:
        return _Earned(0.0, False, f"{spoken} could not be measured.")
    passed = _reaches(metric, part.pass_mark)
    sign = "≥" if metric.better == "higher" else "≤"
    reached = max(((share, at) for at, share in part.steps if _reaches(metric, at)), default=(0.0, part.pass_mark))
    explanation = f"{spoken} {_shown(metric, metric.value)}, pass mark {sign} {_shown(metric, part.pass_mark)}: "
    explanation += "reached." if passed else "not reached."
    if len(part.steps) > 1:
        above = min((step for step in ((share, at) for at, share in part.steps) if step[0] > reached[0]), default=None)
        explanation += f" {reached[0]:.0%} of the points"
        explanation += f" for {sign} {_shown(metric, reached[1])}" if reached[0] else ""
        explanation += f"; {above[0]:.0%} for {sign} {_shown(metric, above[1])}." if above else "."
    borderline = _is_borderline(metric, part.pass_mark)
    if borderline and metric.by_member is not None:
        low, high = metric.by_member
        explanation += f" Borderline: single members of the judge give {_shown(metric, low)} to {_shown(metric, high)}."
    return _Earned(reached[0], passed, explanation, borderline)


def _shown(metric: Metric, value: float | None) -> str:
    return plain_number(value, metric.unit, short=True)


def _one_of(one: str, many: str, titles: Sequence[str], is_: str = "does", are: str = "do") -> str:
    return f"{one if len(titles) == 1 else many} {' and '.join(titles)} {is_ if len(titles) == 1 else are}"


def _next_step(part: Part, metric: Metric, share: float) -> tuple[float, float] | None:
    """The nearest value from which there are more points than `share` of them, and those points."""
    higher = [(at, own) for at, own in part.steps if own > share and not _reaches(metric, at)]
    if metric.value is None or not higher:
        return None
    at, own = min(higher, key=lambda step: (step[1], abs(step[0])))
    return at, round(part.points * own, 4)


class _Time(NamedTuple):
    """Points for time: those given, those that stay open, and the sentence that says so."""

    points: float = 0.0
    open: float = 0.0
    explanation: str = ""


def _for_time(part: Part, passed: bool, timing: Timing | None) -> _Time:
    """Give points for a model's time.

    What could not be measured, or told from a threshold, stays open: a ratio that exceeds the threshold by less than
    the reference model's time differed from itself in the same minutes.
    """
    if not part.timing:
        return _Time()
    most = part.max_points - part.points
    if not passed:
        return _Time(explanation="Points for time are given to models that reach the pass mark.")
    if timing is None:
        return _Time(open=most, explanation=f"{plain_number(most, short=True)} points for time: not measured yet.")
    if timing.status == "void" or (timing.status == "not-measurable" and timing.fault == "submission"):
        return _Time(explanation=f"No points for time. {timing.reason}")
    ratio = timing.metrics.get("times_reference")
    if ratio is None or ratio.value is None:
        return _Time(open=most, explanation=f"Points for time are open. {timing.reason}")
    steps = sorted(part.timing, key=lambda step: step.at_most)
    said = f"Time {plain_number(ratio.value, short=True)} × that of {timing.reference}"
    given = next((step for step in steps if ratio.value <= step.at_most), None)
    points = given.points if given is not None else 0.0
    reached = f"≤ {given.at_most:g}: {plain_number(points, short=True)} points" if given is not None else ""
    if timing.status == "not-measurable" and given is not steps[0]:
        return _Time(points, most - points, f"{said}. {timing.reason} More points for time are open.")
    nearly = next((step for step in steps if ratio.value <= step.at_most * _noise(timing.control)), None)
    if nearly is not None and nearly.points > points:
        doubt = f"this machine can't tell it from {nearly.at_most:g}, so the points for that are open"
        return _Time(points, nearly.points - points, f"{said}{', ' * bool(reached)}{reached}; {doubt}.")
    return _Time(points, explanation=f"{said}, {reached or f'allowed is {steps[-1].at_most:g}: no points for time'}.")


def _noise(control: Metric | None) -> float:
    """The ratio, 1 or more, up to which the reference model's time differs from itself."""
    if control is None:
        return 1.0
    ends = [end for end in (control.value, control.low, control.high) if end is not None and end > 0]
    return max((max(end, 1 / end) for end in ends), default=1.0)


def _is_borderline(metric: Metric, threshold: float) -> bool:
    """Tell whether the pass mark lies between what the judge's lowest and highest members give."""
    if metric.by_member is None:
        return False
    low, high = (replace(metric, value=value) for value in metric.by_member)
    return _reaches(low, threshold) != _reaches(high, threshold)


def _reaches(metric: Metric, threshold: float) -> bool:
    value = metric.value
    if value is None:
        return False
    return value >= threshold if metric.better == "higher" else value <= threshold
