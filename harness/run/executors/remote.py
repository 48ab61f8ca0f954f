"""The parent's side of executors that ask elsewhere: packs entries, and sends them until a host has answered.

Hosts are trusted as the parent is: they hold truth and mark. Yet what comes back from them is never unpickled. It is a
parcel (`parcels`) of the harness's own values: answers, which the host's side of the sandbox has checked, as raw
arrays, and marks. A submission so has no way into the parent but through the arrays and texts of these values, the way
that it has in one process.

Entries are marked where they were asked, since marking takes longer than asking for most models; so answers travel
only where they are kept, and their digest and sketch where they are not. Keys, rubric and records stay with the parent.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness import intake
from harness.run.ask import Asked, harness_failure
from harness.run.executors.gate import Company
from harness.run.executors.parcels import ParcelError, pack, unpack
from harness.run.mark import Marked, mark
from harness.run.plan import Planned
from harness.run.questions import Questions
from harness.run.settings import CHECKPOINT_LIMIT, KEPT_BYTES, Run
from harness.sandbox.outside.closing import Closing
from harness.tasks.base import Trial
from harness.types import Answer, Entry, GradingError, Kind, Question, broken


class HostLostError(Exception):
    """The host that had a parcel is gone; the message says what is known about it."""


class Carrier(Closing):
    """Carries a parcel to a host, and its reply back."""

    tries: int = 2
    """Times that a parcel goes beside others, before it goes alone."""

    @abstractmethod
    def carried(self, parcel: bytes) -> bytes:
        """Return a host's reply. Raises HostLostError where the host was lost, GradingError where there is none."""


class Elsewhere:
    """The examiner of entries that are asked and marked on other hosts, or in other processes."""

    def __init__(self, run: Run, questions: Questions, carrier: Carrier, company: Company) -> None:
        self._run, self._questions, self._carrier, self._company = run, questions, carrier, company
        self._last: tuple[Entry, str, Marked] | None = None
        """The entry that was asked last, the digest of its answers, and their marks."""

    def expect(self, planned: Planned) -> None:
        """Hosts begin by themselves."""

    def try_options(
        self, planned: Planned, trial: Trial, choices: Sequence[Mapping[str, str]], content: bytes
    ) -> list[Sequence[Answer] | None]:
        digest = self._questions.trial_digest(self._run.coursework.task(planned.entry.task), planned.entry)
        parcel = self._parcel("try", planned, content) | {"choices": [dict(one) for one in choices], "digest": digest}
        tried: list[Sequence[Answer] | None] = self._reply(parcel, lambda: trial.questions)["tried"]
        return tried

    def opened(self, planned: Planned, content: bytes) -> Planned:
        reply = self._reply(self._parcel("open", planned, content), lambda: ())
        return replace(planned, entry=reply["entry"], opened=reply["opened"])

    def ask(self, planned: Planned, content: bytes) -> Asked:
        entry = planned.entry
        task = self._run.coursework.task(entry.task)
        try:
            parcel = self._parcel("ask", planned, content)
            if entry.kind is not Kind.OUTPUTS:
                parcel["digest"] = self._questions.digest(task, entry)
            reply = self._reply(parcel, lambda: self._questions.of(task, entry))
            asked, marked = reply["asked"], reply["marked"]
            if not isinstance(asked, Asked) or not isinstance(marked, Marked):
                raise ParcelError("The host's reply lacks what was asked for.")
        except GradingError as error:
            return Asked(None, error.failure, self._run.isolation.level)
        except Exception as error:
            return Asked(None, harness_failure(error), self._run.isolation.level)
        self._last = entry, asked.digest, marked
        return asked

    def mark(self, planned: Planned, asked: Asked) -> Marked:
        if self._last is not None and self._last[:2] == (planned.entry, asked.digest):
            return self._last[2]
        if asked.answers is None:
            raise AssertionError("answers that are not here can't be marked")
        task = self._run.coursework.task(planned.entry.task)
        return mark(task, self._run.context, planned.entry, asked.answers)

    def _parcel(self, stage: str, planned: Planned, content: bytes) -> dict[str, Any]:
        submission, code = planned.submission, planned.entry.kind is Kind.CODE
        return {
            "stage": stage,
            "id": submission.id,
            "role": submission.role,
            "part": planned.part.id,
            "entry": planned.entry,
            "baseline": planned.baseline is not None,
            "content": b"" if code else content,
            "files": _files(planned) if planned.entry.code is not None else {},
            "digest": "",
            "questions": None,
            "most": sys.maxsize if self._run.keep_answers else KEPT_BYTES,
        }

    def _reply(self, parcel: dict[str, Any], questions: Callable[[], Sequence[Question]]) -> dict[str, Any]:
        """The reply to a parcel; questions go along where the host can't make the same itself."""
        reply = self._unpacked(self._sent(pack(parcel)))
        if "need" in reply:
            reply = self._unpacked(self._sent(pack(parcel | {"questions": list(questions())})))
        return reply

    def _unpacked(self, parcel: bytes) -> dict[str, Any]:
        reply = unpack(parcel)
        if not isinstance(reply, dict):
            raise ParcelError("The host's reply is not a dictionary.")
        if "failure" in reply:
            raise GradingError(reply["failure"])
        return reply

    def _sent(self, parcel: bytes) -> bytes:
        """The reply of the first host that lives to give one; the last one has nothing else to do."""
        for _ in range(self._carrier.tries):
            try:
                with self._company.beside():
                    return self._carrier.carried(parcel)
            except HostLostError:
                continue
        try:
            with self._company.alone():
                return self._carrier.carried(parcel)
        except HostLostError as lost:
            raise broken(
                "worker",
                "host-lost",
                f"The hosts that graded this entry died, {self._carrier.tries + 1} times in all, the last one with "
                "nothing else to do. Most likely it takes more memory than they have; grade it with "
                "--executor threads on a larger machine.",
                str(lost),
            ) from lost


def _files(planned: Planned) -> dict[str, bytes]:
    """The listed files of a submission, each read once."""
    submission = planned.submission
    listed = intake.listed(submission.root).files
    return {file: intake.open_file(submission, file, CHECKPOINT_LIMIT) for file in listed}
