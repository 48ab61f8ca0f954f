"""Recognises a checkpoint by its content and reads it; every way in which that can fail ends as a GradingError."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.checkpoint.arrays import NPY_START, read_npy, read_npz
from harness.checkpoint.container import members
from harness.checkpoint.inert import Budget, ReadingError, printable
from harness.checkpoint.naming import tensors
from harness.checkpoint.tensorfile import read_safetensors
from harness.checkpoint.torchfiles import INSTEAD, LEGACY_START, Parsed, read_legacy, read_zip
from harness.types import Array, broken, refuse

FORMATS = ".pt, .pth, .safetensors, .npz or .npy"


@dataclass
class Checkpoint:
    """What a file holds. Nothing in it can act: classes, functions and objects of the file are `Opaque` records."""

    format: str
    """torch-zip, torch-legacy, safetensors, npz or npy; found by content, whatever the file is called."""
    tree: Any
    """Nested dicts, lists, tuples, numbers, text, bytes, numpy arrays and `Opaque`s. Sets are lists."""
    tensors: dict[str, Array]
    """Every tensor by its dotted name, C-ordered, in native byte order. bfloat16 comes as float32, the same numbers."""
    notes: list[str] = field(default_factory=list)
    """What was tolerated or is suspicious, in sentences for the student."""
    dtypes: dict[str, str] = field(default_factory=dict)
    """Type of each tensor as stored: "float32", "bfloat16", "int64" …"""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each tensor as stored."""
    name: str = ""
    """What messages call the file."""


def read(source: bytes | Path, name: str, budget: int = 1 << 30) -> Checkpoint:
    """Read a checkpoint without executing or importing anything of it.

    Parameters
    ----------
    source
        The file's bytes, or its path; links are not followed.
    name
        What messages call the file, usually its path within the submission.
    budget
        Bytes that the file may have, and that what it holds may take when read.

    Raises
    ------
    GradingError
        The submission's fault, stage "checkpoint", kind `missing`, `not-a-file`, `truncated`, `malformed`,
        `unsupported` (a format or a type of tensor that is not taken), or `too-large`. The harness's fault, kind `io`,
        where the disk fails.
    """
    shown = printable(name, 200)
    try:
        return _read(_content(source, budget), name, Budget(budget))
    except ReadingError as flaw:
        raise refuse("checkpoint", flaw.kind, f"{shown}: {printable(flaw.reason, 1000)}.", flaw.detail) from None
    except MemoryError:
        raise refuse("checkpoint", "too-large", f"{shown}: it takes more memory than is allowed.") from None
    except OSError as error:
        raise broken("checkpoint", "io", f"{shown}: can't be read ({error.strerror}).") from error
    except Exception as error:
        # The reader is fed by an adversary: what it did not foresee is the file's fault, not a crash of the run.
        raise refuse("checkpoint", "malformed", f"{shown}: it is damaged.", f"{type(error).__name__}") from error


