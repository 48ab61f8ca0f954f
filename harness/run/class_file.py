"""The class file: all that decides the verdict of an instructor's run, in a TOML file that students get.

`gradebench class init` writes it; `gradebench check` compares it with the run that it makes, and says where the two
differ. It holds digests and no secret: neither a private judge nor a secret seed can be read from it.

    schema = 1
    assignment = "tsinghua-hw3"          # name, or path of a coursework, relative to this file
    assignment_sha256 = "…"
    seed = 0                             # or "secret"
    data = "mnist"
    data_sha256 = "…"
    judge_sha256 = "…"
    isolation = "full"
    deadline = 2026-12-01T12:00:00Z      # optional
    [versions]
    gradebench = "0.1.0"
    [protocols]
    conditional-generation = 1
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.assignments import coursework
from harness.assignments.coursework import Coursework
from harness.provenance import sources, versions
from harness.run.settings import RequestError, Run
from harness.text import shown

NAME = "gradebench-class.toml"
"""Name under which the file is found beside a submission."""
SCHEMA = 1
LARGEST = 64 << 10
"""Bytes of the largest class file that is read."""
_UNKNOWN_TO_ALL = "harness.tasks.altered"
"""Module of the questions that are drawn from a results folder's secret."""
_LEVELS = ("full", "reduced", "minimal")
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Short = Annotated[str, Field(max_length=60)]


class ClassFile(BaseModel):
    """The settings of a class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Annotated[Literal[1], Field(alias="schema")]
    assignment: Annotated[str, Field(min_length=1, max_length=400)]
    assignment_sha256: _Digest
    seed: Annotated[int, Field(ge=0)] | Literal["secret"]
    data: _Short
    data_sha256: _Digest
    judge_sha256: _Digest
    isolation: _Short
    deadline: datetime | None = None
    versions: Annotated[dict[_Short, _Short], Field(max_length=40)]
    protocols: Annotated[dict[_Short, int], Field(max_length=200)]


@dataclass(frozen=True)
class Found:
    """A class file and the place that it was read from."""

    path: Path
    settings: ClassFile
    trusted: bool
    """True where a person named the file; one that lies beside a submission may be the submission's own."""

    def assignment(self) -> str:
        """Name or path of the assignment.

        Raises RequestError for a path in a file that nobody named: a coursework's Python files are run as trusted.
        """
        named = self.settings.assignment
        if named in coursework.shipped():
            return named
        if not self.trusted:
            raise RequestError(
                f"{self.path}: names the coursework {shown(named, 80)!r}, which is not one of gradebench's; code of a "
                f"coursework is run only where it is named by --assignment, or this file by --class-file"
            )
        return str(self.path.parent / named)


