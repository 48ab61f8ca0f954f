"""Scores: the rubric turns marks into points, and everything known of an entry into its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import TypeAdapter

from harness import decisions, provenance, records, rubric
from harness.run import kept, keys
from harness.run.ask import Asked
from harness.run.mark import Marked
from harness.run.plan import Planned
from harness.run.settings import KEPT_BYTES, Run
from harness.run.trial import Choice, sheltered
from harness.timing.core import processor
from harness.types import Decision, Entry, Evidence, Failure, GradingError, Marks, Record, Role, Score, Status

_EVIDENCE = TypeAdapter(tuple[Evidence, ...])


def record_of(
    planned: Planned,
    run: Run,
    asked: Asked,
    marked: Marked,
    digests: dict[str, str],
    stage_keys: Mapping[str, str],
    former: Record | None = None,
    choice: Choice | None = None,
    save: bool = True,
) -> Record:
    """Build the record of an entry, and save it unless told otherwise.

    `stage_keys` are those of asking ("ask") and marking ("mark"), of trying options ("try") where some were tried, and
    of deciding how the model is opened ("open") where there is code beside its weights.
    `former` is the record that holds what was kept of earlier stages: the
    files beside it stay, and it is returned unchanged where nothing that decides a record has changed.
    """
    if marked.marks is not None:
        marked = replace(marked, marks=replace(marked.marks, evidence=sheltered(marked.marks.evidence, choice)))
    asking, marking = stage_keys["ask"], stage_keys["mark"]
    compared = former.compared if former is not None else ()
    timing = former.timing if former is not None and former.keys.get("ask") == asking else None
    said = _EVIDENCE.dump_python(compared, mode="json")
    decision = _decision(planned, run)
    scoring = keys.of_scoring(planned, run, asking, marking, said, timing, decision)
    if former is not None and former.keys == {**stage_keys, "score": scoring}:
        return former
    failure = asked.failure or marked.failure
    points: Score | None = None
    if failure is None and marked.marks is not None:
        try:
            # Nobody is held, or loses points, who earns none.
            on_flag: rubric.OnFlag | None = None if planned.submission.role is Role.STUDENT else "note"
            points = rubric.score(planned.part, marked.marks, timing, compared, on_flag)
        except GradingError as error:
            failure = error.failure
    record = _described(planned, run, asked, marked, failure, points, former, choice)
    record = replace(
        record,
        keys={**stage_keys, "score": scoring},
        digests=digests | {"grader": keys.grader_digest(digests)},
        compared=compared,
        timing=timing if failure is None else None,
    )
    record = decisions.applied(record, decision)
    if not save:
        return replace(record, figures=())
    if former is None or former.keys.get("mark") != marking:
        record = _with_arrays(record, run, asked, marked)
    if choice is not None and choice.answers is not None:
        size = kept.answers_bytes([answer for given in choice.answers for answer in given or ()])
        if run.keep_answers or size <= KEPT_BYTES:
            record = replace(record, trial_answers=kept.save_trial(run.results, record, choice.answers))
    return records.save(run.results, record)


def _decision(planned: Planned, run: Run) -> Decision | None:
    """The instructor's decision about an entry; none where its file can't be read, so that the entry stays as it is."""
    if planned.submission.role is not Role.STUDENT:
        return None
    try:
        return decisions.read(run.results, planned.submission.id, planned.part.id)
    except decisions.DecisionError:
        return None


def marked_of(record: Record) -> Marked:
    """Return the result of marking that a record keeps."""
    seconds = record.timings.get("marking", 0.0)
    notes = record.stage_notes.get("mark", ())
    if record.primary is None:
        return Marked(None, record.failure, notes, seconds)
    marks = Marks(record.metrics, record.primary, record.evidence, record.figures, record.gates)
    return Marked(marks, None, notes, seconds)


def asked_of(record: Record) -> Asked:
    """Return the result of asking that a record keeps, without the answers."""
    digest = record.digests.get("answers", "")
    return Asked(
        None,
        None if digest else record.failure,
        record.isolation,
        record.stage_notes.get("ask", ()),
        record.timings.get("answers", 0.0),
        digest,
    )


def _described(
    planned: Planned,
    run: Run,
    asked: Asked,
    marked: Marked,
    failure: Failure | None,
    points: Score | None,
    former: Record | None,
    choice: Choice | None,
) -> Record:
    submission, entry, part = planned.submission, planned.entry, planned.part
    task = run.coursework.task(part.task)
    marks = marked.marks or Marks({}, "")
    trial = (choice.note,) if choice is not None and choice.note else ()
    opened = (planned.opened,) if planned.opened else ()
    notes = {"intake": planned.notes, "open": opened, "try": trial, "ask": asked.notes, "mark": marked.notes}
    return Record(
        submission=submission.id,
        name=submission.name,
        role=submission.role,
        part=part.id,
        task=entry.task,
        kind=entry.kind.value,
        model=entry.model,
        assignment=run.assignment.name,
        protocol=task.protocol,
        status=failure.status if failure is not None else Status.SCORED,
        failure=failure,
        score=points,
        primary=marks.primary or None,
        metrics=marks.metrics,
        evidence=marks.evidence,
        gates=marks.gates,
        figures=marks.figures,
        data=run.context.data.name,
        seed=run.context.seed,
        keys={},
        digests={},
        versions=provenance.versions() if former is None else former.versions,
        device="cpu",
        isolation=asked.isolation,
        timings=_timings(asked, marked) if asked.digest else {},
        place=submission.place,
        entry=entry.part if entry.part != part.id else "",
        options=dict(entry.options),
        tried=choice.tried if choice is not None else (),
        trial_answers=choice.file if choice is not None else "",
        arrays=former.arrays if former is not None else "",
        answers=former.answers if former is not None else "",
        stage_notes={stage: said for stage, said in notes.items() if said},
        epochs=_epochs(planned.submission.role, entry, part),
        earlier_of=part.earlier_of,
        assignment_title=run.assignment.title,
        part_title=part.title,
        task_title=task.title,
        model_title=_model_title(entry.model, run),
        full_marks=run.assignment.max_points,
        order=[each.id for each in run.assignment.part].index(part.id),
        graded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        worth=part.max_points,
        machine=_machine(submission.role, former),
        full=run.context.full,
    )


def _timings(asked: Asked, marked: Marked) -> dict[str, float]:
    """Seconds by stage; those that were measured on another machine have been left out of what is shipped."""
    return {stage: each for stage, each in (("answers", asked.seconds), ("marking", marked.seconds)) if each}


def _machine(role: Role, former: Record | None) -> str:
    """The processor that a student's entry was graded on; shipped results are of no machine."""
    if role is not Role.STUDENT:
        return ""
    return former.machine if former is not None else processor()


def _model_title(model: str | None, run: Run) -> str:
    return run.coursework.description(model).title if model is not None and model in run.coursework.models else ""


def _epochs(role: Role, entry: Entry, part: rubric.Part) -> int | None:
    return entry.epochs if role is Role.REFERENCE else part.epochs


def _with_arrays(record: Record, run: Run, asked: Asked, marked: Marked) -> Record:
    """The record with the files of what was asked and marked just now."""
    if asked.answers is None and not asked.digest:
        return record
    scores = marked.marks.scores if marked.marks is not None else None
    arrays = kept.save_arrays(run.results, record, scores, marked.sketches)
    if asked.answers is None:
        return replace(record, arrays=arrays)
    answers = record.answers
    if not answers and (run.keep_answers or kept.answers_bytes(asked.answers) <= KEPT_BYTES):
        answers = kept.save_answers(run.results, record, asked.answers)
    return replace(record, arrays=arrays, answers=answers)
