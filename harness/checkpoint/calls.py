"""Emulates the few constructor calls found in valid checkpoints, from their recorded arguments alone.

The names are those that torch 0.4 to 2.13 and numpy 1 and 2 write; a call of any other name gives an `Opaque`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

import numpy as np

from harness.checkpoint.inert import Budget, Opaque, ReadingError, Unreadable, printable
from harness.checkpoint.keys import put
from harness.checkpoint.storages import (
    NUMPY_TYPES,
    STORED,
    StorageRef,
    StorageTable,
    checked_shape,
    decode,
    numel,
    width,
)
from harness.types import Array


class Called(Enum):
    """The result of a call whose arguments are not as expected."""

    UNKNOWN = "unknown"


class Machine(Protocol):
    """The part of the interpreter that a call may use."""

    storages: StorageTable
    budget: Budget

    def charge_items(self, count: int) -> None:
        """Counts items that a call copies; ReadingError("too-large") when they are too many."""
        ...


class ArrayShell(Opaque):
    """A numpy array between the call that creates it, empty, and the BUILD opcode that fills it."""

    __slots__ = ("memo_index",)

    def __init__(self) -> None:
        super().__init__("numpy.ndarray", made=True)
        self.memo_index: int | None = None


Call = Callable[[Machine, tuple[Any, ...]], Any]
ALLOWED = ", ".join(STORED)


def _mapping(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    result: dict[Any, Any] = {}
    if not arguments:
        return result
    source = arguments[0]
    if isinstance(source, dict):
        machine.charge_items(len(source))
        return dict(source)
    if not isinstance(source, (list, tuple)):
        return Called.UNKNOWN
    machine.charge_items(len(source))
    for pair in source:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            return Called.UNKNOWN
        put(result, pair[0], pair[1])
    return result


def _default_mapping(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    return _mapping(machine, arguments[1:])


def _sequence(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    if not arguments:
        return []
    if len(arguments) != 1 or not isinstance(arguments[0], (list, tuple)):
        return Called.UNKNOWN
    machine.charge_items(len(arguments[0]))
    return list(arguments[0])


def _tuple(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    values = _sequence(machine, arguments)
    return tuple(values) if isinstance(values, list) else values


def _encoded(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """Decodes bytes as protocol 2 writes them: text of the characters 0 to 255, to be encoded as Latin-1."""
    if len(arguments) != 2 or not isinstance(arguments[0], str) or arguments[1] not in ("latin1", "latin-1"):
        return Called.UNKNOWN
    machine.budget.charge(len(arguments[0]), "a string of bytes")
    try:
        return arguments[0].encode("latin-1")
    except UnicodeEncodeError:
        return Called.UNKNOWN


def _bytes(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    if not arguments:
        return b""
    if len(arguments) == 1 and isinstance(arguments[0], bytes):
        return arguments[0]
    return _encoded(machine, arguments)


def _tensor(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata)`, or the older form of it."""
    if len(arguments) < 4:
        return Unreadable("tensor", "malformed", "is rebuilt from too few arguments")
    storage, offset, size, stride = arguments[:4]
    if isinstance(storage, Opaque):
        shown = printable(storage.qualified_name)
        return Unreadable("tensor", "unsupported", f"lies in a {shown}; the types allowed are {ALLOWED}")
    if not isinstance(storage, StorageRef):
        return Unreadable("tensor", "malformed", "is rebuilt from something that is not a storage")
    flags = arguments[6] if len(arguments) > 6 else None
    if isinstance(flags, dict) and (flags.get("neg") or flags.get("conj")):
        return Unreadable("tensor", "unsupported", "is a negated or conjugated view; save tensor.clone() instead")
    return machine.storages.tensor(storage, offset, size, stride)


