"""The page of one submission: a verdict a part, evidence, figures, and a receipt to repeat it by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.decisions import sentence
from harness.numbers import finite, interval_text, number_text, points_text, unit_text
from harness.text import capitalised, many_lines, one_line, spoken
from harness.totals import earned, held_for, primary_metric, total
from harness.types import NOTHING_HANDED_IN, Evidence, Failure, Metric, Record, Status
from reports import sweeps
from reports.common import Verdict, data_label, data_notice, day, distinct, ranks, role_label, slug, verdict
from reports.drawing import Drawings, draw
from reports.index import display_name
from reports.learning import Learning, after, of_submission
from reports.notable import next_step, notable
from reports.pairs import Entries, Pair, pairs_of
from reports.plots import (
    IntervalFigure,
    RangeFigure,
    Tick,
    axis,
    common_scale,
    interval_figure,
    range_figure,
    range_text,
    threshold_text,
)
from reports.standing import Standing, Standings
from reports.timing import TimeView, time_view
from reports.titles import assignment_title, evidence_title, flags, gate_title, metric_title, part_title, task_title

_HERO_WIDTH = 360.0

_ADVICE_BY_KIND = {
    NOTHING_HANDED_IN: "Add these lines to submission.toml, with the name of your own file, and hand both in. Until "
    "then this part adds 0 points to the total.",
    "truncated": "The file ends too early. Save it again, compare its size with the original, and upload it once more.",
    "mismatch": "Save the whole state dict of exactly the coursework's architecture; the details list what differs.",
    "runs-code": "For the instructor: somebody made this file to do something where it is opened. Nothing of it "
    "was run here; do not open it with torch.load(…, weights_only=False). For the student: a checkpoint holds tensors "
    "alone, as torch.save(model.state_dict(), …) writes them.",
    "unsupported": "Save it with torch.save(model.state_dict(), …) and hand in that file.",
    "wrong-shape": "Return arrays of the shape in the message.",
    "out-of-range": "Return values in [0, 1]; the message says what was found.",
    "exception": "Your code raised an error; the details hold its traceback.",
    "not-finite": "Find the training step at which the loss became NaN or infinite, and hand in an earlier checkpoint.",
    "timeout": "The model took too long. Check that it samples in batches and doesn't wait for anything.",
    "memory": "The model took too much memory. Check the size of its batches and of its checkpoint.",
}
_ADVICE_BY_STAGE = {
    "intake": "Hand in one folder or zip of ordinary files, no links and no archives within archives.",
    "manifest": "Correct submission.toml as the message says, and check it again.",
    "checkpoint": "Save it with torch.save(model.state_dict(), …) and load it once yourself before handing it in.",
    "worker": "Run your code from a copy of the submission alone; the details hold the end of its output.",
    "answers": "Make your model return what the task asks for: the shape, the type and the range in the message.",
}
_HARNESS_ADVICE = (
    "This is not the submission's fault and nothing is held against it. The instructor repairs the cause and grades "
    "this part again."
)


@dataclass(frozen=True)
class MetricRow:
    """One measured number."""

    name: str
    unit: str
    value: str
    interval: str
    n: str
    better: str
    primary: bool


@dataclass(frozen=True)
class EvidenceRow:
    """One finding beside the score."""

    name: str
    state: str
    value: str
    range: str
    thresholds: str
    """Values from which it is unusual and flagged."""
    figure: RangeFigure | None
    message: str
    pairs: tuple[Pair, ...]
    """The other entries that it is about."""


@dataclass(frozen=True)
class FailureView:
    """The reason for a missing score, and advice."""

    title: str
    message: str
    advice: str
    where: str
    detail: str


@dataclass(frozen=True)
class TriedView:
    """All combinations of options that were tried, since neither weights nor manifest tell them."""

    names: tuple[str, ...]
    """Titles of the columns of `rows`' options."""
    metric: str
    rows: tuple[tuple[tuple[str, ...], str, bool], ...]
    """Options, value reached, and True for the one that was graded."""


@dataclass(frozen=True)
class Part:
    """One graded part."""

    anchor: str
    title: str
    subtitle: str
    notice: str
    role: str
    """Baseline or reference; empty for a student's entry."""
    earlier: bool
    """True for an earlier state of another part's model."""
    verdict: Verdict
    points: str
    provisional: bool
    """True where the points wait for the instructor's word."""
    held: str
    """The reason that the part is held; empty where it is not."""
    decision: str
    """The instructor's word and its day; empty for none."""
    of: str
    explanation: str
    flags: tuple[str, ...]
    headline: str
    headline_name: str
    headline_unit: str
    headline_interval: str
    members: str
    """The lowest and highest values that single members of the judge give; empty where no committee judges."""
    figure: IntervalFigure | None
    ticks: tuple[Tick, ...]
    metrics: tuple[MetricRow, ...]
    evidence: tuple[EvidenceRow, ...]
    """Unusual and flagged evidence."""
    clear: tuple[EvidenceRow, ...]
    gates: tuple[tuple[str, bool], ...]
    drawings: Drawings
    failure: FailureView | None
    notes: tuple[str, ...]
    tried: TriedView | None
    time: TimeView | None
    digests: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    timings: tuple[tuple[str, str], ...]
    command: str
    not_isolated: bool
    next_step: str
    """The next threshold and the distance to it; empty where there is none."""
    standing: Standing | None


