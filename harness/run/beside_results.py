"""Keeps the results of baselines and reference models: in the user's cache for other runs, and shipped with gradebench.

A result is one file: a record as JSON, without answers, and the pictures and arrays that lie beside it. It is used
where its keys are those that this run would give it, for any results folder and assignment; whatever else lies there,
be it damaged or a stranger's, is as good as absent.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness import records
from harness.files import write_atomically
from harness.run import keys
from harness.run.plan import Planned
from harness.run.score import asked_of, marked_of, record_of
from harness.run.settings import Run
from harness.types import Record
from reference.weights_files import WEIGHTS

SHIPPED = WEIGHTS.parent / "records"
"""Folder of the results that come with gradebench: of seed 0, on MNIST, with the shipped judge."""
CACHE_BYTES = 128 << 20
"""Size that the cache is kept to; what was not used for longest goes first."""
_LARGEST = 8 << 20
_FORMAT = 1
_ABANDONED = 3600.0
"""Seconds after which the temporary file of a write is one of a run that was killed."""


@dataclass(frozen=True)
class Result:
    """A record, and the files beside it by what their names end in: "worst.png", "arrays.npz"."""

    record: Record
    files: Mapping[str, bytes]


def shipped_file(planned: Planned) -> Path:
    """Return the file, there or not, of the shipped result of a baseline or reference model."""
    submission, entry = planned.submission, planned.entry
    return SHIPPED / submission.role.value / submission.id / f"{entry.task}.{entry.part}.json"


def shipped(task: str) -> Iterator[Result]:
    """Read the results of a task that come with gradebench."""
    for path in sorted(SHIPPED.glob(f"*/*/{task}.*.json")):
        result = read(path)
        if result is not None:
            yield result


def recalled(planned: Planned, run: Run, asking: str) -> Record | None:
    """Write the record of a baseline or reference model from a kept result; None where there is none of these keys."""
    for path in (shipped_file(planned), *_cached(planned, run, asking)):
        result = read(path)
        if result is None or not holds(result, planned, run, asking):
            continue
        if path.parent == run.cache:
            with contextlib.suppress(OSError):
                os.utime(path)
        return _restored(result, planned, run)
    return None


def holds(result: Result, planned: Planned, run: Run, asking: str) -> bool:
    """Tell whether a result is what this run would give."""
    known = result.record
    digests = dict(known.digests)
    marking = keys.of_marking(planned, run, digests)
    same = (known.role, known.submission) == (planned.submission.role, planned.submission.id)
    return same and (known.keys.get("ask"), known.keys.get("mark")) == (asking, marking)


def keep(planned: Planned, run: Run, asking: str, record: Record) -> None:
    """Keep the result of a baseline or reference model for other runs, where that can be written."""
    if record.primary is None:
        return
    for path in _cached(planned, run, asking):
        with contextlib.suppress(OSError):
            write_atomically(path, packed(result_of(run.results, record)))
            _bound(path.parent)


def result_of(results: Path, record: Record) -> Result:
    """Return a record of a results folder with the pictures and arrays beside it."""
    named = [record.arrays, *(figure.file for figure in record.figures)]
    return Result(
        record,
        {Path(name).name.removeprefix(f"{record.part}."): (results / name).read_bytes() for name in named if name},
    )


def packed(result: Result) -> bytes:
    """Return a result as the bytes of its file. What belongs to a class or assignment is left out of the record."""
    bare = replace(
        result.record, part="part", score=None, compared=(), answers="", trial_answers="", arrays="", stage_notes={},
        assignment="", assignment_title="", part_title="", full_marks=0.0, order=0, earlier_of="", place="",
        worth=0.0,    )  # fmt: skip
    notes = {stage: said for stage, said in result.record.stage_notes.items() if stage in ("ask", "mark")}
    bare = replace(
        bare,
        stage_notes=notes,
        figures=tuple(replace(figure, file="") for figure in bare.figures),
        keys={stage: result.record.keys[stage] for stage in ("ask", "mark")},
    )
    content = {
        "record": json.loads(records.text_of(bare)),
        "files": {name: base64.b64encode(data).decode() for name, data in sorted(result.files.items())},
    }
    return json.dumps({"format": _FORMAT, "sha256": _digest(content), **content}, separators=(",", ":")).encode()


def read(path: Path) -> Result | None:
    """Read a result; None where there is none that can be read, whatever is there instead."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        document = json.loads(path.read_bytes())
        content = {name: document[name] for name in ("record", "files")}
        if document["format"] != _FORMAT or document["sha256"] != _digest(content):
            return None
        files = {str(name): base64.b64decode(data, validate=True) for name, data in content["files"].items()}
        record = records.parse(json.dumps(content["record"]).encode(), path)
        allowed = {"arrays.npz", *(f"{figure.name}.png" for figure in record.figures)}
        if record.primary is None or not set(files) <= allowed:
            return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, records.RecordError):
        return None
    return Result(record, files)


def _restored(result: Result, planned: Planned, run: Run) -> Record:
    """Write the files of a result beside the place of its record, score it for the part, and write the record."""
    own = replace(result.record, part=planned.part.id)
    names = {name: records.beside(own, name) for name in result.files}
    for name, data in result.files.items():
        write_atomically(run.results / names[name], data)
    figures = [replace(figure, file=names.get(f"{figure.name}.png", "")) for figure in own.figures]
    former = replace(own, figures=tuple(figures), arrays=names.get("arrays.npz", ""))
    return record_of(planned, run, asked_of(former), marked_of(former), dict(own.digests), own.keys, former)


def _cached(planned: Planned, run: Run, asking: str) -> list[Path]:
    return [] if run.cache is None else [run.cache / f"{keys.of_beside(planned, run, asking)}.json"]


def _bound(folder: Path) -> None:
    """Delete the results that were not used for longest, down to the size allowed, and what killed runs left."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            state = path.lstat()
            if path.name.startswith(".") and path.suffix == ".tmp":
                if time.time() - state.st_mtime > _ABANDONED:
                    path.unlink()
            elif path.suffix == ".json" and len(path.stem) == len(_digest("")):
                found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= CACHE_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
