"""Asks plain functions of a student: found by name, called as they are written, failures told case by case.

A function is called with one case (without a dimension of cases) or, where that raises an error or gives another shape,
with all cases at once; with tensors or with numpy arrays, first with those that its code speaks of; in double precision
or, where that fails, in single. The first way that gives numbers of the right shape is kept for the questions that
follow. Arguments go by their names where the function's parameters have these names, else by position.
"""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any, Literal

import numpy as np
import torch

from harness.student_code import networks
from harness.student_code.no_differentiation import is_differentiation, no_differentiation
from harness.student_code.tolerated import taken, tolerate
from harness.types import Array, Outcome

_HARNESS = f"{Path(__file__).parents[1]}/"
_SAID = 160
"""Characters of an exception's text in a note."""

Library = Literal["tensors", "numpy arrays"]


@dataclass(frozen=True)
class Way:
    """One way to call a function."""

    library: Library
    at_once: bool
    """True for all cases in one call."""
    single: bool = False
    """True for float32."""

    def __str__(self) -> str:
        cases = "all cases at once" if self.at_once else "one case at a time"
        return f"{self.library}{' of float32' if self.single else ''}, {cases}"


@dataclass
class _Called:
    """The results of calling a function."""

    values: Array
    outcomes: Array
    error: BaseException | None = None
    """The first exception."""
    found: str = ""
    """The first thing returned that was not numbers of the shape asked for."""

    @property
    def fits(self) -> bool:
        """True where the first call gave an array of the right shape, NaN or not."""
        return not len(self.outcomes) or self.outcomes[0] in (Outcome.NUMBERS, Outcome.NAN, Outcome.INFINITE)


@dataclass
class Ways:
    """The ways in which functions turned out to be called, by the method asked for; one for each opened model."""

    kept: dict[str, Way] = field(default_factory=dict)


def ask(
    model: Any, file: str, header: Mapping[str, Any], inputs: Mapping[str, Array], ways: Ways, seed: Callable[[], None]
) -> tuple[list[str], list[Array]]:
    """Asks the function that `header` names; notes for the student, and its values and their outcomes.

    `seed` is called before the function is. Nothing that the function raises is raised here: it is an outcome of the
    case, and told in the notes.
    """
    name, call = header["method"], header["call"]
    shape = tuple(next(shape for key, _, shape in header["answers"] if key == "value"))
    function = found(model, [name, *call["aliases"]])
    if function is None:
        return taken(), [np.zeros(shape), np.full(shape[0], Outcome.MISSING, np.int8)]
    kept = ways.kept.get(name)
    tried: list[tuple[Way, _Called]] = []
    for way in _ways(function, call) if kept is None else [kept]:
        seed()
        tried.append((way, _call(function, way, call, inputs, shape, probe=kept is None)))
        if tried[-1][1].fits or tried[-1][1].outcomes[0] == Outcome.DIFFERENTIATED:
            break
    else:
        # All failed: what went wrong in the likeliest way is told.
        tried.append(tried[0])
    way, called = tried[-1]
    if kept is None:
        if called.fits:
            ways.kept[name] = way
            if not way.at_once:  # only the first case was called yet
                seed()
                called = _call(function, way, call, inputs, shape, probe=False)
            if call["cases"]:
                tolerate(f"{file}: {_named(function, name)} was called with {way}.")
        else:
            called.outcomes[:] = called.outcomes[0]
    _tell(called, f"{file}: {_named(function, name)}", call, shape, way)
    return taken(), [called.values, called.outcomes]


def found(model: Any, names: Sequence[str]) -> Callable[..., Any] | None:
    """The model's function of the first of the names that it has; case and underscores don't matter."""
    own = {_plain(name): name for name in reversed(dir(model)) if not name.startswith("__")}
    for name in names:
        function = getattr(model, name if hasattr(model, name) else own.get(_plain(name), name), None)
        if callable(function):
            return function  # type: ignore[no-any-return]  # callable() tells mypy nothing of the signature
    return None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _named(function: Callable[..., Any], name: str) -> str:
    return str(getattr(function, "__name__", name))[:60]


def _ways(function: Callable[..., Any], call: Mapping[str, Any]) -> Iterator[Way]:
    """All ways to call a function, the likeliest first."""
    libraries: list[Library] = ["tensors"] if call["networks"] else ["tensors", "numpy arrays"]
    if _speaks_numpy(function):
        libraries.reverse()
    for single in (False, True):
        for at_once in (False, True) if call["cases"] else (True,):
            for library in libraries:
                yield Way(library, at_once, single)


def _speaks_numpy(function: Callable[..., Any]) -> bool:
    """Tells whether a function's code, and that of its module's functions that it uses, names numpy and not PyTorch."""
    waiting, seen, packages = [inspect.unwrap(getattr(function, "__func__", function))], set[int](), set[str]()
    while waiting:
        one = waiting.pop()
        code, names = getattr(one, "__code__", None), getattr(one, "__globals__", {})
        if not isinstance(code, CodeType) or id(code) in seen:
            continue
        seen.add(id(code))
        for word in _words(code):
            value = names.get(word)
            if inspect.isfunction(value) and value.__module__ == one.__module__:
                waiting.append(value)
            else:
                where = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
                packages.add(str(where).partition(".")[0])
    return bool({"numpy", "scipy"} & packages) and "torch" not in packages


