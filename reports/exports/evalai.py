"""EvalAI's result of an evaluation: what `evaluate` returns, `{"result": [{split: {metric: number}}]}`.

The split's codename is the assignment's name; the metrics are those of Codabench's export. Each is a column of the
leaderboard where the challenge's schema names it. EvalAI marks a submission as failed where `evaluate` raises, so a
script raises where `error` has a sentence. Source: Cloud-CV/EvalAI, docs/source/evaluation_scripts.md and
scripts/workers/submission_worker.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.text import one_line
from harness.types import Record
from reports.exports.codabench import scores
from reports.exports.grades import Grade, Options
from reports.exports.single import write_each

FILE = "evalai.json"


def write(records: Sequence[Record], folder: Path, results: Path, options: Options) -> Path:
    """Write evalai.json for one submission, or evalai/<id>.json for each of a class."""
    return write_each(records, folder, options, FILE, lambda grade: document(grade, options))


def document(grade: Grade, options: Options) -> dict[str, Any]:
    """The result of one submission: one split; no result where the grade is open."""
    metadata = {"submission": grade.submission, "reason": one_line(grade.reason, 2000)}
    if grade.points is None:
        return {"result": [], "submission_metadata": metadata, "error": [metadata["reason"]]}
    split = grade.records[0].assignment
    return {"result": [{split: scores(grade, options)}], "submission_metadata": metadata, "error": []}
