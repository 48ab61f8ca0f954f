"""Decides how a model with code beside its weights is opened: as the architecture that it names, or by that code.

A state dict that fits the architecture is opened as weights, without running anything. What does not fit it, or is a
whole pickled module, may compute something else than the architecture does, so its own code is asked. Where the code
can't be opened either, the weights are, and the note says why.
"""

from __future__ import annotations

from dataclasses import replace

from harness.run import workers
from harness.run.plan import Planned
from harness.run.settings import Run
from harness.sandbox.outside import WeightsWorkers
from harness.text import shown
from harness.types import GradingError, Kind, Record


def is_open(planned: Planned) -> bool:
    """Tell whether it has to be decided: the entry has weights of a model, and code beside them."""
    entry = planned.entry
    return planned.failure is None and entry.kind is Kind.WEIGHTS and entry.code is not None


def decide(planned: Planned, run: Run, warm: WeightsWorkers, content: bytes) -> Planned:
    """Open the entry to see which way works; the entry as it is to be asked. `content` is its file."""
    entry = planned.entry
    name = shown(entry.file or entry.part)
    try:
        with workers.for_weights(run, warm) as worker:
            worker.open_weights(entry.model or "", entry.options, content, name, weights_alone=True)
        return by_weights(planned)
    except GradingError as error:
        misfit = error.failure
    if misfit.fault == "harness" or misfit.kind not in ("whole-module", "mismatch"):
        return by_weights(planned)
    try:
        with workers.for_code(run) as code:
            code.open_code(planned.submission.root, entry.code or "", entry.file)
    except GradingError as error:
        said = error.failure.message
        return by_weights(planned, f"{name}: {misfit.message} The code beside it could not be opened: {said}")
    because = "is a whole module" if misfit.kind == "whole-module" else f"does not fit the architecture {entry.model}"
    return by_code(planned, f"{name} {because}, so the model was opened by the code beside it ({entry.code}).")


def again(planned: Planned, former: Record) -> Planned:
    """The entry as a record of it says that it was asked; unchanged where there was nothing to decide."""
    if not is_open(planned):
        return planned
    note = next(iter(former.stage_notes.get("open", ())), "")
    return by_code(planned, note) if former.kind == Kind.CODE.value else by_weights(planned, note)


def by_weights(planned: Planned, note: str = "") -> Planned:
    """The entry without its code."""
    return replace(planned, entry=replace(planned.entry, code=None), opened=note)


def by_code(planned: Planned, note: str) -> Planned:
    """The entry with its code alone; options are those of the architecture."""
    return replace(planned, entry=replace(planned.entry, kind=Kind.CODE, model=None, options={}), opened=note)
