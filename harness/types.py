"""The domain in plain, frozen values: what is submitted, asked, answered, measured and recorded. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Answer = Mapping[str, Array]
"""A model's answer to one question: arrays by name, already checked against the question's `ArraySpec`s."""
Images = NDArray[np.float32]
"""Images (N, 1, 28, 28), gray values in [0, 1]."""
Mask = NDArray[np.bool_]
"""(N, 1, 28, 28), True where a pixel of an image is missing or corrupted."""


class Role(StrEnum):
    """Says on whose behalf a submission is graded. Only students earn points, are ranked and exported."""

    STUDENT = "student"
    BASELINE = "baseline"
    """A trivial answer that every real model should beat; computed by the harness itself."""
    REFERENCE = "reference"
    """A shipped reference model, asked and marked like a student's."""


ITSELF = "*"
"""The function of an entry's code, "sheet10.py:*", that stands for the module itself: its functions are the methods."""
HELD = "held"
"""The state of an entry that was scored and waits for the instructor's word."""
NOTHING_HANDED_IN = "not-handed-in"
"""The kind of failure of a required part for which nothing was handed in."""


class Status(StrEnum):
    """The outcomes of an entry. "Could not be graded" is neither a zero nor full marks."""

    SCORED = "scored"
    FAILED = "failed"
    """The submission is at fault; the reason is one that the student can act on."""
    NOT_GRADABLE = "not-gradable"
    """The harness or its environment is at fault; nothing is held against the submission."""
    NOT_HANDED_IN = "not-handed-in"
    """Nothing was handed in for a part that the assignment requires."""


class Kind(StrEnum):
    """The ways in which an entry brings its model."""

    WEIGHTS = "weights"
    """A checkpoint for an architecture that the coursework fixes; nothing of the submission runs."""
    CODE = "code"
    """The student's own Python, sandboxed."""
    OUTPUTS = "outputs"
    """Answers only."""
    BASELINE = "baseline"
    """A trivial answer of the harness's own, which nobody hands in."""


@dataclass(frozen=True)
class Failure:
    """The reason that an entry has no score."""

    stage: str
    """Stage in which it happened: intake, manifest, checkpoint, worker, answers, marking, scoring."""
    kind: str
    """A kebab-case word that a program can test: truncated, missing-tensor, timeout, not-finite …"""
    message: str
    """One or two sentences for the student: the file, key or tensor, what was found, what is allowed."""
    fault: Literal["submission", "harness"] = "submission"
    detail: str = ""
    """More for whoever looks closer: a list of tensors, the end of stderr, a traceback. Plain text."""

    @property
    def status(self) -> Status:
        if self.kind == NOTHING_HANDED_IN:
            return Status.NOT_HANDED_IN
        return Status.FAILED if self.fault == "submission" else Status.NOT_GRADABLE


class GradingError(Exception):
    """Ends the grading of one entry (or one submission), never of a run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def refuse(stage: str, kind: str, message: str, detail: str = "") -> GradingError:
    """An error that is the submission's; `raise refuse(...)`."""
    return GradingError(Failure(stage, kind, message, "submission", detail))


def broken(stage: str, kind: str, message: str, detail: str = "") -> GradingError:
    """An error that is the harness's or its environment's; `raise broken(...)`."""
    return GradingError(Failure(stage, kind, message, "harness", detail))


@dataclass(frozen=True)
class Entry:
    """One model for one task."""

    task: str
    kind: Kind
    part: str
    """Unique within the submission, and what an assignment's part refers to: "cvae", "cgan". Defaults to the
    model, or to the task where no model is named."""
    model: str | None = None
    """A key of the fixed architectures (`gradebench models`)."""
    file: str | None = None
    """The checkpoint or outputs file, relative to the submission's root, with forward slashes."""
    code: str | None = None
    """"path/to/file.py:function" for entries by code, "path/to/file.py:*" for a file whose own functions are asked, or
    a code of a starter layout, "starter:ebm".

    Of an entry by weights, the code beside them, which is asked where the file does not hold the model's weights alone.
    """
    options: Mapping[str, str] = field(default_factory=dict)
    epochs: int | None = None
    """After how many epochs of training the model was saved, where it is one of several that tell how it learns."""