def _parameter(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments and isinstance(arguments[0], (np.ndarray, Unreadable)) else Called.UNKNOWN


def _of_type(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_rebuild_from_type_v2(function, type, arguments, state)`: a tensor with attributes of its own."""
    if len(arguments) < 3 or not isinstance(arguments[0], Opaque) or not isinstance(arguments[2], tuple):
        return Called.UNKNOWN
    inner = TENSORS.get(arguments[0].qualified_name)
    return Called.UNKNOWN if inner is None else inner(machine, arguments[2])


def _newer(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_rebuild_tensor_v3`, which torch writes for types that have no storage class of their own."""
    dtype = arguments[6] if len(arguments) > 6 else None
    shown = printable(dtype.qualified_name) if isinstance(dtype, Opaque) else "an unknown type"
    return Unreadable("tensor", "unsupported", f"is of {shown}; the types allowed are {ALLOWED}")


def _from_device(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_rebuild_device_tensor_from_numpy(data, dtype, device, requires_grad)` of XLA, MPS and others: its data."""
    if arguments and isinstance(arguments[0], (np.ndarray, Unreadable)):
        return arguments[0]
    return Unreadable(
        "tensor",
        "unsupported",
        "was saved from a device in a form that is not read; save {name: tensor.cpu() for name, tensor in "
        "model.state_dict().items()} instead",
    )


def _refused(what: str) -> Call:
    return lambda machine, arguments: Unreadable("tensor", "unsupported", what)


_QUANTISED = _refused("is quantised; save the float model's state dict")
_SPARSE = _refused("is sparse; save tensor.to_dense() instead")

TENSORS: dict[str, Call] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _newer,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    **{
        f"torch._utils._rebuild_{device}": _from_device
        for device in (
            *("device_tensor_from_numpy", "device_tensor_from_cpu_tensor", "xla_tensor", "hpu_tensor"),
            *("ort_tensor", "mlc_tensor", "maia_tensor", "xpu_tensor"),
        )
    },
    "torch._utils._rebuild_qtensor": _QUANTISED,
    "torch._utils._rebuild_sparse_tensor": _SPARSE,
    "torch._utils._rebuild_sparse_csr_tensor": _SPARSE,
    "torch._utils._rebuild_nested_tensor": _refused("is a nested tensor; save its parts as tensors of their own"),
    "torch._utils._rebuild_meta_tensor_no_storage": _refused("is on the meta device and holds no numbers"),
    "torch._utils._rebuild_wrapper_subclass": _refused("is of a tensor subclass; save plain tensors"),
    "torch.storage._load_from_bytes": _refused("was pickled on its own; save with torch.save"),
}


def _dtype(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    return Opaque("numpy.dtype", True, arguments)


def _numpy_dtype(described: Any) -> str | None:
    """The name of an allowed type that a pickled `numpy.dtype` describes; None for any other."""
    if not isinstance(described, Opaque) or described.qualified_name != "numpy.dtype" or not described.args:
        return None
    order = described.state.get("state")
    if not isinstance(order, tuple) or len(order) < 2 or order[1] not in ("<", "|", "="):
        return None
    return NUMPY_TYPES.get(described.args[0]) if isinstance(described.args[0], str) else None


def _numpy_scalar(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    dtype = _numpy_dtype(arguments[0]) if len(arguments) == 2 else None
    if dtype is None or not isinstance(arguments[1], bytes) or len(arguments[1]) != width(dtype):
        return Called.UNKNOWN
    return decode(arguments[1], dtype)[0].item()


def _numpy_array(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    return ArrayShell()


def _from_buffer(machine: Machine, arguments: tuple[Any, ...]) -> Any:
    """`_frombuffer(bytes, dtype, shape, order)`, which numpy writes in protocol 5."""
    if len(arguments) != 4:
        return Called.UNKNOWN
    raw, described, shape, order = arguments
    array = _array(machine, shape, described, order == "F", raw)
    return Called.UNKNOWN if array is None else array


def filled(machine: Machine, state: Any) -> Array | Unreadable | None:
    """The array that BUILD makes of (version, shape, dtype, Fortran order, bytes); None for objects and other types."""
    if not isinstance(state, tuple) or len(state) != 5:
        return None
    return _array(machine, state[1], state[2], state[3], state[4])


def _array(machine: Machine, shape: Any, described: Any, fortran: Any, raw: Any) -> Array | Unreadable | None:
    dtype = _numpy_dtype(described)
    if dtype is None or not isinstance(raw, bytes):
        return None
    try:
        shape = checked_shape(shape)
    except ReadingError as flaw:
        return Unreadable("array", flaw.kind, f"has no valid shape ({flaw.reason})")
    if numel(shape) * width(dtype) != len(raw):
        return Unreadable("array", "malformed", f"of shape {shape} comes with {len(raw):,} bytes of {dtype}")
    machine.budget.charge(len(raw), f"an array of shape {shape}")
    return np.array(decode(raw, dtype).reshape(shape, order="F" if fortran is True else "C"), order="C")


CALLS: dict[str, Call] = {
    **TENSORS,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": _tuple,
    "torch.device": lambda machine, arguments: Opaque("torch.device", True, arguments),
    "collections.OrderedDict": _mapping,
    "collections.Counter": _mapping,
    "collections.defaultdict": _default_mapping,
    "collections.deque": lambda machine, arguments: _sequence(machine, arguments[:1]),
    "builtins.dict": _mapping,
    "builtins.list": _sequence,
    "builtins.set": _sequence,
    "builtins.frozenset": _sequence,
    "builtins.tuple": _tuple,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "_codecs.encode": _encoded,
    "copyreg._reconstructor": lambda machine, arguments: (
        Opaque(arguments[0].qualified_name, True) if arguments and isinstance(arguments[0], Opaque) else Called.UNKNOWN
    ),
    "numpy.dtype": _dtype,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.core.multiarray._reconstruct": _numpy_array,
    "numpy._core.multiarray._reconstruct": _numpy_array,
}
