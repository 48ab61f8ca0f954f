"""Recognises a checkpoint by its content and reads it; every failure is a GradingError."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.checkpoint.arrays import NPY_START, read_npy, read_npz
from harness.checkpoint.container import members
from harness.checkpoint.inert import Budget, ReadingError, printable
from harness.checkpoint.naming import tensors
from harness.checkpoint.tensorfile import read_safetensors
from harness.checkpoint.torchfiles import INSTEAD, LEGACY_START, Parsed, read_legacy, read_zip
from harness.types import Array, refuse

FORMATS = ".pt, .pth, .safetensors, .npz or .npy"


@dataclass
class Checkpoint:
    """The content of a file. Nothing in it can be run: its classes, functions and objects are `Opaque` placeholders."""

    format: str
    """torch-zip, torch-legacy, safetensors, npz or npy; recognised by content, not by the file's name."""
    tree: Any
    """Nested dicts, lists, tuples, numbers, text, bytes, numpy arrays and `Opaque`s. Sets are lists."""
    tensors: dict[str, Array]
    """Every tensor by its dotted name, in C order and native byte order; bfloat16 as float32, with the same values."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the student about what was tolerated or is suspicious."""
    dtypes: dict[str, str] = field(default_factory=dict)
    """Type of each tensor as stored: "float32", "bfloat16", "int64" …"""
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of each tensor as stored."""
    name: str = ""
    """The file's name in messages."""


def read(data: bytes, name: str, budget: int = 1 << 30) -> Checkpoint:
    """Reads a checkpoint without executing or importing anything that it names.

    Parameters
    ----------
    data : the file's bytes
    name : the file's name in messages, usually its path within the submission
    budget : maximum number of bytes of the file, and of the tensors and strings read from it

    Raises
    ------
    GradingError
        The submission's fault, stage "checkpoint", kind `truncated`, `malformed`, `unsupported` (a format or a type of
        tensor that is not accepted), or `too-large`.
    """
    shown = printable(name, 200)
    try:
        if len(data) > budget:
            raise ReadingError("too-large", f"it has {len(data):,} bytes; at most {budget:,} are allowed")
        if not data:
            raise ReadingError("truncated", "it is empty")
        return _read(memoryview(data), name, Budget(budget))
    except ReadingError as flaw:
        raise refuse("checkpoint", flaw.kind, f"{shown}: {printable(flaw.reason, 1000)}.") from None
    except MemoryError:
        raise refuse("checkpoint", "too-large", f"{shown}: reading it takes more memory than is allowed.") from None
    except Exception as error:
        # The file may come from an adversary, so an unforeseen exception is the file's fault and no crash of the run.
        raise refuse("checkpoint", "malformed", f"{shown}: it is damaged.", f"{type(error).__name__}") from error


def _read(data: memoryview, name: str, budget: Budget) -> Checkpoint:
    parsed = _parse(data, budget)
    notes = list(parsed.notes)
    found: dict[str, Array] = {}
    called: dict[int, str] = {}
    for named in tensors(parsed.tree):
        called.setdefault(id(named.array), printable(named.name))
        if named.name in found and found[named.name] is not named.array:
            notes.append(f"Two tensors have the name {printable(named.name)}; the first one was used.")
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
    # A safetensors file begins with its header's length, which may look like another format: 640 like a pickle.
    foreign = None if head[3:9] == b"\0\0\0\0\0{" else _foreign(head)
    if foreign is not None:
        raise ReadingError("unsupported", foreign)
    # Headers of under 16 MiB begin like this; larger ones are refused with their size.
    if head[8:9] == b"{" or (len(head) <= 8 and head[3:] == bytes(len(head) - 3)):
        arrays, stored = read_safetensors(data, budget)
        return Parsed("safetensors", arrays, stored=stored)
    raise ReadingError("malformed", f"it is not a checkpoint of a known format; submit {FORMATS}")


def _parse_zip(data: memoryview, budget: Budget) -> Parsed:
    entries = members(data)
    leaves = [name.rpartition("/")[2] for name in entries]
    if "data.pkl" in leaves or {"archive_format", "serialized_exported_program.json"} & set(leaves):
        return read_zip(data, entries, budget)
    if entries and all(leaf.endswith(".npy") for leaf in leaves):
        return Parsed("npz", read_npz(data, entries, budget))
    inside = [name for name in entries if name.endswith((".pt", ".pth", ".safetensors", ".npz", ".ckpt"))]
    if inside:
        raise ReadingError(
            "unsupported", f"it is an archive that holds {printable(inside[0])}; submit that file itself"
        )
    raise ReadingError("malformed", f"it is a zip archive that neither torch.save nor numpy wrote; submit {FORMATS}")


def _foreign(head: bytes) -> str | None:
    """A sentence for a file of another known format that isn't accepted, with what to submit instead; else None."""
    if head[257:262] == b"ustar" or head.startswith((b"sys_info\0", b"pickle\0", b"tensors\0", b"storages\0")):
        return (
            "it is a tar archive (as torch before 0.2 also wrote); unpack it, or save the model again with torch.save"
        )
    if head[:1] == b"\x80" and head[1:2] in b"\0\1\2\3\4\5":
        return f"it is a plain pickle, which torch.save does not write; {INSTEAD}"
    if head[:1] == b"\x08" and (b"pytorch" in head[:64] or b"onnx" in head[:64].lower()):
        return f"it is an ONNX model, which can't be graded; {INSTEAD}"
    if head.startswith(b"\x89HDF"):
        return f"it is an HDF5 file, such as Keras writes; {INSTEAD}"
    if head.startswith(b"\x1f\x8b"):
        return "it is compressed with gzip; submit the checkpoint itself"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the checkpoint; fetch the file with `git lfs pull` and submit that"
    if head.lstrip()[:1] == b"<":
        return (
            "it is a web page, not the checkpoint; download the checkpoint again (the site may have asked to confirm)"
        )
    return None