def read(path: Path, trusted: bool) -> Found:
    """Read a class file. Raises RequestError with a sentence where it can't be used."""
    try:
        if (path.is_symlink() and not trusted) or not path.is_file():
            raise RequestError(f"{path}: no such file")
        if path.stat().st_size > LARGEST:
            raise RequestError(f"{path}: larger than a class file can be ({LARGEST >> 10} kB)")
        document = tomllib.loads(path.read_text("utf-8"))
        return Found(path, ClassFile.model_validate(document), trusted)
    except OSError as error:
        raise RequestError(f"{path}: can't be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RequestError(f"{path}: is not TOML: {shown(error, 200)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{path}: {shown(where, 80)}: {shown(first['msg'], 200)}") from error


def beside(submission: Path) -> Found | None:
    """The class file at the top of a submission's folder; None where there is none."""
    path = submission / NAME
    return read(path, trusted=False) if submission.is_dir() and path.is_file() else None


def text_of(run: Run, assignment: str, secret_seed: bool, deadline: datetime | None) -> str:
    """The class file of a run as TOML. `assignment` is its name, or the path that the file is to state."""
    chosen = run.coursework
    lines = [
        "# The settings of a class. Put this file beside your submission; `gradebench check .` then says what the",
        "# instructor's run will say, or why it can't.",
        f"schema = {SCHEMA}",
        f"assignment = {_quoted(assignment)}",
        f'assignment_sha256 = "{digest_of(chosen)}"',
        f"seed = {_quoted('secret') if secret_seed else run.context.seed}",
        f"data = {_quoted(run.context.data.name)}",
        f'data_sha256 = "{run.context.data.digest}"',
        f'judge_sha256 = "{run.context.judge.digest}"',
        f"isolation = {_quoted(run.isolation.level)}",
        *([f"deadline = {deadline.isoformat()}"] if deadline is not None else []),
        "",
        "[versions]",
        *(f"{name} = {_quoted(version)}" for name, version in versions().items()),
        "",
        "[protocols]",
        *(f"{name} = {protocol}" for name, protocol in _protocols(chosen).items()),
    ]
    return "\n".join(lines) + "\n"


def differences(found: Found, run: Run) -> list[str]:
    """Sentences about all in which a run differs from the class's; none where it gives the instructor's verdict."""
    settings, context = found.settings, run.context
    told = []
    if settings.assignment_sha256 != digest_of(run.coursework):
        told.append(
            f"The instructor grades another assignment, or another state of it, than {run.assignment.name} here."
        )
    if settings.data_sha256 != context.data.digest:
        if context.data.name != settings.data:
            told.append(
                f"The instructor grades on {shown(settings.data, 40)}, and this check on {context.data.name}, whose "
                "scores can't be compared with those; `gradebench data fetch` downloads MNIST."
            )
        else:
            told.append(f"The instructor's {context.data.name} is not the one that was found here.")
    if settings.judge_sha256 != context.judge.digest:
        told.append(
            f"The instructor has another judge ({settings.judge_sha256[:12]}) than this check "
            f"({context.judge.digest[:12]}): what a judge decides, such as accuracies, may differ."
        )
    if settings.seed == "secret":
        told.append(
            "The instructor's seed is secret: other questions are drawn, and scores vary within their intervals."
        )
    elif settings.seed != context.seed:
        told.append(f"The instructor's seed is {settings.seed}, and this check's {context.seed}.")
    told += _other_versions(
        settings.versions, versions(), "The instructor has {name} {there}, and this machine {here}."
    )
    protocols = {name: str(number) for name, number in _protocols(run.coursework).items()}
    there = {name: str(number) for name, number in settings.protocols.items() if name in protocols}
    told += _other_versions(there, protocols, "The task {name} has version {there} there, and {here} here.")
    if _rank(run.isolation.level) > _rank(settings.isolation):
        told.append(
            f"Isolation is {run.isolation.level} here and {shown(settings.isolation, 20)} there: a student's own code "
            "may be refused, or may run otherwise."
        )
    if run.trust_code:
        told.append("Code ran without isolation (--trust-code), which the instructor's run doesn't do.")
    if run.context.full:
        told.append("This check measures all samples (--full).")
    return told


def varying(run: Run) -> list[str]:
    """Names of the assignment's tasks that draw questions from the secret of a results folder, new for each check."""
    tasks = {part.task: type(run.coursework.task(part.task)).__module__ for part in run.assignment.part}
    return sorted(
        name for name, module in tasks.items() if _UNKNOWN_TO_ALL in sources([module] if _is_ours(module) else [])
    )


def _is_ours(module: str) -> bool:
    return module.startswith("harness.")


def late(settings: ClassFile, now: datetime | None = None) -> bool | None:
    """Decide whether the deadline has passed; None where there is none. A time without a zone is taken as UTC."""
    if settings.deadline is None:
        return None
    deadline = settings.deadline if settings.deadline.tzinfo else settings.deadline.replace(tzinfo=UTC)
    return (now or datetime.now(UTC)) > deadline


def digest_of(chosen: Coursework) -> str:
    """SHA-256 of an assignment: its parts as they are read, and the coursework's own Python files."""
    # When scores are shown decides about none.
    digest = hashlib.sha256(chosen.assignment.model_dump_json(exclude={"hide_until"}).encode())
    for path in (chosen.architectures_file, chosen.tasks_file):
        digest.update(b"\0" + (path.read_bytes() if path is not None else b""))
    return digest.hexdigest()


def _protocols(chosen: Coursework) -> dict[str, int]:
    return {name: chosen.task(name).protocol for name in sorted({part.task for part in chosen.assignment.part})}


def _other_versions(there: Mapping[str, str], here: Mapping[str, str], sentence: str) -> list[str]:
    """A sentence for each version that is not the same, on both sides."""
    return [
        sentence.format(name=name, there=shown(there[name], 40), here=here.get(name, "none"))
        for name in sorted(there)
        if here.get(name) != there[name]
    ]


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def _quoted(value: str) -> str:
    """A TOML basic string."""
    return json.dumps(value, ensure_ascii=False)
