"""Interprets pickles inertly: the stack machine of `pickle`, in which globals are only names and calls only recorded.

Opcodes come from the standard library's `pickletools.genops`, which decodes them and does nothing else. No class or
function that a file names can be reached from here: a GLOBAL pushes an `Opaque`, and a REDUCE of one gives either the
value that `calls.CALLS` computes from its arguments (containers, tensors, numpy values) or another `Opaque`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.checkpoint.calls import CALLS, ArrayShell, Called, filled
from harness.checkpoint.inert import Budget, Opaque, ReadingError, Unreadable
from harness.checkpoint.keys import put
from harness.checkpoint.opcodes import Window, opcodes
from harness.checkpoint.storages import StorageTable

MAX_STACK = 250_000
MAX_MARKS = 10_000
MAX_MEMO = 500_000
MAX_NAMES = 10_000
MAX_COPIED = 4_000_000
"""Maximum number of items that all calls such as `list(x)` copy together: each takes only a few bytes of pickle."""

CONTAINERS = {"builtins.dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Interpreter:
    """Interprets the pickles of one file.

    `named` holds every class and function that they name, `called` those that they call and `calls.CALLS` lacks, and
    `objects` the classes that they instantiate.
    """

    def __init__(self, storages: StorageTable, budget: Budget) -> None:
        self.storages = storages
        self.budget = budget
        self.copied = 0
        self.named: dict[str, None] = {}
        self.called: dict[str, None] = {}
        self.objects: dict[str, None] = {}
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self, window: Window) -> Any:
        """Interprets the pickle at the window's position, and returns its value; the position is then after its STOP.

        ReadingError for a pickle that is truncated, malformed, or over a limit.
        """
        self.stack, self.below, self.memo = [], [], {}
        for name, argument in opcodes(window, self.budget):
            if name == "STOP":
                break
            step = STEPS.get(name)
            if step is None:
                raise ReadingError("malformed", f"its pickle uses the opcode {name}, which torch.save never writes")
            step(self, argument)
            if len(self.stack) > MAX_STACK:
                raise ReadingError("too-large", f"its pickle has more than {MAX_STACK:,} values on its stack")
        return self._pop()

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _pop(self) -> Any:
        if not self.stack:
            raise ReadingError("malformed", "its pickle takes a value from an empty stack")
        return self.stack.pop()

    def _top(self) -> Any:
        if not self.stack:
            raise ReadingError("malformed", "its pickle uses the top of an empty stack")
        return self.stack[-1]

    def _mark(self) -> None:
        if len(self.below) >= MAX_MARKS:
            raise ReadingError("too-large", f"its pickle sets more than {MAX_MARKS:,} marks")
        self.below.append(self.stack)
        self.stack = []

    def _since_mark(self) -> list[Any]:
        if not self.below:
            raise ReadingError("malformed", "its pickle returns to a mark that was not set")
        values, self.stack = self.stack, self.below.pop()
        return values

    def _remember(self, index: int | None) -> None:
        if len(self.memo) >= MAX_MEMO:
            raise ReadingError("too-large", f"its pickle stores more than {MAX_MEMO:,} values in its memo")
        value = self._top()
        index = len(self.memo) if index is None else index
        if isinstance(value, ArrayShell):
            value.memo_index = index
        self.memo[index] = value

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            raise ReadingError("malformed", "its pickle uses a value of its memo that was not stored")
        self._push(self.memo[index])

    def charge_items(self, count: int) -> None:
        """Counts items that a call copies; ReadingError("too-large") when they are too many."""
        self.copied += count
        if self.copied > MAX_COPIED:
            raise ReadingError("too-large", f"its pickle copies more than {MAX_COPIED:,} values")

    def _name(self, module: Any, attribute: Any) -> None:
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise ReadingError("malformed", "its pickle names a class with something other than text")
        name = f"{PYTHON_2.get(module, module)}.{attribute}"
        self.named.setdefault(name)
        if len(self.named) > MAX_NAMES:
            raise ReadingError("too-large", f"its pickle names more than {MAX_NAMES:,} classes and functions")
        self._push(Opaque(name))

    def _global_line(self, argument: str) -> None:
        module, _, attribute = argument.partition(" ")
        self._name(module, attribute)

    def _stack_global(self) -> None:
        attribute = self._pop()
        self._name(self._pop(), attribute)

    def _call(self, function: Any, arguments: Any) -> Any:
        """The result of REDUCE: a value for the few known names, an `Opaque` for all others. Nothing is called."""
        if not isinstance(arguments, tuple):
            raise ReadingError("malformed", "its pickle calls something with arguments that are not a tuple")
        if not isinstance(function, Opaque):
            raise ReadingError("malformed", f"its pickle calls a value of type {type(function).__name__}")
        name = function.qualified_name
        if not function.made and name in CALLS:
            value = CALLS[name](self, arguments)
            if value is not Called.UNKNOWN:
                return value
        self.called.setdefault(name)
        return Opaque(name, True, arguments)

    def _instantiate(self, cls: Any, arguments: Any) -> Any:
        """The result of NEWOBJ: a plain container, or an `Opaque` that BUILD gives attributes."""
        if not isinstance(cls, Opaque) or not isinstance(arguments, tuple):
            raise ReadingError("malformed", "its pickle makes an instance of something that is not a class")
        if cls.qualified_name in CONTAINERS:
            return {}
        if cls.qualified_name in CALLS:
            return self._call(cls, arguments)
        self.objects.setdefault(cls.qualified_name)
        return Opaque(cls.qualified_name, True, arguments)

    def _build(self) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, ArrayShell):
            array = filled(self, state)
            if array is not None:
                self.stack[-1] = array
                if target.memo_index is not None:
                    self.memo[target.memo_index] = array
        elif isinstance(target, Opaque) and not isinstance(target, Unreadable):
            parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
            for part in parts:
                if isinstance(part, dict):
                    self.charge_items(len(part))
                    target.state.update(part)
                elif part is not None:
                    put(target.state, "state", state)
                    break

    def _append(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Opaque):
            target.items.extend(values)
        else:
            raise ReadingError("malformed", f"its pickle appends to a value of type {type(target).__name__}")

    def _set_items(self, values: list[Any]) -> None:
        target = self._top()
        if len(values) % 2:
            raise ReadingError("malformed", "its pickle sets a key without a value")
        pairs = zip(values[::2], values[1::2], strict=True)
        if isinstance(target, dict):
            for key, value in pairs:
                put(target, key, value)
        elif isinstance(target, Opaque):
            target.items.extend(pairs)
        else:
            raise ReadingError("malformed", f"its pickle sets an item of a value of type {type(target).__name__}")

    def _set_item(self) -> None:
        value = self._pop()
        self._set_items([self._pop(), value])

    def _append_one(self) -> None:
        value = self._pop()
        self._append([value])

    def _tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _reduce(self) -> None:
        arguments = self._pop()
        self._push(self._call(self._pop(), arguments))

    def _new_object(self) -> None:
        arguments = self._pop()
        self._push(self._instantiate(self._pop(), arguments))

    def _new_object_ex(self) -> None:
        self._pop()
        self._new_object()

    def _instance(self, argument: str) -> None:
        arguments = tuple(self._since_mark())
        self._global_line(argument)
        self._push(self._call(self._pop(), arguments))

    def _object(self) -> None:
        values = self._since_mark()
        if not values:
            raise ReadingError("malformed", "its pickle makes an instance of nothing")
        self._push(self._call(values[0], tuple(values[1:])))

    def _forget_mark(self) -> None:
        self._since_mark()

    def _pop_one(self) -> None:
        # As in pickle, a POP directly after a MARK removes the mark.
        if self.stack:
            self.stack.pop()
        else:
            self._since_mark()

    def _dictionary(self) -> None:
        values = self._since_mark()
        self._push({})
        self._set_items(values)

    def _persistent(self, identifier: Any) -> None:
        self._push(self._storage(identifier))

    def _storage(self, identifier: Any) -> Any:
        """The storage of a persistent id, checked; for the legacy ("module", class, file, source) the class."""
        if not isinstance(identifier, tuple) or not identifier:
            raise ReadingError("malformed", "its pickle refers to a storage in a way that torch.save never does")
        if identifier[0] == "module" and len(identifier) == 4 and isinstance(identifier[1], Opaque):
            return identifier[1]
        if identifier[0] != "storage" or len(identifier) not in (5, 6):
            raise ReadingError("malformed", "its pickle refers to a storage in a way that torch.save never does")
        _, kind, key, _location, count = identifier[:5]
        if len(identifier) == 6 and identifier[5] is not None:
            raise ReadingError("unsupported", "it was saved by torch before 0.4; save it again with a newer one")
        if not isinstance(kind, Opaque) or not isinstance(key, str) or type(count) is not int:
            raise ReadingError("malformed", "its pickle refers to a storage without a type, a key or a size")
        dtype = _STORAGES.get(kind.qualified_name.replace("torch.cuda.", "torch."))
        if dtype is None:
            # No tensor can be made of it, which matters only if one is.
            return Opaque(kind.qualified_name, True)
        return self.storages.declare(key, dtype, count)


_STORAGES = {
    "torch.DoubleStorage": "float64",
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}

Step = Callable[[Interpreter, Any], None]


def _push_argument(machine: Interpreter, argument: Any) -> None:
    machine._push(bytes(argument) if isinstance(argument, bytearray) else argument)


def _protocol(machine: Interpreter, argument: Any) -> None:
    if argument > 5:
        raise ReadingError("malformed", f"its pickle has protocol {argument}; the highest that exists is 5")


STEPS: dict[str, Step] = {
    "PROTO": _protocol,
    "FRAME": lambda m, a: None,
    "MARK": lambda m, a: m._mark(),
    "POP": lambda m, a: m._pop_one(),
    "POP_MARK": lambda m, a: m._forget_mark(),
    "DUP": lambda m, a: m._push(m._top()),
    "NONE": lambda m, a: m._push(None),
    "NEWTRUE": lambda m, a: m._push(True),
    "NEWFALSE": lambda m, a: m._push(False),
    "EMPTY_LIST": lambda m, a: m._push([]),
    "EMPTY_DICT": lambda m, a: m._push({}),
    "EMPTY_SET": lambda m, a: m._push([]),
    "EMPTY_TUPLE": lambda m, a: m._push(()),
    "LIST": lambda m, a: m._push(m._since_mark()),
    "TUPLE": lambda m, a: m._push(tuple(m._since_mark())),
    "FROZENSET": lambda m, a: m._push(m._since_mark()),
    "DICT": lambda m, a: m._dictionary(),
    "TUPLE1": lambda m, a: m._tuple_of(1),
    "TUPLE2": lambda m, a: m._tuple_of(2),
    "TUPLE3": lambda m, a: m._tuple_of(3),
    "APPEND": lambda m, a: m._append_one(),
    "APPENDS": lambda m, a: m._append(m._since_mark()),
    "ADDITEMS": lambda m, a: m._append(m._since_mark()),
    "SETITEM": lambda m, a: m._set_item(),
    "SETITEMS": lambda m, a: m._set_items(m._since_mark()),
    "GLOBAL": lambda m, a: m._global_line(a),
    "STACK_GLOBAL": lambda m, a: m._stack_global(),
    "REDUCE": lambda m, a: m._reduce(),
    "BUILD": lambda m, a: m._build(),
    "NEWOBJ": lambda m, a: m._new_object(),
    "NEWOBJ_EX": lambda m, a: m._new_object_ex(),
    "INST": lambda m, a: m._instance(a),
    "OBJ": lambda m, a: m._object(),
    "BINPERSID": lambda m, a: m._persistent(m._pop()),
    "MEMOIZE": lambda m, a: m._remember(None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, a: m._remember(a)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, a: m._recall(a)),
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
            *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _push_argument,
    ),
}
