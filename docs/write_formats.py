"""Writes the tables of docs/formats.md that follow from the code: `python docs/write_formats.py`.

A table stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`, and what is between them is replaced. Needs
gradebench and nothing of Sphinx. A test fails while page and code differ.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness import records, rubric, types
from harness.intake.platforms import PLATFORMS
from harness.numbers import plain_number
from harness.run import class_file
from harness.tasks import TASKS, task
from harness.text import capitalised
from reports.exports import EXPORTS
from reports.exports.csv import HEADER

PAGE = Path(__file__).with_name("formats.md")
RECORD = (
    types.Record, types.Metric, types.Along, types.Evidence, types.Gate, types.Figure, types.Score, types.Failure,
    types.Decision, types.Tried, types.Timing,
)  # fmt: skip
"""The classes that a record's JSON is made of, the record first."""
PLAIN = {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Any": "value"}
UNDOCUMENTED = {
    "Record.submission": "id of the submission",
    "Record.name": "name of the student or team",
    "Record.role": "on whose behalf it was graded",
    "Record.part": "part of the assignment",
    "Record.task": "name of the task",
    "Record.kind": "weights, code, outputs or baseline",
    "Record.model": "name of the architecture, of an entry by weights",
    "Record.assignment": "name of the assignment",
    "Record.status": "outcome of the entry",
    "Record.failure": "the reason, where there is no score",
    "Record.score": "points and verdict, where there are some",
    "Record.primary": "the metric that the part is ranked by",
    "Record.metrics": "what was measured, by name",
    "Record.evidence": "signs that the score was not earned, of the entry alone",
    "Record.gates": "conditions that the assignment may name, by name",
    "Record.figures": "what is drawn on the page",
    "Record.assignment_title": "title of the assignment",
    "Record.part_title": "title of the part",
    "Record.task_title": "title of the task",
    "Record.seed": "seed of the questions",
    "Record.device": "cpu",
    "Record.schema": f"version of this format, {records.SCHEMA}; a record of another one is not read",
    "Along.value": "place on the axis",
    "Metric.value": "the number; null where it could not be measured",
    "Metric.unit": "unit of the value; share is shown in percent",
    "Metric.better": "direction in which a model is better",
    "Metric.n": "number of cases",
    "Metric.high": "the upper end",
    "Evidence.name": "kebab-case name",
    "Evidence.flag": "true where the sign was found",
    "Evidence.value": "the statistic",
    "Evidence.high": "upper end of that range",
    "Gate.holds": "true where the condition is met",
    "Figure.kind": "the way in which it is drawn",
    "Figure.title": "heading",
    "Figure.data": "numbers by name: those of a bars figure are values, gate and real",
    "Figure.y": "title of the vertical axis",
    "Score.points": "points given",
    "Score.max_points": "full marks of the part",
    "Score.passed": "true where the pass mark is reached",
    "Failure.fault": "the side that it lies on",
    "Decision.submission": "id of the submission",
    "Decision.part": "part of the assignment",
    "Decision.reason": "shown to the student",
    "Decision.schema": "version of this format",
    "Tried.options": "the combination",
    "Tried.chosen": "true for the one that was graded",
}
"""Words for fields whose names say all in the code."""


@dataclass(frozen=True)
class Field:
    """A field of a dataclass: its name, its type as JSON has it, and its docstring's first sentence."""

    name: str
    type: str
    says: str


def fields(module: ModuleType, name: str) -> list[Field]:
    """The fields of a class in a module's source, in order."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name).body
    found = []
    for index, node in enumerate(body):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        after = body[index + 1] if index + 1 < len(body) else None
        told = UNDOCUMENTED.get(f"{name}.{node.target.id}", "")
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            told = _first_sentence(str(after.value.value))
        found.append(Field(node.target.id, json_type(node.annotation), told))
    return found


def json_type(node: ast.expr) -> str:
    """An annotation in the words of JSON.

    >>> json_type(ast.parse("Mapping[str, tuple[float, ...]] | None", mode="eval").body)
    'object of lists of numbers, or null'
    """
    return _type(node, False)


def _type(node: ast.expr, many: bool) -> str:
    if isinstance(node, ast.BinOp):
        return ", or ".join(_type(side, many) for side in (node.left, node.right))
    if isinstance(node, ast.Constant):
        return "null"
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Mapping":
            return f"object{'s' * many} of {_type(inner[1], True)}"
        if node.value.id == "Literal":
            return ", ".join(f"`{one.value}`" for one in inner if isinstance(one, ast.Constant))
        if len(inner) == 2 and isinstance(inner[1], ast.Constant):
            return f"list{'s' * many} of {_type(inner[0], True)}"
        return f"list{'s' * many} of {len(inner)} {_type(inner[0], True)}"
    name = node.id if isinstance(node, ast.Name) else ast.unparse(node)
    if name in PLAIN:
        return f"{PLAIN[name]}{'s' * (many and PLAIN[name] != 'true or false')}"
    if name in ("Role", "Status", "FigureKind"):
        kinds = types.FigureKind.__args__ if name == "FigureKind" else getattr(types, name)  # type: ignore[attr-defined]  # mypy sees no arguments of an alias
        return ", ".join(f"`{one}`" for one in kinds)
    return f"[{name.lower()}](#{name.lower()})"


def _first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line, as a cell of a table."""
    line = " ".join(text.split())
    line = re.split(r"(?<=[a-z0-9)”\"])\. ", line)[0].removesuffix(".").replace("|", "\\|")
    return re.sub(r"\b(None|True|False)\b", lambda match: {"None": "null"}.get(match[0], match[0].lower()), line)


def record_tables() -> str:
    """A table of fields for each class of a record."""
    found = []
    for each in RECORD:
        heading = "" if each is types.Record else f"#### {each.__name__}\n\n"
        rows = [
            f"| `{field.name}` | {field.type} | {capitalised(field.says)} |" for field in fields(types, each.__name__)
        ]
        found.append(heading + "\n".join(["| field | type | says |", "|---|---|---|", *rows]))
    return "\n\n".join(found)


def answers() -> str:
    """The arrays of each task that takes answers without a model."""
    rows = ["| task | array | shape | type | values |", "|---|---|---|---|---|"]
    for name in TASKS:
        for array, spec in (task(name).outputs or {}).items():
            ends = [plain_number(end, "", short=True) if end is not None else "any" for end in (spec.low, spec.high)]
            values = "any finite" if ends == ["any", "any"] else f"{ends[0]} to {ends[1]}"
            rows.append(f"| `{name}` | `{array}` | {spec.shape} | {spec.dtype} | {values} |")
    return "\n".join(rows)


def listed(registry: Mapping[str, tuple[str, str]], head: str) -> str:
    """A registry's names and summaries."""
    rows = [f"| `{name}` | {summary} |" for name, (_, summary) in registry.items()]
    return "\n".join([f"| {head} | |", "|---|---|", *rows])


def example_of(module: ModuleType) -> str:
    """The TOML in a module's docstring, indented there or not, as a block."""
    lines = (inspect.getdoc(module) or "").splitlines()
    first = next(number for number, line in enumerate(lines) if re.match(r"\s*\w+ = ", line))
    text = textwrap.dedent("\n".join(lines[first:]))
    return f"```toml\n{text}\n```"


def columns() -> str:
    """The columns of scores.csv."""
    return ", ".join(f"`{name}`" for name in HEADER) + "."


def summary_of_an_example() -> str:
    """The document that `--json` prints, of one made-up entry."""
    from harness.mnist import MNIST, Digits
    from harness.rubric import Assignment, Part
    from harness.summary import summary

    part = Part.model_validate(
        {"id": "cvae", "title": "VAE", "task": "conditional-generation", "points": 25, "pass": 0.98}
    )
    accuracy = types.Metric(0.9615, "share", "higher", 10_000, 0.9576, 0.9651, title="accuracy", by_member=(0.95, 0.97))
    collapse = types.Evidence(
        "mode-collapse", False, 0.01, 0.0, 0.001, title="mode collapse", integrity=True, flagged_from=0.5,
        unusual_from=0.25,
    )  # fmt: skip
    score = types.Score(0.0, 25.0, False, "accuracy 96.15%, pass mark ≥ 98.00%: not reached.")
    record = types.Record(
        submission="s1", name="Team Gauss", role=types.Role.STUDENT, part="cvae", task=part.task, kind="weights",
        model="cvae", assignment="tsinghua-hw3", protocol=1, status=types.Status.SCORED, failure=None, score=score,
        primary="accuracy", metrics={"accuracy": accuracy}, evidence=(collapse,),
        gates={"diversity": types.Gate(True, "diversity")}, figures=(), data="mnist", seed=0, keys={}, digests={},
        versions={}, device="cpu", isolation="full", timings={}, full_marks=75.0,
    )  # fmt: skip
    digits = Digits("mnist", MNIST, "", lambda: (_ for _ in ()).throw(AssertionError))
    document = summary(
        [record],
        Assignment(name="tsinghua-hw3", title="", part=[part]),
        digits,
        "full",
        8.241,
        {("s1", "cvae"): (2, 5)},
    )
    return f"```json\n{json.dumps(document, indent=1, ensure_ascii=False)}\n```"


TABLES: Mapping[str, Callable[[], str]] = {
    "platforms": lambda: listed(PLATFORMS, "platform"),
    "answers": answers,
    "assignment": lambda: example_of(rubric),
    "class": lambda: example_of(class_file),
    "record": record_tables,
    "summary": summary_of_an_example,
    "exports": lambda: listed(EXPORTS, "format"),
    "columns": columns,
}


def written(page: str) -> str:
    """The page with its tables as the code has them now. ValueError for a table that it has no place for."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"{PAGE.name} has not one place for {name}")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), encoding="utf-8")
