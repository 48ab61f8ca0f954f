"""Checkpoints that consist of several files: which files those are, and how they travel to the reader as one.

TensorFlow writes PREFIX.index and PREFIX.data-00000-of-00001 …; safetensors of large models are split into
NAME-00001-of-00002.safetensors …, with NAME.safetensors.index.json beside them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping

from harness.checkpoint.inert import ReadingError, printable

MAGIC = b"\x93gradebench files 1\n"
MAX_FILES = 1000
MAX_FILE_NAME = 4096
"""Bytes of a file's name."""
_COUNT = struct.Struct("<L")
_ENTRY = struct.Struct("<LQ")

_TENSORFLOW = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_SHARD = re.compile(r"(-\d{5}-of-\d{5}\.safetensors|\.safetensors\.index\.json)$")


def companions(name: str, listing: Collection[str]) -> tuple[str, ...]:
    """Lists the files that together are the checkpoint `name`; () where `name` is a checkpoint by itself.

    Parameters
    ----------
    name : a file's path as the manifest gives it, or the prefix of a TensorFlow checkpoint, which is no file
    listing : the paths of all files of the submission, written like `name`

    Returns
    -------
    The paths, without any that isn't in `listing`: PREFIX.index and its data files, or the parts of a safetensors
    model. What is missing among them is for the reader to say.

    >>> companions("a/m.ckpt", ["a/m.ckpt.index", "a/m.ckpt.data-00000-of-00001", "a/m.ckpt.meta"])
    ('a/m.ckpt.index', 'a/m.ckpt.data-00000-of-00001')
    """
    files = sorted(set(listing))
    if split := _SHARD.search(name):
        stem = re.escape(name[: split.start()])
        total = re.search(r"-of-\d{5}", split[0])
        count = total[0] if total else r"-of-\d{5}"
        pattern = re.compile(rf"{stem}-\d{{5}}{count}\.safetensors")
        found = [file for file in files if pattern.fullmatch(file)]
        return tuple(found) if len(found) > 1 or (found and found != [name]) else ()
    match = _TENSORFLOW.search(name)
    if match is None and name in set(files):
        return ()
    prefix = name[: match.start()] if match else name
    data = re.compile(rf"{re.escape(prefix)}\.data-\d{{5}}-of-\d{{5}}")
    index = f"{prefix}.index"
    found = [index] * (index in set(files)) + [file for file in files if data.fullmatch(file)]
    return tuple(found) if len(found) > 1 or (found and found != [name]) else ()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Joins files, by name, into the one that `reading.read` takes apart; ValueError for too many or too long names."""
    names = {name: name.encode("utf-8", "surrogatepass") for name in files}
    if len(names) > MAX_FILES or any(len(raw) > MAX_FILE_NAME for raw in names.values()):
        raise ValueError(f"at most {MAX_FILES} files with names of {MAX_FILE_NAME:,} bytes make a checkpoint")
    head = [_ENTRY.pack(len(raw), len(files[name])) + raw for name, raw in names.items()]
    return b"".join([MAGIC, _COUNT.pack(len(files)), *head, *files.values()])


def unpack(data: memoryview) -> dict[str, memoryview]:
    """Takes apart what `pack` joined, copying nothing; ReadingError where the sizes contradict each other."""
    at = len(MAGIC) + _COUNT.size
    if len(data) < at:
        raise ReadingError("truncated", "its list of files breaks off")
    (count,) = _COUNT.unpack_from(data, len(MAGIC))
    if count > MAX_FILES:
        raise ReadingError("too-large", f"it is made of {count:,} files; at most {MAX_FILES:,} are allowed")
    sizes: dict[str, int] = {}
    for _ in range(count):
        if len(data) < at + _ENTRY.size:
            raise ReadingError("truncated", "its list of files breaks off")
        length, size = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if length > MAX_FILE_NAME or len(data) < at + length:
            raise ReadingError("malformed", "its list of files is damaged")
        name = bytes(data[at : at + length]).decode("utf-8", "replace")
        at += length
        if name in sizes:
            raise ReadingError("malformed", f"its list of files holds {printable(name)} twice")
        sizes[name] = size
    if at + sum(sizes.values()) != len(data):
        raise ReadingError("malformed", "its files don't have the sizes that its list of files says")
    files: dict[str, memoryview] = {}
    for name, size in sizes.items():
        files[name] = data[at : at + size]
        at += size
    return files


def missing_parts(files: Collection[str]) -> list[str]:
    """Names the parts of a safetensors model, NAME-00001-of-00002.safetensors …, that are not among `files`."""
    found = re.search(r"^(.*)-\d{5}-of-(\d{5})\.safetensors$", next(iter(files)), re.DOTALL)
    if found is None or int(found[2]) > MAX_FILES:
        return []
    wanted = [f"{found[1]}-{index:05d}-of-{found[2]}.safetensors" for index in range(1, int(found[2]) + 1)]
    return [name for name in wanted if name not in set(files)]
