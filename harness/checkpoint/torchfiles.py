"""Reads the files of `torch.save` inertly: the zip format (torch 1.6 and later) and the legacy stream before it.

Zip: `<root>/data.pkl` is the pickle, `<root>/data/<key>` each storage's raw bytes. Legacy: five pickles (a magic
number, a version, the byte order, the object, the storage keys), then for each key its element count and raw bytes.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.checkpoint.container import Member, extract
from harness.checkpoint.dangers import dangerous
from harness.checkpoint.inert import Budget, ReadingError, printable, several
from harness.checkpoint.opcodes import Window
from harness.checkpoint.pickles import Interpreter
from harness.checkpoint.storages import Buffer, StorageRef, StorageTable, width

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number with which every legacy file starts."""

INSTEAD = "submit the weights alone: torch.save(model.state_dict(), 'model.pt')"

HARMLESS = {
    *("builtins.set", "builtins.frozenset", "builtins.dict", "builtins.list", "builtins.tuple", "builtins.object"),
    *("builtins.bytes", "builtins.bytearray", "builtins.int", "builtins.float", "builtins.str", "builtins.bool"),
    *("builtins.complex", "builtins.slice", "builtins.range", "copyreg._reconstructor", "_codecs.encode"),
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("argparse.Namespace", "types.SimpleNamespace", "functools.partial"),
}
"""Names from the standard library that occur in ordinary checkpoints; others are reported in a note."""

HARMLESS_MODULES = {"collections", "datetime", "pathlib", "enum", "decimal", "fractions", "uuid", "array", "typing"}


@dataclass
class Parsed:
    """A file whose pickle has been read. `fill`, given names by array id, copies the numbers into its arrays."""

    format: str
    tree: Any
    notes: list[str] = field(default_factory=list)
    stored: dict[int, str] = field(default_factory=dict)
    """Stored type of each tensor by array id; for other arrays it is the array's own."""
    fill: Callable[[dict[int, str]], None] = lambda names: None
    hint: str = ""
    """The next step for the student if no model is found in the file."""
    dangers: tuple[str, ...] = ()
    """Names in the pickle that would do something to the machine of who unpickles it."""


def suspicions(interpreter: Interpreter) -> list[str]:
    """Notes each name that ordinary checkpoints don't hold, and the objects that were pickled whole."""
    notes: list[str] = []
    strange = dict(interpreter.called)
    for name in interpreter.named:
        module = name.partition(".")[0]
        if module in sys.stdlib_module_names and module not in HARMLESS_MODULES and name not in HARMLESS:
            strange.setdefault(name)
    dangers = _dangers(interpreter)
    if dangers:
        notes.append(
            f"For the instructor: the pickle names {several([printable(name) for name in dangers])}, which would run "
            "programs or code, or reach files, on the machine of who unpickles it. Nothing of it was run."
        )
    listed = [name for name in strange if name not in HARMLESS and name not in dangers]
    notes += [f"The pickle names {printable(name)}, which was not called." for name in listed[:20]]
    if len(listed) > 20:
        notes.append(f"The pickle names {len(listed) - 20} more functions, none of which was called.")
    modules = [name for name in interpreter.objects if not name.startswith("torch.nn.modules.")]
    whole = [printable(name) for name in modules or interpreter.objects]
    if whole:
        shown = ", ".join(whole[:5]) + (f" and {len(whole) - 5} more classes" if len(whole) > 5 else "")
        notes.append(f"The file holds whole objects ({shown}); their data was read, their code was not run.")
    return notes


def _dangers(interpreter: Interpreter) -> tuple[str, ...]:
    return tuple(dangerous([*interpreter.called, *interpreter.named]))


