"""Records on disk: one JSON file an entry, written whole or not at all, and the PNGs that belong to it.

`RESULTS/<submission>/<part>.json`, beside it `<part>.<picture>.png`. The files are the truth that leaderboards are
derived from; everything in them was computed by the trusted parent.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from harness.types import Record

SCHEMA = 1
_ADAPTER = TypeAdapter(Record)


class RecordError(Exception):
    """A record file can't be read; the message names the file and what is wrong."""


def path_of(results: Path, submission: str, part: str) -> Path:
    """Where the record of a submission's part lies. Ids are safe as file names: intake sees to it."""
    return results / submission / f"{part}.json"


def save(results: Path, record: Record, pictures: Mapping[str, NDArray[np.uint8]]) -> Path:
    """Write a record and its pictures, pictures first, each to a temporary name that is then renamed.

    Raises
    ------
    ValueError
        for NaN or infinity anywhere: JSON has no such numbers, and no metric may.
    """
    path = path_of(results, record.submission, record.part)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
        _write(results / record.pictures[name], buffer.getvalue())
    plain = _writable(_ADAPTER.dump_python(record), path.name)
    _write(path, _ADAPTER.dump_json(_ADAPTER.validate_python(plain), indent=2) + b"\n")
    return path


def load(path: Path) -> Record:
    """Read one record. Raises RecordError for a damaged file or a schema of another version."""
    try:
        record = _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RecordError(f"{path}: not a readable record: {str(error).splitlines()[0]}") from error
    if record.schema != SCHEMA:
        raise RecordError(f"{path}: record schema {record.schema}; this version reads {SCHEMA}.")
    return record


def load_all(results: Path) -> list[Record]:
    """All records below a results folder, ordered by submission and part. Raises RecordError for any bad one."""
    return [load(path) for path in sorted(results.glob("*/*.json"))]


def remove(results: Path, record: Record) -> None:
    """Delete a record and its pictures."""
    for picture in record.pictures.values():
        (results / picture).unlink(missing_ok=True)
    path_of(results, record.submission, record.part).unlink(missing_ok=True)


def picture_name(submission: str, part: str, picture: str) -> str:
    """File name of a record's picture, relative to the results folder."""
    return f"{submission}/{part}.{picture}.png"


def repeatable(record: Record) -> dict[str, object]:
    """What of a record must be the same when it is graded again: all but clocks and places."""
    kept: dict[str, object] = _ADAPTER.dump_python(record, mode="json")
    for clock in ("timings", "graded_at"):
        del kept[clock]
    return kept


def _write(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _writable(value: Any, where: str) -> Any:
    """The same value with lone surrogates, which no encoding holds, replaced; ValueError for NaN and infinity."""
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{where}: {value} is no number that a record may hold")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_writable(key, where): _writable(inner, f"{where}: {key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(inner, where) for inner in value]
    return value
