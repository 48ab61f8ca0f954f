"""Reads a coursework: its assignment, and the architectures and tasks that it adds to those of gradebench.

A coursework is a folder with `assignment.toml` (format in `harness.rubric`) and, where wanted, beside it

    architectures.py    ARCHITECTURES = {"my-model": reference.architecture.Architecture(...)}
    tasks.py            TASKS = {"my-task": MyTask}            (see `harness.tasks.base.Task`)

The shipped ones are such folders below `harness/assignments`; an instructor's own may lie anywhere. Both Python files
are the instructor's and trusted as such: the parent imports them. Workers get architectures.py alone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import reference
from harness import tasks as shipped_tasks
from harness.rubric import Assignment, AssignmentError, parse
from reference.listing import Description, description

if TYPE_CHECKING:
    from harness.tasks.base import Task
    from reference.architecture import Architecture
    from reference.options import Values

ASSIGNMENT, ARCHITECTURES, TASKS = "assignment.toml", "architectures.py", "tasks.py"
"""Names of a coursework's files."""
_WEIGHTS = Path(str(resources.files("reference") / "weights"))
_T = TypeVar("_T")


@dataclass(frozen=True)
class Coursework:
    """An assignment with the tasks and architectures that its parts may name."""

    assignment: Assignment
    folder: Path | None = None
    """Folder of the coursework; None for an assignment that is a TOML file alone."""
    _own: dict[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def architectures_file(self) -> Path | None:
        """The coursework's own architectures.py, if it has one."""
        return self._file(ARCHITECTURES)

    @property
    def tasks_file(self) -> Path | None:
        """The coursework's own tasks.py, if it has one."""
        return self._file(TASKS)

    @property
    def own_tasks(self) -> Mapping[str, Task]:
        """The coursework's own tasks by name. Raises AssignmentError where tasks.py can't be used."""
        return self._loaded(
            TASKS, "TASKS", shipped_tasks.TASKS, lambda value: value() if isinstance(value, type) else value
        )

    @property
    def own_architectures(self) -> Mapping[str, Architecture]:
        """The coursework's own architectures by name. Raises AssignmentError where architectures.py can't be used."""
        return self._loaded(ARCHITECTURES, "ARCHITECTURES", reference.MODELS, lambda value: value)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks that a part may name."""
        return (*shipped_tasks.TASKS, *self.own_tasks)

    def task(self, name: str) -> Task:
        """Return the task of a name. Raises AssignmentError for an unknown one."""
        if name in (own := self.own_tasks):
            return own[name]
        if name not in shipped_tasks.TASKS:
            raise AssignmentError(f"There is no task {name!r}; there are {', '.join(self.tasks)}.")
        return shipped_tasks.task(name)

    @cached_property
    def models(self) -> Mapping[str, Mapping[str, Values]]:
        """The options of each architecture that an entry may name, with their values."""
        return _Options(self)

    def architecture(self, name: str) -> Architecture:
        """Return the architecture of a name. Raises LookupError for an unknown one."""
        own = self.own_architectures
        return own[name] if name in own else reference.architecture(name)

    def description(self, name: str) -> Description:
        """Describe the architecture of a name; a shipped one is not imported for that, if it can be avoided.

        Raises LookupError for an unknown one.
        """
        own = self.own_architectures
        return Description.of(own[name]) if name in own else description(name)

    def answering(self, task: Task) -> tuple[str, ...]:
        """Return the names of the architectures whose weights answer a task, as they say themselves."""
        return tuple(name for name in self.models if task.name in self.description(name).tasks)

    def check(self) -> None:
        """Raise AssignmentError where a part names an unknown task, gate or model, with the known ones."""
        for part in self.assignment.part:
            where = f"{self.assignment.name}: part {part.id}"
            try:
                task = self.task(part.task)
            except AssignmentError as error:
                raise AssignmentError(f"{where}: {error}") from error
            reference_model = getattr(task, "time_reference", "")
            if part.timing and not reference_model:
                raise AssignmentError(f"{where}: models of {part.task} are not timed; take its timing out.")
            if reference_model and not (_WEIGHTS / f"{reference_model}.safetensors").is_file():
                raise AssignmentError(
                    f"{where}: {part.task} is timed against {reference_model!r}, which is not shipped."
                )
            models = self.answering(task) if part.models else ()
            for kind, named, allowed in (("gate", part.gates, task.gates), ("model", part.models, models)):
                if unknown := [name for name in named if name not in allowed]:
                    known = ", ".join(allowed) or "none"
                    raise AssignmentError(
                        f"{where}: there is no {kind} {unknown[0]!r} for {part.task}; there are {known}."
                    )

    def _file(self, name: str) -> Path | None:
        path = None if self.folder is None else self.folder / name
        return path if path is not None and path.is_file() else None

    def _loaded(
        self, file: str, attribute: str, shipped: Collection[str], made: Callable[[Any], _T]
    ) -> Mapping[str, _T]:
        """The values of a dictionary in one of the coursework's Python files, by name; empty without the file."""
        path = self._file(file)
        if path is None:
            return {}
        if file not in self._own:
            found = getattr(load(path), attribute, None)
            if not isinstance(found, Mapping):
                raise AssignmentError(f"{path}: {attribute} has to be a dictionary by name; found {found!r:.80}.")
            if clash := sorted(set(found) & set(shipped)):
                raise AssignmentError(
                    f"{path}: {attribute} names {clash[0]!r}, which gradebench ships; choose another name."
                )
            self._own[file] = {name: made(value) for name, value in found.items()}
        return cast("Mapping[str, _T]", self._own[file])


class _Options(Mapping[str, "Mapping[str, Values]"]):
    """Options by architecture."""

    def __init__(self, coursework: Coursework) -> None:
        self._coursework = coursework

    def __getitem__(self, name: str) -> Mapping[str, Values]:
        if name not in self:
            raise KeyError(name)
        return self._coursework.description(name).options

    def __contains__(self, name: object) -> bool:
        return name in reference.MODELS or name in self._coursework.own_architectures

    def __iter__(self) -> Iterator[str]:
        yield from reference.MODELS
        yield from self._coursework.own_architectures

    def __len__(self) -> int:
        return sum(1 for _ in self)


def shipped() -> Mapping[str, Coursework]:
    """Return the courseworks that come with gradebench, by name."""
    root = Path(str(resources.files("harness") / "assignments"))
    found = [_read(folder) for folder in sorted(root.iterdir()) if (folder / ASSIGNMENT).is_file()]
    return {coursework.assignment.name: coursework for coursework in found}


def find(name_or_path: str) -> Coursework:
    """Return a shipped coursework by name, or the one in a folder or TOML file.

    Raises AssignmentError where there is none, or where it can't be used.
    """
    path = Path(name_or_path)
    if not path.exists():
        known = shipped()
        if name_or_path not in known:
            raise AssignmentError(
                f"{name_or_path!r} is neither a file, nor a folder with {ASSIGNMENT}, nor one of {', '.join(known)}."
            )
        return known[name_or_path]
    return _read(path) if path.is_dir() else Coursework(parse(_content(path), str(path)))


def _read(folder: Path) -> Coursework:
    path = folder / ASSIGNMENT
    if not path.is_file():
        raise AssignmentError(f"{folder}: holds no {ASSIGNMENT}.")
    return Coursework(parse(_content(path), str(path)), folder.resolve())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AssignmentError(f"{path}: can't be read: {error.strerror}.") from error


def load(path: Path) -> Any:
    """Import one of the instructor's Python files by its path. Raises AssignmentError with its error."""
    spec = importlib.util.spec_from_file_location(f"coursework_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise AssignmentError(f"{path}: can't be imported.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AssignmentError(f"{path}: {type(error).__name__}: {error}") from error
    return module
