"""What the page of one submission shows: a verdict a part, evidence, pictures, and a receipt to repeat it by."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.types import Evidence, Failure, Record, Status
from reports.cleaning import many_lines, one_line
from reports.common import Verdict, data_label, data_notice, house_label, is_house, slug, titled, verdict, words
from reports.figures import (
    IntervalFigure,
    RangeFigure,
    Tick,
    axis,
    common_scale,
    interval_figure,
    interval_text,
    number_text,
    points_text,
    range_figure,
    range_text,
    unit_text,
)
from reports.galleries import Gallery, Shown, galleries, single
from reports.index import display_name
from reports.leaderboard import finite, primary_metric
from reports.learning import Learning, after, of_submission
from reports.tables import Tables, draw

_HERO_WIDTH = 360.0

_ADVICE_BY_KIND = {
    "truncated": "The file ends too early. Save it again, compare its size with the original, and upload it once more.",
    "mismatch": "Save the whole state dict of exactly the coursework's architecture; the details list what differs.",
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
    flag: bool
    value: str
    range: str
    figure: RangeFigure | None
    message: str


@dataclass(frozen=True)
class FailureView:
    """Why there is no score, and what to do."""

    title: str
    message: str
    advice: str
    where: str
    detail: str


@dataclass(frozen=True)
class Part:
    """One graded part."""

    anchor: str
    title: str
    subtitle: str
    notice: str
    house: bool
    earlier: bool
    """Whether this is an earlier state of another part's model."""
    verdict: Verdict
    points: str
    of: str
    explanation: str
    flags: tuple[str, ...]
    headline: str
    headline_name: str
    headline_unit: str
    headline_interval: str
    figure: IntervalFigure | None
    ticks: tuple[Tick, ...]
    metrics: tuple[MetricRow, ...]
    evidence: tuple[EvidenceRow, ...]
    gates: tuple[tuple[str, bool], ...]
    pictures: tuple[Shown, ...]
    galleries: tuple[Gallery, ...]
    tables: Tables
    failure: FailureView | None
    notes: tuple[str, ...]
    digests: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    timings: tuple[tuple[str, str], ...]
    command: str
    not_isolated: bool


@dataclass(frozen=True)
class SubmissionView:
    """One submission: all its parts."""

    name: str
    id: str
    house: str
    """What a house row is called; empty for a submission."""
    notices: tuple[str, ...]
    learning: tuple[Learning, ...]
    parts: tuple[Part, ...]


def _evidence(evidence: Evidence) -> EvidenceRow:
    return EvidenceRow(
        titled(evidence.name),
        evidence.flag,
        number_text(evidence.value),
        range_text(evidence.low, evidence.high),
        range_figure(evidence),
        one_line(evidence.message, 600),
    )


def _failure(failure: Failure) -> FailureView:
    if failure.fault == "harness":
        advice = _HARNESS_ADVICE
    else:
        fallback = _ADVICE_BY_STAGE.get(failure.stage, "Correct what the message names and check the submission again.")
        advice = _ADVICE_BY_KIND.get(failure.kind, fallback)
    return FailureView(
        titled(failure.kind) or "Failed",
        one_line(failure.message, 2000) or "No reason was recorded.",
        advice,
        words(failure.stage),
        many_lines(failure.detail),
    )


def regrade_command(record: Record) -> str:
    """A shell command that grades the submission again as it was; every value from the record is quoted."""
    options = [
        f"--assignment={one_line(record.assignment, 120)}",
        # House rows are graded beside a class, not by their names.
        *([] if is_house(record) else [f"--only={one_line(record.submission, 120)}"]),
        f"--task={one_line(record.task, 120)}",
        f"--seed={record.seed}",
        "--fresh",
    ]
    return "gradebench grade SUBMISSIONS " + " ".join(shlex.quote(option) for option in options)


def _title(record: Record) -> str:
    if record.earlier_of and record.epochs is not None:
        return f"{titled(record.earlier_of)}, {after(record.epochs)}"
    return titled(record.part)


