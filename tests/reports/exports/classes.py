"""A class of 120 mixed submissions as each platform exports it, taken in, and the records that grading might leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from harness.types import NOTHING_HANDED_IN, Failure, Record, Submission
from tests.harness.intake.handed_in import collect, team, write, zipped
from tests.reports.examples import cgan, scored, unscored

SIZE = 120
FULL = 40.0
NAMES = ["Ada Lovelace", "Jo_van_Dyk", "O'Neil, Tip", "=cmd|' /C calc'!A0", "Åsa Öberg", "Łukasz <b>Bold</b>"]
"""Names of the first students; the others are numbered."""


def name_of(index: int) -> str:
    return NAMES[index] if index < len(NAMES) else f"Student {index:03}"


def number_of(index: int) -> int:
    return 5000 + 7 * index


def handed_in(platform: str, tmp_path: Path) -> list[Submission]:
    """Every eighth student handed in a PDF; all of them are collected from the platform's own zip."""
    files: dict[str, str | bytes] = {}
    metadata = []
    for index in range(SIZE):
        name, number = name_of(index), number_of(index)
        content, inner = (b"%PDF", "report.pdf") if index % 8 == 7 else (zipped(team()), "hw3.zip")
        if platform == "moodle":
            files[f"{name.replace('/', ' ')}_{number}_assignsubmission_file_/{inner}"] = content
        elif platform == "canvas":
            files[f"student{index:03}_{'LATE_' * (index % 5 == 0)}{number}_{90000 + index}_{inner}"] = content
        else:
            files[f"export/submission_{number}/{inner}"] = content
            metadata.append(f"submission_{number}:\n  :submitters:\n  - :name: {json.dumps(name)}\n")
    if metadata:
        files["export/submission_metadata.yml"] = "---\n" + "".join(metadata)
    return collect(tmp_path, write(tmp_path, {"class.zip": zipped(files)}) / "class.zip")


def records_of(submissions: list[Submission]) -> list[Record]:
    """Records of two parts of 20 points each: passed, below, failed, not gradable, not handed in, held, untimed."""
    found = []
    for submission in submissions:
        index = (int(submission.id) - 5000) // 7
        own = {"place": submission.place, "full_marks": FULL}
        first = scored(submission.id, submission.name, 0.5 + index / 300, **own)
        score = first.score
        assert score is not None
        first = replace(first, score=replace(score, points=round(20 * index / SIZE, 4), passed=index > 60), figures=())
        second = replace(cgan(scored(submission.id, submission.name, 0.99, **own)), figures=())
        if submission.failure is not None:
            first = unscored(submission.id, submission.name, submission.failure, **own)
            second = cgan(unscored(submission.id, submission.name, submission.failure, **own))
        elif index % 12 == 1:
            harness = Failure("worker", "crashed", "The sandbox could not be made.", fault="harness")
            second = cgan(unscored(submission.id, submission.name, harness, **own))
        elif index % 12 == 2:
            second = missing(second)
        elif index % 12 == 3:
            first, second = missing(first), missing(second)
        elif index % 12 == 6:
            assert second.score is not None
            second = replace(second, score=replace(second.score, held=("mode collapse",)))
        elif index % 12 == 4:
            assert second.score is not None
            second = replace(second, score=replace(second.score, open_points=2.0))
        found += [first, second]
    return found


def missing(record: Record) -> Record:
    """The same part, not handed in."""
    nothing = Failure("intake", NOTHING_HANDED_IN, "Nothing was handed in for this part.")
    keep = {"part": record.part, "order": record.order, "part_title": record.part_title, "model": record.model}
    own = {"place": record.place, "full_marks": record.full_marks}
    return unscored(record.submission, record.name, nothing, **keep, **own)


def expected(index: int) -> float | None:
    """Points of the total by the rules, without the code: None where no number may be exported."""
    first, second = round(20 * index / SIZE, 4), 20.0
    if index % 8 == 7:
        return 0.0
    if index % 12 in (1, 3, 4, 6):
        return None
    return round(first + (0 if index % 12 == 2 else second), 4)
