"""The host's side: unpacks parcels, asks and marks the entries in them, and packs what came of it.

It runs in a process that holds truth, as the parent does, and keeps the parent's rules: questions go to a sandboxed
worker, arrays that were checked come back, and nothing of a submission is imported, unpickled or executed here.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from harness import intake, scratch
from harness.run import ask as asking
from harness.run import kept, way
from harness.run import trial as trying
from harness.run.executors import kit as kits
from harness.run.executors.parcels import pack, unpack
from harness.run.mark import Marked, mark
from harness.run.plan import Planned
from harness.run.questions import Questions, digest_of
from harness.run.settings import Run
from harness.run.workers import weights_workers
from harness.sandbox.outside import WeightsWorkers
from harness.sandbox.outside.closing import Closing
from harness.types import Entry, GradingError, Kind, Question, Submission


class Host(Closing):
    """Answers parcels of one run, in any number of threads; a context manager.

    The kit is unpacked with the first parcel, and each thread starts a sandbox when it needs one.

    Parameters
    ----------
    kit : what `kit.packed` gave
    folder : where a temporary folder is made; None for the system's place
    """

    def __init__(self, kit: bytes, folder: str | None = None) -> None:
        self._kit, self._where = kit, folder
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._own = threading.local()
        self._run: Run | None = None
        self._questions: Questions | None = None
        self._folder = Path()

    def reply(self, parcel: bytes) -> bytes:
        """Return the reply to a parcel: what came of it, or a failure of the harness. Never raises."""
        try:
            return pack(self._reply(unpack(parcel)))
        except GradingError as error:
            return pack({"failure": error.failure})
        except Exception as error:
            return pack({"failure": asking.harness_failure(error)})

    def close(self) -> None:
        """Ends the sandboxes and removes the temporary folder. May be called twice."""
        self._stack.close()

    def _reply(self, parcel: dict[str, Any]) -> dict[str, Any]:
        run, questions = self._prepared()
        with self._planned(parcel, run) as planned:
            task, content = run.coursework.task(planned.entry.task), parcel["content"]
            if parcel["stage"] == "open":
                decided = way.decide(planned, run, self._workers(run), content)
                return {"entry": decided.entry, "opened": decided.opened}
            if parcel["stage"] == "try":
                trial = questions.trial(task, planned.entry)
                asked = _those(parcel, questions.trial_digest(task, planned.entry), lambda: trial.questions)
                if asked is None:
                    return {"need": "questions"}
                trial = replace(trial, questions=asked)
                return {"tried": trying.ask(planned, run, trial, parcel["choices"], self._workers(run), content)}
            wanted: Sequence[Question] | None = ()
            if planned.entry.kind is not Kind.OUTPUTS:
                wanted = _those(
                    parcel, questions.digest(task, planned.entry), lambda: questions.of(task, planned.entry)
                )
            if wanted is None:
                return {"need": "questions"}
            came = asking.ask(planned, run, task, wanted, self._workers(run), content)
        marked = Marked(None, None)
        if came.answers is not None:
            answers = came.answers
            marked = mark(task, run.context, planned.entry, answers)
            came = replace(came, digest=kept.answers_digest(answers))
            if kept.answers_bytes(answers) > parcel["most"]:
                came = replace(came, answers=None)
        return {"asked": replace(came, level=run.isolation.level), "marked": marked}

    def _prepared(self) -> tuple[Run, Questions]:
        with self._lock:
            if self._run is None or self._questions is None:
                self._folder = self._stack.enter_context(scratch.folder("host", self._where))
                self._run = kits.unpacked(self._kit, self._folder)
                self._questions = Questions(self._run)
            return self._run, self._questions

    def _workers(self, run: Run) -> WeightsWorkers:
        """The sandbox of this thread."""
        if not hasattr(self._own, "workers"):
            with self._lock:
                self._own.workers = self._stack.enter_context(weights_workers(run))
        workers: WeightsWorkers = self._own.workers
        return workers

    @contextmanager
    def _planned(self, parcel: dict[str, Any], run: Run) -> Iterator[Planned]:
        """The entry as it was planned; the files of one by code lie in a folder of their own until it is done."""
        entry: Entry = parcel["entry"]
        part = next(part for part in run.assignment.part if part.id == parcel["part"])
        baseline = run.coursework.task(entry.task).baselines[parcel["id"]] if parcel["baseline"] else None
        with ExitStack() as stack:
            root = self._folder
            if parcel["files"]:
                root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="code-", dir=self._folder)))
                for name, content in parcel["files"].items():
                    _write(root, name, content)
                intake.stamp(root)
            submission = Submission(parcel["id"], parcel["id"], root, (entry,), role=parcel["role"])
            yield Planned(submission, entry, part, baseline=baseline)


def _those(parcel: dict[str, Any], digest: str, own: Callable[[], Sequence[Question]]) -> Sequence[Question] | None:
    """The questions that the parcel is about: those that this host makes itself, if they are the same to the last bit,
    else those that came along; None where these are needed and did not.
    """
    if parcel["questions"] is not None:
        if digest_of(parcel["questions"]) != parcel["digest"]:
            raise ValueError("the questions have changed on their way")
        came: Sequence[Question] = parcel["questions"]
        return came
    return own() if digest == parcel["digest"] else None


def _write(root: Path, name: str, content: bytes) -> None:
    """Write a file of a submission below an empty folder that nobody else writes to."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise ValueError(f"{name!r} is no path within a submission")
    path = root.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