@dataclass(frozen=True)
class Submission:
    """The hand-in of one student or team, after intake: regular files below `root`, nothing else."""

    id: str
    name: str
    root: Path
    entries: tuple[Entry, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the manifest, and of each file that an entry names, by its path relative to `root`."""
    failure: Failure | None = None
    """The reason that the submission as a whole can't be graded: an unreadable archive, a manifest error."""
    notes: tuple[str, ...] = ()
    """Sentences for the student about what intake tolerated or passed over."""
    folder_id: str = ""
    """The id that its place gives, where the manifest claims another; on a clash the place's owner keeps an id."""
    place: str = ""
    """Place of the hand-in: a platform's seat, "moodle:12345", or a digest of the class's root, "/" and the name."""
    role: Role = Role.STUDENT


@dataclass(frozen=True)
class ArraySpec:
    """The shape and type of an answer, known before it is asked for, so that nothing sent is ever believed."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    """numpy's name of the type."""
    low: float | None = None
    """Smallest value allowed, if any; NaN and infinity never are."""
    high: float | None = None

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Outcome(IntEnum):
    """The ways in which a call of a student's function ends."""

    NUMBERS = 0
    NAN = 1
    INFINITE = 2
    RAISED = 3
    MISSHAPEN = 4
    """Something else than numbers of the shape that was asked for."""
    MISSING = 5
    """There is no function of that name."""
    DIFFERENTIATED = 6
    """The function called automatic differentiation, where that is not allowed."""


@dataclass(frozen=True)
class Call:
    """A question to a plain function instead of a model's method (`harness.student_code.functions`).

    The answers are "value", float64 (N, ...), and "outcome", int8 (N,), the `Outcome` of each of the N cases, whose
    value is 0 where it is not NUMBERS. A function that is missing or fails ends no entry.
    """

    aliases: tuple[str, ...] = ()
    """Names beside the question's method under which the function is found; case and underscores don't matter."""
    cases: bool = True
    """True where the inputs' first dimension counts cases: the function is called with one case at a time or, where it
    is vectorised, with all. False for one call with the inputs as they are, integers and floats as Python numbers."""
    differentiates: bool = False
    """True where gradients are enabled; else the function runs in inference mode, without automatic differentiation."""
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Networks that are further arguments: their layers, "hardtanh" or the name of a linear layer whose inputs are
    `name.weight` and `name.bias`. The value is then the returned loss, followed by its gradient in all parameters."""


@dataclass(frozen=True)
class Question:
    """One call of the model's interface: its method, its arguments, and the shape of what must come back."""

    method: str
    """A method of the task's interface (harness.tasks.interfaces): "sample", "inpaint" …"""
    inputs: Mapping[str, Array]
    """Arguments, in order, by name."""
    answers: Mapping[str, ArraySpec]
    batch: int | None = None
    """Rows of the inputs that the model sees at a time; None for all at once."""
    deadline: float | None = None
    """Seconds for the whole answer; None for the run's limit."""
    optional: bool = False
    """A failure to answer is noted, and the answer left empty. Only a sitting's last questions may be optional."""
    call: Call | None = None
    """The way to call a plain function; None for a method of the model."""
    sitting: int = 0
    """Questions of one sitting are put to one worker, in order; those of another to a fresh one, which has seen nothing
    of the first. A model can keep no memory from one sitting to another."""


@dataclass(frozen=True)
class Along:
    """A metric's place on a curve over several parts, which are asked for more and more of something."""

    axis: str
    """The quantity in words: "numbers in a code"."""
    value: float
    curve: str = ""
    """Name of the curve; the model's where it is empty."""


@dataclass(frozen=True)
class Metric:
    """A measured number with its uncertainty. `value` is None where it could not be measured; never NaN."""

    value: float | None
    unit: str
    better: Literal["higher", "lower"]
    n: int
    low: float | None = None
    """Ends of the 95 % interval."""
    high: float | None = None
    version: int = 1
    """Version of the metric's definition; unequal versions are never ranked together."""
    title: str = ""
    """Name as a person writes it, in lower case but for abbreviations: "masked MSE", "cross-entropy over 28 pixels"."""
    beside: bool = False
    """True for a metric that compact tables, such as those of MODELS.md, show beside the primary one."""
    along: Along | None = None
    """Its place on a curve over several parts."""
    by_member: tuple[float, float] | None = None
    """The lowest and the highest value that a single member of the judge gives; None where no committee judges."""
    tolerance: float | None = None
    """Largest difference between two gradings of one hand-in on different machines or versions; None for what
    `harness.run.verify` allows any metric. On the same machine, with the same versions, nothing differs."""


@dataclass(frozen=True)
class Evidence:
    """Something that stands beside the score, and changes points only where the rubric says so."""

    name: str
    flag: bool
    value: float | None
    low: float | None
    """Range in which real data lie, or the bound that the value is held against."""
    high: float | None
    message: str = ""
    """One sentence for a person: what was measured and what it means."""
    title: str = ""
    """Name as a person writes it: "mode collapse"."""
    others: tuple[tuple[str, str, str], ...] = ()
    """Role, submission and part of the other entries that it is about, where an entry was compared with others."""
    unusual: bool = False
    """True where the statistic is out of its range, but for a reason that may be honest, so that no flag is raised."""
    integrity: bool = False
    """True where a flag says that the score may not have been earned: it holds the entry for the instructor to decide
    (`harness.rubric`)."""
    flagged_from: float | None = None
    """The value at which the flag is raised, where that is one value."""
    unusual_from: float | None = None
    """The value from which, towards `flagged_from`, the evidence is unusual. Needs `flagged_from`."""

    def __post_init__(self) -> None:
        if self.unusual_from is not None and self.flagged_from in (None, self.unusual_from):
            raise ValueError(f"{self.name}: unusual_from needs a flagged_from that it differs from")

    @property
    def state(self) -> Literal["clear", "unusual", "flagged"]:
        """Verdict in one word. An unusual entry loses nothing.

        >>> ratio = Evidence("spread", False, 0.4, 0.9, 1.1, flagged_from=0.25, unusual_from=0.5)
        >>> ratio.state
        'unusual'
        """
        if self.flag:
            return "flagged"
        return "unusual" if self.unusual or self._is_beyond() else "clear"

    def _is_beyond(self) -> bool:
        if self.value is None or self.unusual_from is None or self.flagged_from is None:
            return False
        if self.flagged_from > self.unusual_from:
            return self.value >= self.unusual_from
        return self.value <= self.unusual_from


FigureKind = Literal["picture", "bars", "matrix", "histogram", "line", "bands", "table"]


@dataclass(frozen=True)
class Figure:
    """Something to show on a submission's page; it says itself how it is drawn and what is to be seen in it.

    A task makes it with arrays in `data`; in a record these are lists, and a picture's pixels are a file.

    | kind | data |
    |---|---|
    | picture | pixels: uint8 (H, W), bright is ink |
    | bars | values (N,); optional gate (N,), which each value must exceed, and real (N,), what real data give |
    | matrix | counts (N, N), rows by truth, columns by judgement |
    | histogram | counts (B,), edges (B + 1,) |
    | line | values (N,) by index |
    | bands | panels (P, steps, K): probabilities over time, panels side by side in pairs |
    | table | values, one- or two-dimensional |
    """

    name: str
    """Kebab-case, unique among the figures of a record; part of a picture's file name."""
    kind: FigureKind
    title: str
    data: Mapping[str, Any]
    caption: str = ""
    """Explains what is to be seen, in whole sentences."""
    columns: tuple[str, ...] = ()
    """Titles of a picture's or table's columns, of the K bands, or of the P panels."""
    series: tuple[str, ...] = ()
    """Titles of the K bands of each panel."""
    x: str = ""
    """Title of the horizontal axis."""
    y: str = ""
    unit: str = ""
    """Unit of the values; "share" is shown in percent."""
    group: str = ""
    """Pictures of one group stand together under this title, with the first one's caption."""
    strip: tuple[float, float] = (0.0, 0.0)
    """Begin and end of the strip of a picture that stands beside an entry on the leaderboard, as shares of the
    height from the top; equal for none."""
    file: str = ""
    """A picture's PNG, relative to the results folder; only in a record."""


@dataclass(frozen=True)
class Gate:
    """A condition that a rubric may require."""

    holds: bool
    title: str = ""
    """Name as a person writes it."""


@dataclass(frozen=True)
class Marks:
    """The result of marking: everything that a task measures in the answers."""

    metrics: Mapping[str, Metric]
    primary: str
    """The metric that the task is ranked by."""
    evidence: tuple[Evidence, ...] = ()
    figures: tuple[Figure, ...] = ()
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """Conditions that a rubric may require, by name; evidence is a gate of its own name, which a flag shuts."""
    scores: Array | None = None
    """The primary metric question by question, (n,) float64: what entries are compared by. Its order is the same for
    all entries that were asked the same."""


@dataclass(frozen=True)
class Tried:
    """Options that neither weights nor manifest tell, and what a model with them reached on a few questions."""

    options: Mapping[str, str]
    value: float | None
    """In the metric of the trial; None where the model could not be asked with these options."""
    chosen: bool = False


@dataclass(frozen=True)
class Score:
    """The result of scoring: the points that the rubric gives for the marks of one part."""

    points: float
    max_points: float
    passed: bool
    explanation: str
    """One sentence: which threshold was or wasn't reached."""
    pass_mark: float | None = None
    """Value of the primary metric at which the rubric passes, where it has one; only drawn, never graded by."""
    choice: str = ""
    """Parts that share this word are alternatives: the best counts in full, each other by its `bonus`."""
    bonus: float = 0.0
    """Points that full marks add where another part of the choice counts."""
    borderline: bool = False
    """True where some members of the judge, alone, say passed and others not."""
    shut: tuple[str, ...] = ()
    """Titles of the conditions that do not hold, for which there are no points."""
    open_points: float = 0.0
    """Points for the time of a model that could not be measured: neither given nor refused; the instructor decides."""
    optional: bool = False
    """True where the points come on top of the assignment's full marks."""
    held: tuple[str, ...] = ()
    """Titles of the flags for which the points are provisional until the instructor decides."""
    unconditional: tuple[float, bool] | None = None
    """The points, and True for passed, where no condition and no flag counts: what accepting the entry gives."""
    next_step: tuple[float, float] | None = None
    """Value of the primary metric from which the rubric gives more points, and how many; None where no value does."""


def counted(scores: Sequence[Score]) -> list[float]:
    """The points that each of a submission's parts adds to its sum.

    That is all of them, but for parts that are alternatives to each other: of these the one with the most points
    counts, and each other adds the share of its bonus that it reached of its points.

    >>> ebm, flow = (Score(points, 20, True, "", choice="one", bonus=5) for points in (10, 20))
    >>> counted([Score(3, 4, True, ""), ebm, flow])
    [3, 2.5, 20]
    """
    best: dict[str, int] = {}
    for index, score in enumerate(scores):
        if score.choice and (score.choice not in best or score.points > scores[best[score.choice]].points):
            best[score.choice] = index
    return [
        score.points
        if best.get(score.choice, index) == index
        else round(score.bonus * score.points / score.max_points, 4)
        if score.max_points
        else 0.0
        for index, score in enumerate(scores)
    ]


@dataclass(frozen=True)
class Timing:
    """The measured time of an entry's model beside a reference model's, and why it counts or does not.

    Measured by the parent's clock, on one core (harness.timing; docs/timing.md). The score of the entry stands whatever
    its timing says.
    """

    status: Literal["measured", "void", "not-measurable"]
    """"void" where the answers that were timed do not count: they were worse than the graded ones, or not those that
    the model gives untimed."""
    reason: str
    """One sentence for the student; empty where the time was measured."""
    fault: Literal["submission", "harness"] = "harness"
    """The side that the reason lies on, where the status is not "measured"."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """milliseconds (a call with the task's batch), milliseconds_single (a call with one row), times_reference (the
    ratio that entries are ranked by), throughput, parameters, floating_point_operations (of a call with the task's
    batch), peak_memory. Those that are not known are left out; all may be empty where the status is not "measured"."""
    reference: str = ""
    """Title of the reference model that the entry was timed against."""
    reference_milliseconds: Metric | None = None
    """Time of the reference model for a call with the same batch."""
    control: Metric | None = None
    """Ratio of the reference model's time to its own in a second set of processes (A/A), 1 on a quiet machine."""
    told_apart: bool = False
    """True where entry and reference differ by more than chance and by more than the reference from itself."""
    error: float | None = None
    """Standard error of the natural logarithm of times_reference, with `processes` − 1 degrees of freedom."""
    wire_milliseconds: float | None = None
    """Time of a call of the same shapes to a model that does nothing; contained in `milliseconds`, not subtracted."""
    processes: int = 0
    """Fresh processes of the entry; the reference had twice as many."""
    calls: int = 0
    """Timed calls with the task's batch, over all processes of the entry."""
    questions: int = 0
    """Rows in one such call."""
    machine: str = ""
    """Name of the processor."""
    seed: str = ""
    """SHA-256 of the secret seed that the timed questions were drawn with."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """"protocol", the version of the timing protocol, and of "python", "torch" and "numpy"."""
    key: str = ""
    """SHA-256 of all that decides what was timed; an entry of an equal key is not timed again."""
    measured_at: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Decision:
    """The instructor's word on an entry, in place of the rubric's (harness.decisions)."""

    submission: str
    part: str
    verdict: Literal["accept", "reject", "points"]
    """"accept": the points that the answers give, whatever conditions and flags say; "reject": none."""
    points: float | None
    """The points given, where the verdict is "points"."""
    reason: str
    about: str
    """SHA-256 of the hand-in's marks (`harness.decisions.about`). The word holds for these alone."""
    decided_at: str
    """UTC, ISO 8601."""
    schema: int = 1


@dataclass(frozen=True)
class Record:
    """The grading of one entry, as kept on disk (harness.records). A leaderboard is derived from these alone."""

    submission: str
    name: str
    role: Role
    part: str
    task: str
    kind: str
    model: str | None
    assignment: str
    protocol: int
    """Version of the task's protocol."""
    status: Status
    failure: Failure | None
    score: Score | None
    primary: str | None
    metrics: Mapping[str, Metric]
    evidence: tuple[Evidence, ...]
    gates: Mapping[str, Gate]
    figures: tuple[Figure, ...]
    data: str
    """Name of the data: "mnist" or "digits" (scikit-learn's). Records of different data never share a leaderboard."""
    seed: int
    keys: Mapping[str, str]
    """By stage (try, ask, mark, score), the SHA-256 of all that decides its result: equal keys, equal results."""
    digests: Mapping[str, str]
    """SHA-256 by what it is of: "data", "judge", "checkpoint", "questions", "answers", "grader" …"""
    versions: Mapping[str, str]
    """Versions of packages: gradebench, python, torch, numpy …"""
    device: str
    isolation: str
    """full, reduced, minimal, or NOT ISOLATED."""
    timings: Mapping[str, float]
    """Seconds by stage; not part of what must repeat."""
    place: str = ""
    """The platform's seat or the folder that the submission came from (`Submission.place`)."""
    entry: str = ""
    """The entry's own name in the submission (`Entry.part`), where it is not the assignment's part."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the model, as the manifest states them, or as they were chosen by trial."""
    tried: tuple[Tried, ...] = ()
    """All combinations of the options that the manifest does not state; empty where it states them all."""
    trial_answers: str = ""
    """File of the kept answers of the trial, relative to the results folder."""
    arrays: str = ""
    """File of the arrays beside the record, relative to the results folder: per-question scores and the sketch."""
    answers: str = ""
    """File of the kept answers, relative to the results folder; empty where they were not kept."""
    stage_notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By stage (intake, ask, mark), what was tolerated, in sentences for the student."""
    compared: tuple[Evidence, ...] = ()
    """Evidence from comparing the entry with the others of its class."""
    epochs: int | None = None
    """After how many epochs of training the model was saved; records of one model that have this make a learning
    curve."""
    earlier_of: str = ""
    """The part whose model this is at an earlier time; such a record is on its learning curve, and never ranked."""
    assignment_title: str = ""
    part_title: str = ""
    task_title: str = ""
    model_title: str = ""
    """Title of the architecture that `model` names, as `gradebench models` lists it."""
    full_marks: float = 0.0
    """Points of the whole assignment at full marks, a bonus apart: what a total is out of."""
    order: int = 0
    """Place of the part in the assignment, from 0: pages show parts in the sheet's order."""
    graded_at: str = ""
    """UTC, ISO 8601; not part of what must repeat."""
    timing: Timing | None = None
    """None where the entry was not to be timed; not part of what must repeat."""
    worth: float = 0.0
    """Points of the part at full marks, which an entry without a score has, too."""
    machine: str = ""
    """Name of the processor that a student's entry was graded on; not part of what must repeat."""
    decision: Decision | None = None
    """The instructor's word on these marks."""
    by_rubric: Score | None = None
    """The score as the rubric gave it, where the instructor decided otherwise or confirmed it."""
    full: bool = False
    """True where all that can be measured of samples was to be measured, by `--full`."""
    schema: int = 2

    @property
    def findings(self) -> tuple[Evidence, ...]:
        """All evidence: of the entry alone, and from comparing it with others."""
        return (*self.evidence, *self.compared)

    @property
    def held(self) -> bool:
        """True while the points are provisional, because of a flag that the instructor has not decided about."""
        return self.status is Status.SCORED and self.score is not None and bool(self.score.held)

    @property
    def ranked(self) -> bool:
        """False where a flag of integrity, or the instructor, says that the score was not earned, or may not be."""
        score = self.score
        if self.held or (self.decision is not None and self.decision.verdict == "reject"):
            return False
        if score is None or not any(one.flag and one.integrity for one in self.findings):
            return True
        # Of flagged entries, those rank whose points the flag did not cost.
        earned = score.unconditional[0] if score.unconditional is not None else 0.0
        return not score.shut and not (self.decision is not None and score.points < earned)

    @property
    def state(self) -> str:
        """The entry's state in a word: "held", or its status."""
        return HELD if self.held else self.status.value

    @property
    def notes(self) -> tuple[str, ...]:
        """All notes, in the order of the stages."""
        return tuple(note for notes in self.stage_notes.values() for note in notes)
