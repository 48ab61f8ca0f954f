"""Recognises a checkpoint by its content and reads it; every failure is a GradingError."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from harness.checkpoint.arrays import NPY_START, read_npy, read_npz
from harness.checkpoint.container import members
from harness.checkpoint.foreign import archive, foreign, part_of_several
from harness.checkpoint.inert import Budget, ReadingError, printable, several
from harness.checkpoint.naming import tensors
from harness.checkpoint.tables import is_table
from harness.checkpoint.tensorfile import read_safetensors
from harness.checkpoint.tensorflowfiles import read_tensorflow
from harness.checkpoint.together import MAGIC, missing_parts, unpack
from harness.checkpoint.torchfiles import LEGACY_START, Parsed, read_legacy, read_zip
from harness.types import Array, refuse

FORMATS = ".pt, .pth, .safetensors, .npz, .npy, or TensorFlow's .index with its .data files"


@dataclass
class Checkpoint:
    """The content of a file. Nothing in it can be run: its classes, functions and objects are `Opaque` placeholders."""

    format: str
    """torch-zip, torch-legacy, safetensors, npz, npy or tensorflow; recognised by content, not by the file's name."""
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
    unread: dict[str, str] = field(default_factory=dict)
    """The tensors of kinds that can't be read, by name, each with the reason."""
    hint: str = ""
    """The next step for the student if no model is found in the file, in small letters; "" for most files."""
    dangers: tuple[str, ...] = ()
    """Names in the pickle that would do something to the machine of who unpickles it (`dangers`)."""


def read(data: bytes, name: str, budget: int = 1 << 30) -> Checkpoint:
    """Reads a checkpoint without executing or importing anything that it names.

    Parameters
    ----------
    data : the file's bytes, or several files that `together.pack` joined
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
    parsed = _parse(data, name, budget)
    notes = list(parsed.notes)
    found: dict[str, Array] = {}
    called: dict[int, str] = {}
    unread: dict[str, str] = {}
    for named in tensors(parsed.tree, unread):
        called.setdefault(id(named.array), printable(named.name))
        if named.name in found and found[named.name] is not named.array:
            notes.append(f"Two tensors have the name {printable(named.name)}; the first one was used.")
        found.setdefault(named.name, named.array)
    for key, why in list(unread.items())[:1]:
        if not found:
            raise ReadingError("unsupported", f"tensor {printable(key)} {why}")
        others = [other for other in unread if other != key]
        alike = f"; so were {several(others)}" if others else ""
        notes.append(f"Tensor {printable(key)} {why}. It was left out{alike}.")
    parsed.fill(called)
    dtypes = {key: parsed.stored.get(id(array), array.dtype.name) for key, array in found.items()}
    sizes = {key: array.size * (2 if dtypes[key] == "bfloat16" else array.itemsize) for key, array in found.items()}
    return Checkpoint(
        parsed.format, parsed.tree, found, notes[:100], dtypes, sizes, name, unread, parsed.hint, parsed.dangers
    )


def _parse(data: memoryview, name: str, budget: Budget) -> Parsed:
    head = bytes(data[:512])
    if head.startswith(MAGIC):
        return _parse_together(unpack(data), name, budget)
    if is_table(data) or (name.endswith(".index") and len(data) > 8):
        return _parse_together({name if name.endswith(".index") else f"{name}.index": data}, name, budget)
    # A safetensors file begins with its header's length, which may look like another format: 640 like a pickle.
    is_safetensors = head[3:9] == b"\0\0\0\0\0{"
    # A distributed checkpoint's file is several archives one after the other, and begins as torch's do.
    if name.endswith(".distcp") and (said := foreign(data, name)):
        raise ReadingError("unsupported", said)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or (len(head) < 4 and b"PK\x03\x04".startswith(head)):
        return _parse_zip(data, budget)
    if head.startswith(NPY_START):
        return Parsed("npy", read_npy(data, "the array", budget))
    if head.startswith(LEGACY_START):
        return read_legacy(data, budget)
    if LEGACY_START.startswith(head) or NPY_START.startswith(head):
        raise ReadingError("truncated", f"it breaks off after {len(data)} bytes")
    said = None if is_safetensors else foreign(data, name)
    if said is not None:
        raise ReadingError("unsupported", said)
    # Headers of under 16 MiB begin like this; larger ones are refused with their size.
    if head[8:9] == b"{" or (len(head) <= 8 and head[3:] == bytes(len(head) - 3)):
        arrays, stored = read_safetensors(data, budget)
        return Parsed("safetensors", arrays, stored=stored, hint=part_of_several(name))
    if re.search(r"\.data-\d{5}-of-\d{5}$", name):
        return _parse_together({name: data}, name, budget)
    if name.endswith(".meta"):
        prefix = printable(name.removesuffix(".meta").rpartition("/")[2])
        raise ReadingError(
            "unsupported", f"it is TensorFlow's graph without weights; submit {prefix}.index and its .data file"
        )
    raise ReadingError("malformed", f"it is not a checkpoint of a known format; submit {FORMATS}")


def _parse_together(files: dict[str, memoryview], name: str, budget: Budget) -> Parsed:
    """Reads a checkpoint that consists of several files, by their names."""
    if not files:
        raise ReadingError("truncated", "it is empty")
    if not all(file.endswith(".safetensors") for file in files):
        tensors, types = read_tensorflow(files, budget)
        return Parsed("tensorflow", tensors, stored=types)
    if missing := missing_parts(files):
        raise ReadingError(
            "mismatch", f"of its files {several(missing)} was not handed in; submit it beside the others"
        )
    tree: dict[str, Any] = {}
    stored: dict[int, str] = {}
    for data in files.values():
        arrays, types = read_safetensors(data, budget)
        if twice := set(arrays) & set(tree):
            raise ReadingError("malformed", f"two of its files hold a tensor called {printable(min(twice))}")
        tree |= arrays
        stored |= types
    return Parsed("safetensors", tree, stored=stored)


def _parse_zip(data: memoryview, budget: Budget) -> Parsed:
    entries = members(data)
    leaves = [name.rpartition("/")[2] for name in entries]
    if "data.pkl" in leaves or {"archive_format", "serialized_exported_program.json"} & set(leaves):
        return read_zip(data, entries, budget)
    if entries and all(leaf.endswith(".npy") for leaf in leaves):
        return Parsed("npz", read_npz(data, entries, budget))
    if said := archive(leaves):
        raise ReadingError("unsupported", said)
    inside = [name for name in entries if name.endswith((".pt", ".pth", ".safetensors", ".npz", ".ckpt", ".index"))]
    if inside:
        raise ReadingError(
            "unsupported", f"it is an archive that holds {printable(inside[0])}; submit that file itself"
        )
    raise ReadingError("malformed", f"it is a zip archive that neither torch.save nor numpy wrote; submit {FORMATS}")