def _words(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _words(constant)


def _call(
    function: Callable[..., Any],
    way: Way,
    call: Mapping[str, Any],
    inputs: Mapping[str, Array],
    shape: tuple[int, ...],
    probe: bool,
) -> _Called:
    """Calls a function in one way; with `probe`, only the first case of those that are called one by one."""
    called = _Called(np.zeros(shape), np.zeros(shape[0], np.int8))
    rows: list[int | None] = [None] if way.at_once else list(range(1 if probe else shape[0]))
    with _conditions(call["differentiates"]):
        for row in rows:
            _call_once(function, way, call, inputs, called, row)
    return called


def _call_once(
    function: Callable[..., Any],
    way: Way,
    call: Mapping[str, Any],
    inputs: Mapping[str, Array],
    called: _Called,
    row: int | None,
) -> None:
    """Calls a function with one case, or with all (None), and enters the result in `called`."""
    shape = called.values.shape
    each = shape if row is None and call["cases"] else shape[1:]
    where: Any = slice(None) if row is None else row
    try:
        arguments = {key: _argument(array if row is None else array[row], way) for key, array in inputs.items()}
        if call["networks"]:
            value = networks.loss_and_gradients(partial(_applied, function), arguments, call["networks"])
        else:
            value = _applied(function, arguments)
        numbers = _numbers(value, each)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of a function, too
        called.error = called.error or error
        called.outcomes[where] = Outcome.DIFFERENTIATED if is_differentiation(error) else Outcome.RAISED
        return
    if numbers is None:
        called.found = called.found or _described(value)
        called.outcomes[where] = Outcome.MISSHAPEN
        return
    rows = numbers.reshape((shape[0] if row is None else 1, *shape[1:]))
    flat = rows.reshape(len(rows), -1)
    nan, infinite = np.isnan(flat).any(1), np.isinf(flat).any(1)
    outcome = np.where(nan, Outcome.NAN, np.where(infinite, Outcome.INFINITE, Outcome.NUMBERS))
    at = slice(None) if row is None else slice(row, row + 1)
    called.outcomes[at] = outcome
    finite = (outcome == Outcome.NUMBERS).reshape(-1, *(1 for _ in shape[1:]))
    called.values[at] = np.where(finite, rows, 0.0)


@contextmanager
def _conditions(differentiates: bool) -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with torch.enable_grad() if differentiates else no_differentiation():
            yield


def _argument(array: Any, way: Way) -> Any:
    """One argument as the function gets it: a fresh array, or a Python number for one without dimensions."""
    plain = np.array(array)
    if plain.ndim == 0:
        return plain.item()
    if way.single and plain.dtype == np.float64:
        plain = plain.astype(np.float32)
    return torch.from_numpy(plain) if way.library == "tensors" else plain


def _applied(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """The function's result, with arguments by name where its parameters have these names, else by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return function(*arguments.values())
    by_name = {_plain(name): value for name, value in arguments.items()}
    wanted = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    needed = [p.name for p in wanted if p.default is p.empty]
    if len(wanted) == len(parameters) and needed and all(_plain(name) in by_name for name in needed):
        return function(**{p.name: by_name[_plain(p.name)] for p in wanted if _plain(p.name) in by_name})
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    many = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return function(*list(arguments.values())[: None if many else len(places)])


def _numbers(value: Any, shape: tuple[int, ...]) -> Array | None:
    """The numbers of a result as float64 of this shape, dimensions of size 1 apart; None where it is anything else."""
    if isinstance(value, list | tuple):
        value = np.stack([np.asarray(_bare(one)) for one in value]) if value else None
    array = np.asarray(_bare(value))
    if array.dtype.kind not in "biuf" or [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
        return None
    return array.astype(np.float64).reshape(shape)


def _bare(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    return (value.float() if value.dtype is torch.bfloat16 else value).numpy()


def _described(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = type(value).__name__[:60]
    return kind if shape is None else f"{kind} of shape {tuple(shape)}"


def _tell(called: _Called, name: str, call: Mapping[str, Any], shape: tuple[int, ...], way: Way) -> None:
    """Notes the first exception or the first wrong shape."""
    if called.error is not None and is_differentiation(called.error):
        tolerate(
            f"{name} calls automatic differentiation{_place(called.error)}, which is switched off here: return the "
            "derivative's formula."
        )
    elif called.error is not None:
        said = " ".join(f"{type(called.error).__name__}: {called.error}".split())[:_SAID].rstrip(":")
        tolerate(f"{name} raised {said}{_place(called.error)} when it was called with {way}.")
    elif called.found:
        wanted = f"numbers of shape {shape if way.at_once and call['cases'] else shape[1:]} are wanted"
        if call["networks"]:
            wanted = "a scalar tensor that can be differentiated is wanted"
        tolerate(f"{name} returned a {called.found} where {wanted}; it was called with {way}.")


def _place(error: BaseException) -> str:
    """The last line of the student's own code in a traceback: the last that lies in no package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and not f.filename.startswith(_HARNESS)]
    return f" ({own[-1].filename.rpartition('/')[2]}, line {own[-1].lineno})" if own else ""
