"""The interface of executors, and of the examiners that they hand to a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.run.ask import Asked
from harness.run.mark import Marked
from harness.run.plan import Plan, Planned
from harness.sandbox.outside.closing import Closing
from harness.tasks.base import Trial
from harness.types import Answer

if TYPE_CHECKING:
    from harness.run.questions import Questions
    from harness.run.settings import Run
    from harness.sandbox.outside import Isolation, WeightsWorkers

Result = TypeVar("Result")


class ExecutorError(Exception):
    """An executor can't be had; the message says why, and what to do."""


class Examiner(Protocol):
    """Asks and marks entries, here or on another host; for one thread."""

    def expect(self, planned: Planned) -> None:
        """Begin with what asking and marking an entry will need, beside what its caller does; may do nothing."""

    def try_options(
        self, planned: Planned, trial: Trial, choices: Sequence[Mapping[str, str]], content: bytes
    ) -> list[Sequence[Answer] | None]:
        """Ask the trial's questions with each choice of options, as `harness.run.trial.ask` does.

        Raises GradingError where the harness is at fault.
        """

    def opened(self, planned: Planned, content: bytes) -> Planned:
        """Decide how a model with code beside its weights is opened, as `harness.run.way.decide` does."""

    def ask(self, planned: Planned, content: bytes) -> Asked:
        """Ask an entry all of its task's questions, as `harness.run.ask.ask` does; never raises."""

    def mark(self, planned: Planned, asked: Asked) -> Marked:
        """Mark the answers that `ask` gave, as `harness.run.mark.mark` does; never raises."""


class Executor(Closing):
    """Works on plans side by side; a context manager that ends what it has started.

    Raises ExecutorError on construction where it can't be had.
    """

    isolation: Isolation
    """The isolation of the hosts; keys of what is known already are looked up by it."""

    @abstractmethod
    def __init__(self, run: Run, questions: Questions, warm: Sequence[WeightsWorkers] = ()) -> None: ...

    @staticmethod
    @abstractmethod
    def problem(run: Run) -> str:
        """Return a sentence that says why it can't be used as the run asks; empty if it can. Starts nothing."""

    @abstractmethod
    def each(self, work: Callable[[Plan, Examiner], Result], plans: Sequence[Plan]) -> Iterator[Result]:
        """Yield the result of working on each plan as it is ready, in any order.

        `work` runs in threads of this process, several at a time, each with an examiner of its own. What it raises ends
        the iteration.
        """