def _better(better: str) -> str:
    return "higher is better" if better == "higher" else "lower is better"


def _part(number: int, record: Record, results: Path) -> Part:
    metric = primary_metric(record)
    mark = finite(record.score.pass_mark) if record.score is not None else None
    scale = common_scale([metric] if metric is not None else [], mark, _HERO_WIDTH)
    headline = number_text(metric.value, metric.unit) if metric is not None else ""
    headline_unit = unit_text(metric.unit) if metric is not None else ""
    if not headline.endswith("%") and "\u202f" in headline:
        headline, headline_unit = headline.split("\u202f", 1)
    scored = record.score if record.status is not Status.NOT_GRADABLE else None
    task = words(record.task)
    return Part(
        anchor=f"part-{number}-{slug(record.part)}",
        title=_title(record),
        subtitle=task if words(record.part) != task else "",
        notice=data_notice(record.data),
        house=is_house(record),
        earlier=bool(record.earlier_of),
        verdict=verdict(record),
        points=points_text(scored.points) if scored is not None and metric is not None else "",
        of=points_text(scored.max_points) if scored is not None else "",
        explanation=one_line(scored.explanation, 600) if scored is not None else "",
        flags=tuple(words(evidence.name) for evidence in record.evidence if evidence.flag),
        headline=headline,
        headline_name=titled(record.primary or ""),
        headline_unit=headline_unit,
        headline_interval=interval_text(metric) if metric is not None else "",
        figure=interval_figure(metric, mark, scale) if metric is not None else None,
        ticks=axis(scale, mark, metric.unit if metric is not None else ""),
        metrics=tuple(
            MetricRow(
                titled(name),
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
        evidence=tuple(_evidence(one) for one in record.evidence),
        gates=tuple(
            (titled(name), holds)
            for name, holds in sorted(record.gates.items())
            if name not in {evidence.name for evidence in record.evidence}
        ),
        pictures=single(record, results),
        galleries=galleries(record, results),
        tables=draw(record),
        failure=_failure(record.failure) if record.failure is not None else None,
        notes=tuple(one_line(note, 600) for note in record.notes),
        digests=tuple((titled(of), one_line(digest, 200)) for of, digest in sorted(record.digests.items())),
        facts=(
            ("Assignment", one_line(record.assignment, 120)),
            ("Task", f"{one_line(record.task, 80)}, protocol {record.protocol}"),
            (
                "Handed in as",
                one_line(record.kind, 40) + (f", model {one_line(record.model, 80)}" if record.model else ""),
            ),
            ("Data", data_label(record.data)),
            ("Seed", str(record.seed)),
            ("Device", one_line(record.device, 120)),
            ("Isolation", one_line(record.isolation, 60)),
            ("Graded at", one_line(record.graded_at, 60)),
            ("Record schema", str(record.schema)),
        ),
        versions=tuple(
            (one_line(name, 60), one_line(version, 60)) for name, version in sorted(record.versions.items())
        ),
        timings=tuple(
            (titled(stage), "—" if finite(seconds) is None else f"{seconds:.2f}\u202fs")
            for stage, seconds in sorted(record.timings.items())
        ),
        command=regrade_command(record),
        not_isolated=record.isolation == "NOT ISOLATED",
    )


def submission_view(records: Sequence[Record], results: Path) -> SubmissionView:
    """The page of one submission from its records (at least one), in the order of assignment, data, task and part."""
    ordered = sorted(records, key=lambda r: (r.assignment, r.data != "mnist", r.data, r.task, r.part, -r.protocol))
    notices = sorted({data_notice(record.data) for record in ordered} - {""})
    return SubmissionView(
        name=display_name(ordered[0]),
        id=one_line(ordered[0].submission, 120),
        house=house_label(ordered[0]),
        notices=tuple(notices),
        learning=of_submission(ordered),
        parts=tuple(_part(number, record, results) for number, record in enumerate(ordered, start=1)),
    )
