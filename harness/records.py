"""Reads and writes records: one JSON file an entry, written whole or not at all, and the files that belong to it.

`RESULTS/<submission>/<part>.json`; beside it `<part>.<picture>.png`, `<part>.arrays.npz` and, where the answers were
kept, `<part>.answers.npz` (see `harness.run.kept`). Baselines and reference models lie in `RESULTS/@baseline/` and
`RESULTS/@reference/`: no submission's id holds that sign. The files are the truth that leaderboards are derived from;
everything in them was computed by the trusted parent.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from harness.files import write_atomically
from harness.types import Figure, Record, Role

SCHEMA = 2
LARGEST = 64 << 20
"""Bytes of the largest record that is read; the largest that is written holds less than one."""


class RecordError(Exception):
    """A record file can't be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Loaded:
    """The records of a results folder, and sentences about the files that could not be read."""

    records: list[Record]
    problems: tuple[str, ...]


def folder_of(results: Path, role: Role, submission: str) -> Path:
    """Return the folder of a submission's records. Ids are safe as file names: intake sees to it."""
    return results / submission if role is Role.STUDENT else results / f"@{role.value}" / submission


def path_of(results: Path, role: Role, submission: str, part: str) -> Path:
    """Return the file of the record of a submission's part."""
    return folder_of(results, role, submission) / f"{part}.json"


def beside(record: Record, name: str) -> str:
    """Return the name of a file that belongs to a record, relative to the results folder: "<part>.<name>"."""
    return (folder_of(Path(), record.role, record.submission) / f"{record.part}.{name}").as_posix()


def save(results: Path, record: Record) -> Record:
    """Write a record, and as PNGs the pictures among its figures that still hold their pixels; pictures first.

    Returns the record as it lies on disk: its figures name files and hold lists.

    Raises
    ------
    ValueError
        for NaN or infinity anywhere: JSON has no such numbers, and no metric may.
    """
    path = path_of(results, record.role, record.submission, record.part)
    record = replace(record, figures=tuple(_with_file(results, record, figure) for figure in record.figures))
    plain = _writable(_adapter().dump_python(record), path.name)
    content = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, content.encode() + b"\n")
    return _adapter().validate_python(plain)


def load(path: Path) -> Record:
    """Read one record. Raises RecordError for a damaged file or a record of another version."""
    try:
        # Looked at before it is opened: a pipe would be waited for.
        if not path.is_file():
            raise RecordError(f"{path}: not a regular file")
        if path.stat().st_size > LARGEST:
            raise RecordError(f"{path}: too large for a record: over {LARGEST >> 20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: can't be read: {error.strerror}") from error
    return parse(content, path)


def parse(content: bytes, path: Path) -> Record:
    """Return the record that the bytes of a file hold. Raises RecordError, which names the file, as `load` does."""
    try:
        record = _adapter().validate_json(content)
    except ValidationError as error:
        raise RecordError(_unreadable(path, content, error)) from error
    if record.schema != SCHEMA:
        raise RecordError(_other_version(path, record.schema))
    return record


def text_of(record: Record, indent: int | None = 1) -> str:
    """Return a record as JSON. Raises ValueError for NaN or infinity."""
    plain = _writable(_adapter().dump_python(record), record.part)
    return json.dumps(plain, indent=indent, ensure_ascii=False, allow_nan=False)


def load_all(results: Path) -> Loaded:
    """Read all records below a results folder, ordered by role, submission and part; none stops the others."""
    found: list[Record] = []
    problems = []
    for path in paths(results):
        try:
            record = load(path)
            if path != path_of(results, record.role, record.submission, record.part):
                raise RecordError(
                    f"{path}: a record of {record.submission} · {record.part}, which lies elsewhere; not counted here"
                )
            found.append(record)
        except RecordError as error:
            problems.append(str(error))
    roles = list(Role)
    found.sort(key=lambda record: (roles.index(record.role), record.submission, record.part))
    return Loaded(found, tuple(problems))


def paths(results: Path) -> Iterator[Path]:
    """Yield the files of all records below a results folder, in order."""
    for pattern in ("*/*.json", *(f"@{role.value}/*/*.json" for role in Role if role is not Role.STUDENT)):
        yield from sorted(path for path in results.glob(pattern) if not path.name.startswith("."))


def remove(results: Path, record: Record) -> None:
    """Delete a record and the files that belong to it."""
    for name in files_of(record):
        (results / name).unlink(missing_ok=True)
    path_of(results, record.role, record.submission, record.part).unlink(missing_ok=True)


def remove_files(results: Path, former: Record, record: Record) -> None:
    """Delete the files that belonged to a former record and do not belong to the one in its place."""
    for name in set(files_of(former)) - set(files_of(record)):
        (results / name).unlink(missing_ok=True)


def files_of(record: Record) -> Iterable[str]:
    """Return the names of the files that belong to a record, relative to the results folder."""
    own = f"{record.part}."
    named = [figure.file for figure in record.figures] + [record.arrays, record.answers, record.trial_answers]
    # Records can be edited by hand: nothing outside the submission's own folder is ever named, hence deleted.
    folder = folder_of(Path(), record.role, record.submission)
    return [name for name in named if name and Path(name).parent == folder and Path(name).name.startswith(own)]


def repeatable(record: Record) -> dict[str, object]:
    """Return what of a record must be the same when it is graded again: all but clocks."""
    kept: dict[str, object] = _adapter().dump_python(record, mode="json")
    for clock in ("timings", "graded_at", "timing", "machine"):
        del kept[clock]
    return kept


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def _with_file(results: Path, record: Record, figure: Figure) -> Figure:
    """The figure as a record holds it: lists for arrays, and a file for a picture's pixels."""
    if "pixels" not in figure.data:
        return replace(figure, data={key: _plain(value) for key, value in figure.data.items()})
    from PIL import Image

    name = beside(record, f"{figure.name}.png")
    buffer = io.BytesIO()
    Image.fromarray(figure.data["pixels"]).save(buffer, "PNG")
    write_atomically(results / name, buffer.getvalue())
    return replace(figure, data={}, file=name)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _unreadable(path: Path, content: bytes, error: ValidationError) -> str:
    """A sentence about a file that is no record of this version."""
    try:
        schema = json.loads(content)["schema"]
    except (ValueError, TypeError, KeyError, RecursionError):
        schema = SCHEMA
    if isinstance(schema, int) and schema != SCHEMA:
        return _other_version(path, schema)
    return f"{path}: not a readable record: {str(error).splitlines()[0]}"


def _other_version(path: Path, schema: int) -> str:
    age = "an older" if schema < SCHEMA else "a newer"
    return (
        f"{path}: written by {age} version of gradebench (record schema {schema}; this version reads {SCHEMA}); "
        "grade the submission again"
    )


def _writable(value: Any, where: str) -> Any:
    """The same value in JSON's types, lone surrogates, which no encoding holds, replaced.

    A task may give numpy's numbers. ValueError for NaN and infinity.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{where}: {value} is no number that a record may hold")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_writable(key, where): _writable(inner, f"{where}: {key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(inner, where) for inner in value]
    return value