def _content(source: bytes | Path, budget: int) -> memoryview:
    if not isinstance(source, Path):
        data = bytes(source)
    else:
        # Without O_NONBLOCK, opening a FIFO waits for ever.
        flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(source, flags)
        except FileNotFoundError:
            raise ReadingError("missing", "there is no such file") from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise ReadingError("not-a-file", "it is a link or a device, not a regular file") from None
            raise
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise ReadingError("not-a-file", "it is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            # One byte more than allowed, and not the size that it claims: it may be growing.
            data = file.read(budget + 1) if status.st_size <= budget else b""
            if max(status.st_size, len(data)) > budget:
                raise ReadingError("too-large", f"it has {status.st_size:,} bytes; at most {budget:,} are allowed")
    if len(data) > budget:
        raise ReadingError("too-large", f"it has {len(data):,} bytes; at most {budget:,} are allowed")
    if not data:
        raise ReadingError("truncated", "it is empty")
    return memoryview(data)


def _read(data: memoryview, name: str, budget: Budget) -> Checkpoint:
    parsed = _parse(data, budget)
    notes = list(parsed.notes)
    found: dict[str, Array] = {}
    called: dict[int, str] = {}
    for named in tensors(parsed.tree):
        called.setdefault(id(named.array), printable(named.name))
        if named.name in found and found[named.name] is not named.array:
            notes.append(f"Two tensors would both be called {printable(named.name)}; the first was taken.")
        found.setdefault(named.name, named.array)
    parsed.fill(called)
    dtypes = {key: parsed.stored.get(id(array), array.dtype.name) for key, array in found.items()}
    sizes = {key: array.size * (2 if dtypes[key] == "bfloat16" else array.itemsize) for key, array in found.items()}
    return Checkpoint(parsed.format, parsed.tree, found, notes[:100], dtypes, sizes, name)


def _parse(data: memoryview, budget: Budget) -> Parsed:
    head = bytes(data[:512])
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or (len(head) < 4 and b"PK\x03\x04".startswith(head)):
        return _parse_zip(data, budget)
    if head.startswith(NPY_START):
        return Parsed("npy", read_npy(data, "the array", budget))
    if head.startswith(LEGACY_START):
        return read_legacy(data, budget)
    if LEGACY_START.startswith(head) or NPY_START.startswith(head):
        raise ReadingError("truncated", f"it breaks off after {len(data)} bytes")
    # A header's length may begin like another format: of 640 bytes, like a pickle.
    foreign = None if head[3:9] == b"\0\0\0\0\0{" else _foreign(head)
    if foreign is not None:
        raise ReadingError("unsupported", foreign)
    # A header of under 16 MiB begins so; larger ones are refused with their size.
    if head[8:9] == b"{" or (len(head) <= 8 and head[3:] == bytes(len(head) - 3)):
        arrays, stored = read_safetensors(data, budget)
        return Parsed("safetensors", arrays, stored=stored)
    raise ReadingError("malformed", f"it is no checkpoint that gradebench knows; submit {FORMATS}")


def _parse_zip(data: memoryview, budget: Budget) -> Parsed:
    entries = members(data)
    leaves = [name.rpartition("/")[2] for name in entries]
    if "data.pkl" in leaves or {"archive_format", "serialized_exported_program.json"} & set(leaves):
        return read_zip(data, entries, budget)
    if entries and all(leaf.endswith(".npy") for leaf in leaves):
        return Parsed("npz", read_npz(data, entries, budget))
    inside = [name for name in entries if name.endswith((".pt", ".pth", ".safetensors", ".npz", ".ckpt"))]
    if inside:
        raise ReadingError("unsupported", f"it is an archive around {printable(inside[0])}; submit that file itself")
    raise ReadingError("malformed", "it is a zip archive but neither torch.save nor numpy wrote it")


def _foreign(head: bytes) -> str | None:
    """Why a file of another known format isn't taken, and what to submit instead."""
    if head[257:262] == b"ustar" or head.startswith((b"sys_info\0", b"pickle\0", b"tensors\0", b"storages\0")):
        return "it is a tar archive (torch wrote such files before 0.2, too); unpack it, or save again with torch.save"
    if head[:1] == b"\x80" and head[1:2] in b"\0\1\2\3\4\5":
        return f"it is a plain pickle, which torch.save does not write; {INSTEAD}"
    if head[:1] == b"\x08" and (b"pytorch" in head[:64] or b"onnx" in head[:64].lower()):
        return f"it is an ONNX model, which can't be graded; {INSTEAD}"
    if head.startswith(b"\x89HDF"):
        return f"it is an HDF5 file (Keras writes such); {INSTEAD}"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip; submit the checkpoint itself"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the checkpoint; fetch the file with `git lfs pull` and submit that"
    if head.lstrip()[:1] == b"<":
        return "it is a web page, not the checkpoint; perhaps the download asked for a confirmation"
    return None
