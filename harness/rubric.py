"""From marks to points: an assignment is a TOML file that states its parts, thresholds and gates.

name = "my-homework"
title = "My homework"
[[part]]
id = "cvae"                       # what an entry's `part` refers to
title = "Conditional VAE"
task = "conditional-generation"
points = 20
pass = 0.98                       # mark for "passed", in the unit of the task's primary metric
steps = [[0.98, 1.0]]             # from this value on, this share of the points
gates = ["diversity"]             # what must hold as well: conditions of the task, and flags not raised
models = ["cvae"]                 # architectures that may be handed in as weights
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.types import Marks, Metric, Score


class AssignmentError(Exception):
    """An assignment can't be used; the message names the file, the key, what was found and what is allowed."""


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

    @model_validator(mode="after")
    def _default_steps(self) -> Part:
        if not self.steps:
            object.__setattr__(self, "steps", [(self.pass_mark, 1.0)])
        return self


class Assignment(BaseModel):
    """A coursework: its parts and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    title: str
    source: str = ""
    part: Annotated[list[Part], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique_parts(self) -> Assignment:
        ids = [part.id for part in self.part]
        if doubled := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"part ids must be unique; found twice: {', '.join(doubled)}")
        return self

    @property
    def max_points(self) -> float:
        return sum(part.points for part in self.part)

    def part_for(self, part: str, task: str) -> Part | None:
        """The part that an entry answers: the one of its name, else the only one of its task."""
        named = [p for p in self.part if p.id == part and p.task == task]
        of_task = [p for p in self.part if p.task == task]
        return named[0] if named else of_task[0] if len(of_task) == 1 else None


def shipped() -> Mapping[str, Assignment]:
    """The assignments that come with gradebench, by name."""
    folder = resources.files("harness") / "assignments"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    found = [parse(f.read_bytes(), f.name) for f in files]
    return {assignment.name: assignment for assignment in found}


def find(name_or_file: str) -> Assignment:
    """A shipped assignment by name, or one in a TOML file."""
    if name_or_file in (known := shipped()):
        return known[name_or_file]
    path = Path(name_or_file)
    if path.is_file():
        return parse(path.read_bytes(), str(path))
    raise AssignmentError(f"{name_or_file!r} is neither a file nor one of {', '.join(known)}.")


def parse(text: bytes, name: str) -> Assignment:
    """An assignment from TOML; AssignmentError where it is malformed."""
    try:
        return Assignment.model_validate(tomllib.loads(text.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{name}: not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "top level"
        raise AssignmentError(
            f"{name}: {where}: {first['msg'].removeprefix('Value error, ')}; found {first['input']!r:.80}"
        ) from error


def score(part: Part, marks: Marks) -> Score:
    """Points for marks: the share of the best step reached, and none where a gate is shut."""
    metric = marks.metrics[marks.primary]
    if metric.value is None:
        return Score(0.0, part.points, False, f"{marks.primary} could not be measured.", part.pass_mark)
    shut = [gate for gate in part.gates if not marks.gates.get(gate, True)]
    if shut:
        return Score(
            0.0, part.points, False, f"The condition {' and '.join(shut)} does not hold: no points.", part.pass_mark
        )
    reached = [share for threshold, share in part.steps if _reaches(metric, threshold)]
    points = round(part.points * max(reached, default=0.0), 4)
    passed = _reaches(metric, part.pass_mark)
    name = marks.primary.replace("_", " ")
    sign = "≥" if metric.better == "higher" else "≤"
    return Score(
        points,
        part.points,
        passed,
        f"{name} {_show(metric.value, metric)}, pass mark {sign} {_show(part.pass_mark, metric)}: "
        f"{'reached' if passed else 'not reached'}.",
        part.pass_mark,
    )


def _reaches(metric: Metric, threshold: float) -> bool:
    value = metric.value
    if value is None:
        return False
    return value >= threshold if metric.better == "higher" else value <= threshold


def _show(value: float, metric: Metric) -> str:
    return f"{value:.2%}" if metric.unit == "share" else f"{value:.4g}"
