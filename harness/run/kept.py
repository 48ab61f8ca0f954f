"""Keeps what belongs to a record beside it: answers, per-question scores, and sketches of the answers.

All of it is written by the parent from arrays that it has checked, and read back as plain arrays: nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from harness import records
from harness.files import write_atomically
from harness.types import Answer, Array, Question, Record

_MOST_ANSWERS = 1000
_LEVEL = 1
"""Level of zlib; higher ones hardly compress floats further, at many times the cost."""


def answers_digest(answers: Sequence[Answer]) -> str:
    """Calculate the SHA-256 over the names, types, shapes and values of answers."""
    digest = hashlib.sha256()
    for answer in answers:
        digest.update(json.dumps([[name, a.dtype.str, list(a.shape)] for name, a in answer.items()]).encode())
        for array in answer.values():
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def answers_bytes(answers: Sequence[Answer]) -> int:
    """Return the size of answers in bytes, before compression."""
    return sum(array.nbytes for answer in answers for array in answer.values())


def asked_bytes(questions: Sequence[Question]) -> int:
    """Return the size in bytes that the answers to questions will have, before compression."""
    return sum(spec.nbytes for question in questions for spec in question.answers.values())


def save_answers(results: Path, record: Record, answers: Sequence[Answer]) -> str:
    """Write an entry's answers beside its record; the file's name relative to the results folder."""
    named = {f"{number}/{name}": array for number, answer in enumerate(answers) for name, array in answer.items()}
    # An optional question that was not answered has no array; its place is kept by the number of answers.
    named["count"] = np.array([len(answers)])
    return _save(results, record, "answers.npz", named)


def load_answers(results: Path, record: Record) -> list[Answer] | None:
    """Read back the answers that were kept with a record; None where they were not, or are no longer the same."""
    arrays = _load(results, record, record.answers)
    count = _counted(arrays)
    if count is None:
        return None
    answers: list[dict[str, Array]] = [{} for _ in range(count)]
    for name, array in arrays.items():
        number, _, key = name.partition("/")
        if not number.isdecimal() or int(number) >= len(answers):
            return None
        answers[int(number)][key] = array
    return list(answers) if answers_digest(answers) == record.digests.get("answers") else None


def save_trial(results: Path, record: Record, answers: Sequence[Sequence[Answer] | None]) -> str:
    """Write the answers of a trial, by choice of options, beside the record; the file's name."""
    named = {
        f"{choice}/{number}/{name}": array
        for choice, given in enumerate(answers)
        for number, answer in enumerate(given or ())
        for name, array in answer.items()
    }
    named["count"] = np.array([len(answers)])
    return _save(results, record, "trial.npz", named)


def load_trial(results: Path, record: Record) -> list[Sequence[Answer] | None] | None:
    """Read back the answers of a trial, by choice of options; None where they were not kept or are damaged."""
    arrays = _load(results, record, record.trial_answers)
    count = _counted(arrays)
    if count is None:
        return None
    found: list[list[dict[str, Array]]] = [[] for _ in range(count)]
    for key, array in arrays.items():
        choice, number, name = (*key.split("/", 2), "", "")[:3]
        if not (choice.isdecimal() and number.isdecimal() and int(choice) < len(found) and int(number) < _MOST_ANSWERS):
            return None
        own = found[int(choice)]
        own += [{} for _ in range(int(number) + 1 - len(own))]
        own[int(number)][name] = array
    return [own or None for own in found]


def save_arrays(results: Path, record: Record, scores: Array | None, sketches: Mapping[str, Array]) -> str:
    """Write the per-question scores and the sketches beside a record; the file's name, empty where there are none."""
    named = {name: array for name, array in (("scores", scores), *sketches.items()) if array is not None}
    single = {name: a if a.dtype == np.int8 else a.astype(np.float32) for name, a in named.items()}
    return _save(results, record, "arrays.npz", single) if single else ""


def load_arrays(results: Path, record: Record) -> Mapping[str, Array]:
    """Read back "scores" (n,) and the sketches by kind of likeness, float32 or int8; empty where absent or damaged.

    The record may be shown under another id than that of its folder.
    """
    named = PurePosixPath(record.arrays)
    if named.is_absolute() or ".." in named.parts or named.name != f"{record.part}.arrays.npz":
        return {}
    return _loaded(results / named)


def _counted(arrays: dict[str, Array]) -> int | None:
    """Take the number of answers, or of choices, out of what was kept; None where it is damaged."""
    count = arrays.pop("count", np.empty(0))
    if count.shape != (1,) or count.dtype.kind != "i" or not 0 <= count[0] <= _MOST_ANSWERS:
        return None
    return int(count[0])


def _save(results: Path, record: Record, suffix: str, arrays: Mapping[str, Array]) -> str:
    name = records.beside(record, suffix)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for key, array in arrays.items():
            # A fixed date: equal arrays give equal files.
            member = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    write_atomically(results / name, buffer.getvalue())
    return name


def _load(results: Path, record: Record, name: str) -> dict[str, Array]:
    return _loaded(results / name) if name and name in records.files_of(record) else {}


def arrays_of(data: bytes) -> Mapping[str, Array]:
    """Read arrays by name from the bytes of a file that was kept; empty where it is damaged, or there are none."""
    return _loaded(io.BytesIO(data)) if data else {}


def _loaded(file: Path | io.BytesIO) -> dict[str, Array]:
    if isinstance(file, Path) and not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return {}
