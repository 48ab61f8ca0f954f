"""The place of one entry among all entries of its part, without naming anybody of the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.numbers import finite, mark_text, number_text
from harness.totals import primary_metric
from harness.types import Metric, Record
from reports.common import ranks
from reports.index import display_name
from reports.plots import Scale, Tick, axis, common_scale

_WIDTH = 360.0
_Key = tuple[object, ...]


@dataclass(frozen=True)
class Standing:
    """A strip of all entries; this one is marked, references are hollow, and the others are ticks without names."""

    width: float
    path: str
    """Ticks of the class's entries."""
    references: tuple[float, ...]
    x: float
    mark: float | None
    ticks: tuple[Tick, ...]
    label: str
    sentence: str


@dataclass
class _Board:
    """The values that were measured of one part by one protocol."""

    students: list[Metric] = field(default_factory=list)
    beside: list[tuple[str, Metric]] = field(default_factory=list)
    mark: float | None = None
    scale: Scale | None = None
    path: str = ""


class Standings:
    """The boards of all records of a site, each drawn once."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._boards: dict[_Key, _Board] = {}
        for record in records:
            metric = primary_metric(record)
            if metric is None or record.earlier_of:
                continue
            board = self._boards.setdefault(_key(record, metric), _Board())
            if ranks(record) and record.ranked:
                board.students.append(metric)
                board.mark = finite(record.score.pass_mark) if record.score is not None else board.mark
            elif not ranks(record):
                board.beside.append((display_name(record), metric))

    def of(self, record: Record) -> Standing | None:
        """The place of a record; None where nothing of it was measured, or nothing else was."""
        metric = primary_metric(record)
        board = self._boards.get(_key(record, metric)) if metric is not None else None
        if metric is None or metric.value is None or board is None or len(board.students) + len(board.beside) < 2:
            return None
        scale = self._drawn(board)
        others = [one.value for one in board.students if one.value is not None]
        sign = 1 if metric.better == "higher" else -1
        worse = sum(sign * value < sign * metric.value for value in others)
        better = sum(sign * value > sign * metric.value for value in others)
        said = []
        if ranks(record):
            # An entry that is held is none of those.
            same = len(others) - better - worse - record.ranked
            said.append(
                f"Of {len(others)} measured entries of the class, {better} {'is' if better == 1 else 'are'} better"
                + (f", {same} equal" if same > 0 else "")
                + f" and {worse} worse."
            )
        beside = "; ".join(f"{name} {number_text(one.value, metric.unit)}" for name, one in board.beside[:6])
        if beside:
            said.append(f"To be compared with: {beside}.")
        sentence = " ".join(said)
        marked = f", pass mark {mark_text(board.mark, metric.unit)}" if board.mark is not None else ""
        return Standing(
            scale.width,
            board.path,
            tuple(scale.x(one.value) for _, one in board.beside if one.value is not None),
            scale.x(metric.value),
            scale.x(board.mark) if board.mark is not None and scale.low <= board.mark <= scale.high else None,
            axis(scale, board.mark, metric.unit),
            f"This entry: {number_text(metric.value, metric.unit)}{marked}. {sentence}",
            sentence,
        )

    def _drawn(self, board: _Board) -> Scale:
        if board.scale is None:
            everybody = [*board.students, *(metric for _, metric in board.beside)]
            board.scale = common_scale(board.students or everybody, board.mark, _WIDTH, everybody)
            # One tick a pixel: of a thousand entries, most lie on one another.
            places = sorted({round(board.scale.x(one.value)) for one in board.students if one.value is not None})
            board.path = "".join(f"M{x} 6v16" for x in places)
        return board.scale


def _key(record: Record, metric: Metric) -> _Key:
    digests = (
        record.digests.get("data", ""),
        record.digests.get("judge", ""),
        record.digests.get("official cases", ""),
    )
    of = (record.assignment, record.data, record.task, record.part, record.protocol, record.seed, record.primary)
    return (*of, metric.version, metric.unit, metric.better, *digests)
