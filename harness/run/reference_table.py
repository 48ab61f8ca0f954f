"""The reference models graded like submissions: the assignment that takes them all, and the tables of MODELS.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from classifiers.card import replace_figures
from harness import rubric
from harness.rubric import Assignment, AssignmentError, Part
from harness.summary import EXIT_BELOW, EXIT_NOT_GRADABLE, EXIT_PASSED
from harness.tasks import TASKS
from harness.types import Entry, Metric, Record, Status, Submission

_BESIDE = {
    "conditional-generation": ("diversity",),
    "patch-inpainting": ("masked_mse_coursework", "plausibility"),
    "row-inpainting": ("mse_std", "masked_mse"),
    "half-inpainting": ("plausibility", "masked_mse_training"),
    "next-pixel": ("accuracy",),
    "one-pixel-inpainting": ("accuracy",),
    "two-by-two-inpainting": ("accuracy",),
    "symbol-prediction": ("cross_entropy", "bayes_cross_entropy"),
}
"""What a task's table shows beside its primary metric."""
_DATA = {"mnist": "MNIST", "digits": "Scikit-learn's digits, not MNIST"}
_OTHERS = 3
"""Metrics beside the primary one of a task that isn't listed there."""


def assignment(submissions: Sequence[Submission]) -> Assignment:
    """A part for each model, with the pass mark that a shipped assignment has for its task; no points are given.

    Raises AssignmentError where no shipped assignment has the task.
    """
    parts = [part for shipped in rubric.shipped().values() for part in shipped.part]
    chosen = [_part(entry, parts) for submission in submissions for entry in submission.entries]
    return Assignment(name="reference", title="The shipped reference models", part=chosen)


def _part(entry: Entry, parts: Sequence[Part]) -> Part:
    of_task = [part for part in parts if part.task == entry.task]
    taking = [part for part in of_task if entry.model in part.models] or of_task
    if not taking:
        raise AssignmentError(f"no shipped assignment has a part of the task {entry.task}, which {entry.part} is for")
    models = [entry.model] if entry.model else []
    return taking[0].model_copy(
        update={"id": entry.part, "title": entry.part, "models": models, "points": 0.0, "choice": "", "bonus": 0.0}
    )


def exit_code(records: Sequence[Record]) -> int:
    """0 everything was scored · 1 something failed by its own fault · 3 something could not be graded."""
    if not records or any(record.status is Status.NOT_GRADABLE for record in records):
        return EXIT_NOT_GRADABLE
    return EXIT_BELOW if any(record.status is Status.FAILED for record in records) else EXIT_PASSED


def rows(records: Sequence[Record]) -> list[tuple[str, str, str, str, str]]:
    """For a terminal: model, task, primary metric with its unit, interval, and seconds of answering."""
    found = []
    for record in records:
        metric = _primary(record)
        value = (
            record.status.value if metric is None else f"{_text(metric.value, metric)} {_spoken(record.primary or '')}"
        )
        seconds = f"{record.timings.get('answers', 0.0):.1f} s"
        found.append((_model(record), record.task, value, _interval(metric) if metric is not None else "", seconds))
    return found


def tables(records: Sequence[Record], data: str) -> str:
    """A Markdown table for each task, its models from the best to the worst, those without a score last."""
    lines: list[str] = []
    for name in [name for name in TASKS if any(record.task == name for record in records)]:
        lines += _table(name, [record for record in records if record.task == name], data)
    return "\n".join(lines) + "\n"


def write_table(path: Path, records: Sequence[Record], data: str) -> None:
    """Replace what stands between the two marks in `path` by the tables of these records."""
    replace_figures(path, tables(records, data))


def _table(task: str, records: Sequence[Record], data: str) -> list[str]:
    scored = [record for record in records if _primary(record) is not None]
    example = max(scored, key=lambda record: len(record.metrics), default=None)
    beside: list[str] = []
    about = "Nothing was scored"
    primary = TASKS[task].primary
    if example is not None and (metric := _primary(example)) is not None:
        primary = example.primary or primary
        others = [name for name in example.metrics if name != primary]
        beside = [name for name in _BESIDE.get(task, others[:_OTHERS]) if name in others]
        about = f"{_DATA.get(data, data)}, {metric.n:,} cases; {_spoken(primary)} in {_unit(metric)}, "
        about += f"{metric.better} is better"
        sign = -1 if metric.better == "higher" else 1
        scored.sort(key=lambda record: (sign * _value(record), record.part))
    head = ["model", _spoken(primary), "95 % interval", *map(_spoken, beside), "flags", "seconds", "weights' SHA-256"]
    lines = [f"### {TASKS[task].title}", "", f"{about}.", ""]
    lines += [_row(head), _row(["---"] * len(head))]
    for record in [*scored, *(record for record in records if _primary(record) is None)]:
        metric = _primary(record)
        digest = f"`{record.digests['checkpoint'][:16]}…`" if "checkpoint" in record.digests else ""
        if metric is None:
            reason = record.failure.message if record.failure is not None else "not measured"
            lines.append(_row([_model(record), f"{record.status.value}: {reason}", *[""] * (len(head) - 3), digest]))
            continue
        cells = [record.metrics.get(name) for name in beside]
        flags = ", ".join(evidence.name for evidence in record.evidence if evidence.flag)
        lines.append(
            _row(
                [
                    _model(record),
                    _text(metric.value, metric),
                    _interval(metric),
                    *("" if cell is None else _text(cell.value, cell) for cell in cells),
                    flags or "none",
                    f"{record.timings.get('answers', 0.0):.1f}",
                    digest,
                ]
            )
        )
    return [*lines, ""]


def _model(record: Record) -> str:
    """The weights' name; an entry for a second task has that task's name behind it, which the table says already."""
    return record.part.removesuffix(f"-{record.task}")


def _interval(metric: Metric) -> str:
    if metric.low is None or metric.high is None:
        return ""
    return f"{_text(metric.low, metric)} – {_text(metric.high, metric)}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _primary(record: Record) -> Metric | None:
    """The metric that a record is ranked by, where it was scored and measured."""
    metric = record.metrics.get(record.primary or "") if record.status is Status.SCORED else None
    return None if metric is None or metric.value is None else metric


def _value(record: Record) -> float:
    metric = _primary(record)
    if metric is None or metric.value is None:
        raise ValueError(f"{record.part} was not scored")
    return metric.value


def _spoken(name: str) -> str:
    return name.replace("_", " ").replace("mse", "MSE").replace("cross entropy", "cross-entropy")


def _unit(metric: Metric) -> str:
    return "percent" if metric.unit == "share" else metric.unit


def _text(value: float | None, metric: Metric) -> str:
    if value is None:
        return "not measured"
    return f"{value:.2%}" if metric.unit == "share" else f"{value:#.4g}".rstrip(".")
