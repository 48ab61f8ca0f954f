"""Keeps a run's questions, and remembers their digests beside the records."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness import provenance
from harness.files import write_atomically
from harness.run.settings import Run
from harness.tasks.base import AsksAgain, Task, Trial
from harness.types import Entry, Question

_HELD = 4
"""Sets of questions that are held in memory at a time."""
_REMEMBERED = ".questions"


class Questions:
    """Generates the questions of each task once, and knows their digests without generating them where it can."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Sequence[Question]] = OrderedDict()
        self._trials: dict[str, Trial] = {}
        self._file = run.results / _REMEMBERED
        self._digests = _remembered(self._file)

    def of(self, task: Task, entry: Entry) -> Sequence[Question]:
        """Return the questions that an entry is asked."""
        with self._lock:
            key = self._key(task, entry)
            if key not in self._held:
                self._run.ready()
                self._held[key] = task.questions(self._run.context, entry)
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]

    def digest(self, task: Task, entry: Entry) -> str:
        """Return the SHA-256 over all that a model is asked, and over what must come back."""
        key = self._key(task, entry)
        found = self._digest(key, lambda: self.of(task, entry))
        if not isinstance(task, AsksAgain):
            return found
        # Later questions follow from the answers, by the task's sources, data and seed.
        return hashlib.sha256(f"{found} {key}".encode()).hexdigest()

    def trial(self, task: Task, entry: Entry) -> Trial:
        """Return the trial by which options are chosen for an entry."""
        with self._lock:
            key = self._key(task, entry)
            if key not in self._trials:
                self._run.ready()
                trial: Trial = task.trial(self._run.context, entry)  # type: ignore[attr-defined]
                self._trials[key] = trial
            return self._trials[key]

    def trial_digest(self, task: Task, entry: Entry) -> str:
        """Return the SHA-256 over the questions of a trial."""
        return self._digest(f"trial {self._key(task, entry)}", lambda: self.trial(task, entry).questions)

    def _digest(self, key: str, made: Callable[[], Sequence[Question]]) -> str:
        """The digest of questions, remembered by their key."""
        if key not in self._digests:
            found = digest_of(made())
            with self._lock:
                self._digests[key] = found
                # They can be calculated again: a full disk costs time and nobody's result.
                with suppress(OSError):
                    write_atomically(self._file, json.dumps(self._digests, indent=1, sort_keys=True).encode())
        return self._digests[key]

    def _key(self, task: Task, entry: Entry) -> str:
        """A digest of all that decides the questions, sources of the task included."""
        context = self._run.context
        official = context.official.get(task.name)
        decides = [
            sources_of(self._run, task),
            dict(provenance.versions()),
            [context.seed, context.data.digest, None if official is None else official.digest],
            "" if context.secret is None else context.secret.digest,
            [task.name, entry.part, entry.kind.value, entry.model, sorted(entry.options.items())],
        ]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def sources_of(run: Run, task: Task) -> str:
    """Return the digest of the sources that decide what a task asks and how it marks."""
    own = run.coursework.tasks_file
    if own is not None and task.name in run.coursework.own_tasks:
        return provenance.sources_digest((), (own,))
    return provenance.sources_digest((type(task).__module__,))


def digest_of(questions: Sequence[Question]) -> str:
    """Calculate the SHA-256 of questions: methods, arguments, batches, deadlines, ways to call, and what comes back."""
    digest = hashlib.sha256()
    for question in questions:
        specs = [[name, list(s.shape), s.dtype, s.low, s.high] for name, s in question.answers.items()]
        inputs = [[name, array.dtype.str, list(array.shape)] for name, array in question.inputs.items()]
        head: list[object] = [question.method, question.batch, question.deadline, question.optional, specs, inputs]
        head.append(question.sitting)
        if question.call is not None:
            head.append(asdict(question.call))
        digest.update(json.dumps(head).encode())
        for array in question.inputs.values():
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _remembered(file: Path) -> dict[str, str]:
    try:
        if not file.is_file():  # a pipe would be waited for
            return {}
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