@dataclass(frozen=True)
class SubmissionView:
    """One submission: all its parts."""

    name: str
    id: str
    role: str
    """Baseline or reference; empty for a student's submission."""
    notices: tuple[str, ...]
    learning: tuple[Learning, ...]
    sweeps: tuple[sweeps.Sweep, ...]
    parts: tuple[Part, ...]
    totals: tuple[tuple[str, str, bool], ...]
    """Points, full marks, and True where nothing is open, of each assignment and data set."""
    notable: tuple[tuple[str, str, str], ...]
    """Anchor and title of a part, and a sentence on what is worth looking at."""


def _evidence(evidence: Evidence, record: Record, results: Path, others: Entries) -> EvidenceRow:
    return EvidenceRow(
        capitalised(evidence_title(evidence)),
        evidence.state,
        number_text(evidence.value),
        range_text(evidence.low, evidence.high),
        threshold_text(evidence),
        range_figure(evidence),
        one_line(evidence.message, 600),
        pairs_of(evidence, record, results, others),
    )


def _failure(failure: Failure) -> FailureView:
    if failure.fault == "harness":
        advice = _HARNESS_ADVICE
    else:
        fallback = _ADVICE_BY_STAGE.get(failure.stage, "Correct what the message names and check the submission again.")
        advice = _ADVICE_BY_KIND.get(failure.kind, fallback)
    return FailureView(
        capitalised(spoken(failure.kind)) or "Failed",
        one_line(failure.message, 2000) or "No reason was recorded.",
        advice,
        spoken(failure.stage),
        many_lines(failure.detail),
    )


def check_command(record: Record) -> str:
    """A shell command by which its author grades a submission again; every value from the record is quoted."""
    options = [f"--assignment={one_line(record.assignment, 120)}", f"--seed={record.seed}", *_measured(record)]
    return "gradebench check SUBMISSION " + " ".join(shlex.quote(option) for option in options)


def regrade_command(record: Record) -> str:
    """A shell command that grades the submission again as it was; every value from the record is quoted."""
    options = [
        f"--assignment={one_line(record.assignment, 120)}",
        # Baselines and reference models are graded beside a class, not by their names.
        *([f"--only={one_line(record.submission, 120)}"] if ranks(record) else []),
        f"--task={one_line(record.task, 120)}",
        f"--seed={record.seed}",
        *_measured(record),
        "--fresh",
    ]
    return "gradebench grade SUBMISSIONS " + " ".join(shlex.quote(option) for option in options)


def _measured(record: Record) -> list[str]:
    return ["--full"] if record.full else []


def _title(record: Record) -> str:
    if record.earlier_of and record.epochs is not None and not record.part_title:
        return f"{capitalised(spoken(record.earlier_of))}, {after(record.epochs)}"
    return part_title(record)


def _tried(record: Record) -> TriedView | None:
    if not record.tried:
        return None
    names = distinct([name for one in record.tried for name in one.options])
    metric = primary_metric(record)
    unit = metric.unit if metric is not None else ""
    return TriedView(
        names,
        capitalised(metric_title(record.primary or "", metric)) if metric is not None else "Value",
        tuple(
            (
                tuple(one_line(one.options.get(name, "—"), 60) for name in names),
                number_text(one.value, unit) if one.value is not None else "could not be asked",
                one.chosen,
            )
            for one in record.tried
        ),
    )


def _members(metric: Metric | None) -> str:
    if metric is None or metric.by_member is None:
        return ""
    low, high = metric.by_member
    return interval_text(replace(metric, low=low, high=high, value=low))


def _decision(record: Record) -> str:
    if record.decision is None:
        return ""
    said = one_line(sentence(record.decision, earned(record)), 600)
    return f"{said} ({day(record.decision.decided_at)})"


def _better(better: str) -> str:
    return "higher is better" if better == "higher" else "lower is better"