def read_zip(data: memoryview, entries: dict[str, Member], budget: Budget) -> Parsed:
    """Reads the zip format; ReadingError for TorchScript and torch.export archives, and for malformed files."""
    names = list(entries)
    if any(n.rpartition("/")[2] in ("archive_format", "serialized_exported_program.json") for n in names):
        raise ReadingError("unsupported", f"it is a torch.export archive, which runs code when it is loaded; {INSTEAD}")
    roots = [n[: -len("data.pkl")] for n in names if n == "data.pkl" or n.endswith("/data.pkl")]
    if any(n.startswith((f"{root}code/", f"{root}constants.pkl")) for root in roots for n in names):
        raise ReadingError("unsupported", f"it is a TorchScript archive, which holds code; {INSTEAD}")
    if len(roots) != 1:
        raise ReadingError("malformed", f"it holds {len(roots)} files called data.pkl; torch.save writes exactly one")
    root = roots[0]
    order = entries.get(f"{root}byteorder")
    if order is not None and bytes(extract(data, order, budget)) != b"little":
        raise ReadingError("unsupported", "it was saved on a big-endian machine; save it again on another")

    table = StorageTable(budget, limit=max(member.size for member in entries.values()))
    interpreter = Interpreter(table, budget)
    tree = interpreter.run(Window(memoryview(extract(data, entries[f"{root}data.pkl"], budget))))

    def fetch(storage: StorageRef) -> Buffer:
        member = entries.get(f"{root}data/{storage.key}")
        if member is None:
            raise ReadingError("malformed", f"the storage {printable(storage.key)} of its pickle is missing")
        if member.size != storage.count * width(storage.dtype):
            # Checked before anything is inflated.
            raise ReadingError(
                "malformed",
                f"the storage {printable(storage.key)} has {member.size:,} bytes, "
                f"but its pickle says {storage.count:,} elements of {storage.dtype}",
            )
        return extract(data, member, budget)

    return Parsed(
        "torch-zip",
        tree,
        suspicions(interpreter),
        table.stored,
        lambda arrays: table.fill(fetch, arrays),
        dangers=_dangers(interpreter),
    )


def read_legacy(data: memoryview, budget: Budget) -> Parsed:
    """Reads the legacy stream; ReadingError of kind "truncated" where it breaks off, "malformed" if inconsistent."""
    window = Window(data)
    table = StorageTable(budget, limit=len(data), beyond="truncated")
    interpreter = Interpreter(table, budget)
    if interpreter.run(window) != MAGIC_NUMBER:
        raise ReadingError("malformed", "it is a pickle that torch.save did not write")
    if interpreter.run(window) != 1001:
        raise ReadingError("malformed", "it is of an unknown version of torch's legacy format")
    system = interpreter.run(window)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ReadingError("unsupported", "it was saved on a big-endian machine; save it again on another")
    tree = interpreter.run(window)
    keys = interpreter.run(window)
    notes = suspicions(interpreter)
    records = _records(data, window.position, keys, table, notes)

    def fetch(storage: StorageRef) -> Buffer:
        if storage.key not in records:
            raise ReadingError("malformed", f"the storage {printable(storage.key)} of its pickle is missing")
        return records[storage.key]

    return Parsed(
        "torch-legacy",
        tree,
        notes,
        table.stored,
        lambda arrays: table.fill(fetch, arrays),
        dangers=_dangers(interpreter),
    )


def _records(data: memoryview, at: int, keys: Any, table: StorageTable, notes: list[str]) -> dict[str, memoryview]:
    """The raw bytes of each storage by key, in the file's order; notes tell of bytes that were not read."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise ReadingError("malformed", "its list of storages is damaged")
    records: dict[str, memoryview] = {}
    for key in keys:
        ref = table.declared.get(key)
        if ref is None:
            # Its element type is unknown, and so are its end and everything that follows.
            notes.append("The file holds storages that no readable tensor uses; they were ignored.")
            return records
        if at + 8 > len(data):
            raise ReadingError("truncated", f"it breaks off before the storage {printable(key)}")
        (count,) = struct.unpack_from("<q", data, at)
        at += 8
        if count != ref.count:
            raise ReadingError("malformed", f"the storage {printable(key)} has {count:,} elements, not {ref.count:,}")
        end = at + count * width(ref.dtype)
        if end > len(data):
            raise ReadingError("truncated", f"it breaks off within the storage {printable(key)}")
        records[key] = data[at:end]
        at = end
    if at != len(data):
        notes.append(f"The file has {len(data) - at:,} bytes after its end, which were not read.")
    return records