def _part(number: int, record: Record, results: Path, others: Entries, standings: Standings, staff: bool) -> Part:
    metric = primary_metric(record)
    mark = finite(record.score.pass_mark) if record.score is not None else None
    scale = common_scale([metric] if metric is not None else [], mark, _HERO_WIDTH)
    headline = number_text(metric.value, metric.unit) if metric is not None else ""
    headline_unit = unit_text(metric.unit) if metric is not None else ""
    if not headline.endswith("%") and "\u202f" in headline:
        headline, headline_unit = headline.split("\u202f", 1)
    scored = record.score if record.status is not Status.NOT_GRADABLE or record.decision is not None else None
    title, task = _title(record), task_title(record)
    assignment, name = assignment_title([record]), one_line(record.assignment, 60)
    return Part(
        anchor=_anchor(number, record),
        title=title,
        subtitle=task if title != task else "",
        notice=data_notice(record.data),
        role=role_label(record),
        earlier=bool(record.earlier_of),
        verdict=verdict(record),
        points=points_text(scored.points) if scored is not None and (metric is not None or record.decision) else "",
        provisional=record.held,
        held=one_line(held_for(record), 1200),
        decision=_decision(record),
        of=points_text(scored.max_points) if scored is not None else "",
        explanation=one_line(scored.explanation, 600) if scored is not None else "",
        flags=flags(record),
        headline=headline,
        headline_name=capitalised(metric_title(record.primary or "", metric)),
        headline_unit=headline_unit,
        headline_interval=interval_text(metric) if metric is not None else "",
        members=_members(metric),
        figure=interval_figure(metric, mark, scale) if metric is not None else None,
        ticks=axis(scale, mark, metric.unit if metric is not None else ""),
        metrics=tuple(
            MetricRow(
                capitalised(metric_title(name, own)),
                unit_text(own.unit),
                number_text(own.value, own.unit),
                interval_text(own),
                f"{own.n:,}".replace(",", "\u202f"),
                _better(own.better),
                name == record.primary,
            )
            # In the task's own order, which puts together what belongs together.
            for name, own in sorted(record.metrics.items(), key=lambda item: item[0] != record.primary)
        ),
        evidence=tuple(_evidence(one, record, results, others) for one in record.findings if one.state != "clear"),
        clear=tuple(_evidence(one, record, results, others) for one in record.findings if one.state == "clear"),
        gates=tuple(
            (capitalised(gate_title(name, gate)), gate.holds)
            for name, gate in sorted(record.gates.items())
            if name not in {evidence.name for evidence in record.evidence}
        ),
        drawings=draw(record, results),
        failure=_failure(record.failure) if record.failure is not None else None,
        notes=tuple(one_line(note, 600) for note in record.notes),
        tried=_tried(record),
        time=time_view(record),
        digests=tuple(
            (capitalised(spoken(of)), one_line(digest, 200)) for of, digest in sorted(record.digests.items())
        ),
        facts=(
            ("Assignment", assignment if assignment == name else f"{assignment} ({name})"),
            ("Task", f"{one_line(record.task, 80)}, protocol {record.protocol}"),
            (
                "Handed in as",
                one_line(record.kind, 40) + (f", model {one_line(record.model, 80)}" if record.model else ""),
            ),
            ("Data", data_label(record.data)),
            ("Seed", str(record.seed)),
            *([("Measured", "all of the samples (--full)")] if record.full else []),
            ("Device", one_line(record.device, 120)),
            ("Isolation", one_line(record.isolation, 60)),
            ("Graded at", one_line(record.graded_at, 60)),
            ("Record schema", str(record.schema)),
        ),
        versions=tuple(
            (one_line(name, 60), one_line(version, 60)) for name, version in sorted(record.versions.items())
        ),
        timings=tuple(
            (capitalised(spoken(stage)), "—" if finite(seconds) is None else f"{seconds:.2f}\u202fs")
            for stage, seconds in sorted(record.timings.items())
        ),
        command=regrade_command(record) if staff or not ranks(record) else check_command(record),
        not_isolated=record.isolation == "NOT ISOLATED",
        next_step=next_step(record) if ranks(record) and not record.earlier_of else "",
        standing=standings.of(record) if not record.earlier_of else None,
    )


def _anchor(number: int, record: Record) -> str:
    return f"part-{number}-{slug(record.part)}"


def submission_view(
    records: Sequence[Record],
    results: Path,
    others: Entries | None = None,
    standings: Standings | None = None,
    staff: bool = False,
) -> SubmissionView:
    """The page of one submission from its records (at least one), parts in the order of the assignment.

    `others` are the site's records, to show a pair of which each resembles the other. `standings` places them among all
    others'; without it they stand alone. `staff` is True on the instructor's pages, whose receipts regrade one of a
    class.
    """
    ordered = sorted(
        records, key=lambda r: (r.assignment, r.data != "mnist", r.data, r.order, r.task, r.part, -r.protocol)
    )
    places = standings or Standings(records)
    notices = sorted({data_notice(record.data) for record in ordered} - {""})
    titled = [(_anchor(number, record), _title(record), record) for number, record in enumerate(ordered, start=1)]
    return SubmissionView(
        name=display_name(ordered[0]),
        id=one_line(ordered[0].submission, 120),
        role=role_label(ordered[0]),
        notices=tuple(notices),
        learning=of_submission(ordered),
        sweeps=sweeps.of_submission(ordered),
        parts=tuple(
            _part(number, record, results, others or {}, places, staff)
            for number, record in enumerate(ordered, start=1)
        ),
        totals=_totals(ordered) if ranks(ordered[0]) else (),
        notable=notable(titled) if ranks(ordered[0]) else (),
    )


def _totals(records: Sequence[Record]) -> tuple[tuple[str, str, bool], ...]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.assignment, record.data), []).append(record)
    sums = [total(own) for own in groups.values()]
    return tuple((points_text(one.points), points_text(one.full_marks), one.complete) for one in sums if one.full_marks)
