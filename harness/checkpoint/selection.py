"""Finds the state dict of a given architecture in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.checkpoint.inert import printable, several
from harness.checkpoint.naming import Named, tensors
from harness.checkpoint.reading import Checkpoint
from harness.types import Array, GradingError, refuse

PREFERRED = (
    *("", "model", "model_state_dict", "state_dict", "net", "network", "g", "generator", "netg", "g_state_dict"),
    *("d", "discriminator", "netd", "d_state_dict", "module", "vae", "cvae", "flow", "ema", "model_ema", "ema_model"),
)
"""Top-level keys in order of preference, used to choose between state dicts that fit equally well.

"" is a bare state dict. Letter case does not matter. Keys that are not listed come last, in the file's order.
"""

WRAPPERS = {"module": "DataParallel", "_orig_mod": "torch.compile"}
COUNTER = "num_batches_tracked"
"""Name of a BatchNorm buffer that evaluation never uses, and that torch before 0.4.1 did not have."""

MAX_DETAIL = 500
MAX_CANDIDATES = 50


@dataclass
class _Candidate:
    """A place in the file, by its prefix, and the tensors below it whose names the architecture has."""

    prefix: str
    found: dict[str, Named] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """Names below the prefix, in the same state dicts or modules, that the architecture does not have."""

    def fit(self, expected: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
        """The number of tensors with the expected shape, and the number with an expected name."""
        fitting = sum(named.array.shape == tuple(expected[name]) for name, named in self.found.items())
        return fitting, len(self.found)

    @property
    def unexpected(self) -> list[str]:
        return [name for name in self.others if name.rpartition(".")[2] != COUNTER]

    @property
    def counters(self) -> list[str]:
        return [name for name in self.others if name.rpartition(".")[2] == COUNTER]

    def rank(self) -> int:
        """The position of the top-level key in `PREFERRED`."""
        first = self.prefix.rstrip(".").partition(".")[0].lower()
        return PREFERRED.index(first) if first in PREFERRED else len(PREFERRED)


def _unwrapped(named: list[Named], expected: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, Named], dict[str, None]]:
    """The tensors by name, without the parts that DataParallel and torch.compile add; and the parts removed."""
    dropped = {part for part in WRAPPERS if not any(part in name.split(".") for name in expected)}
    result: dict[str, Named] = {}
    seen: dict[str, None] = {}
    for tensor in named:
        parts = tensor.name.split(".")
        kept = ".".join(part for part in parts if part not in dropped)
        if len(kept) != len(tensor.name):
            seen.update(dict.fromkeys(part for part in parts if part in dropped))
        result.setdefault(kept or tensor.name, tensor)
    return result, seen


def _candidates(named: dict[str, Named], expected: Mapping[str, tuple[int, ...]]) -> list[_Candidate]:
    """The prefixes under which most of the expected names are found with their shapes, best `rank` first."""
    found: dict[str, _Candidate] = {}
    lengths = sorted({name.count(".") + 1 for name in expected})
    for name, tensor in named.items():
        parts = name.split(".")
        for length in lengths:
            inner = ".".join(parts[-length:])
            if length <= len(parts) and inner in expected:
                prefix = name[: len(name) - len(inner)]
                found.setdefault(prefix, _Candidate(prefix)).found[inner] = tensor
    if not found:
        return []
    best = max(candidate.fit(expected) for candidate in found.values())
    equal = sorted((c for c in found.values() if c.fit(expected) == best), key=_Candidate.rank)[:MAX_CANDIDATES]
    for candidate in equal:
        homes = {tensor.container for tensor in candidate.found.values()}
        candidate.others = [
            name
            for name, tensor in named.items()
            if name.startswith(candidate.prefix)
            and not tensor.extra
            and tensor.container in homes
            and name[len(candidate.prefix) :] not in expected
        ]
    return equal


def _below(named: dict[str, Named], key: str) -> dict[str, Named]:
    return {name: tensor for name, tensor in named.items() if name.startswith(f"{key}.")}


def select_state(
    checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]], key: str | None = None
) -> tuple[dict[str, Array], list[str]]:
    """Finds the tensors of an architecture in a checkpoint, however it is nested or wrapped.

    Parameters
    ----------
    checkpoint : the result of `read`
    expected : shape of every parameter and buffer of the architecture, by its name in `state_dict()`
    key : where to look first, such as "model" or "g"; dots go deeper. Without it, or where the file has no tensors
        there, the place is chosen by how many names and shapes fit, then by `PREFERRED`.

    Returns
    -------
    state : arrays by the names of `expected`, in its order; float32, but integers and booleans as stored
    notes : sentences for the student about what was chosen, converted or ignored

    Raises
    ------
    GradingError
        The submission's fault, stage "checkpoint", kind "mismatch", with each tensor that is missing, unexpected, of
        the wrong shape or not finite in the detail.
    """
    notes: list[str] = []
    named, wrappers = _unwrapped(list(tensors(checkpoint.tree)), expected)
    if key:
        plain = ".".join(part for part in key.split(".") if part not in wrappers) or key
        below = _below(named, plain)
        if below:
            named = below
    chosen = _choose(_candidates(named, expected), notes)
    if chosen is None:
        raise _nothing_fits(checkpoint, expected, named)
    for part in wrappers:
        if any(part in tensor.name.split(".") for tensor in chosen.found.values()):
            notes.append(f"The part '{part}' that {WRAPPERS[part]} adds to names was removed.")
    found_under = chosen.prefix.rstrip(".")
    if found_under and found_under != key:
        looked = f", not under the coursework's key {printable(key)}" if key else ""
        notes.append(f"The weights were found under {printable(found_under)}{looked}.")
    return _state(checkpoint, chosen, expected, named, notes), notes


def state_arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    """The arrays of the file's state dicts and modules by dotted name, without what DataParallel and torch.compile add.

    Architectures whose sizes or names differ from file to file use it to look for their tensors themselves.
    """
    named, _ = _unwrapped([tensor for tensor in tensors(checkpoint.tree) if not tensor.extra], {})
    return {name: tensor.array for name, tensor in named.items()}


def _same(one: _Candidate, other: _Candidate) -> bool:
    """Tells whether both hold identical arrays, as in an object that keeps its model under two names."""
    return {name: id(tensor.array) for name, tensor in one.found.items()} == {
        name: id(tensor.array) for name, tensor in other.found.items()
    }


def _choose(candidates: list[_Candidate], notes: list[str]) -> _Candidate | None:
    """The first candidate with the fewest unexpected names; a note tells of others that fit as well."""
    if not candidates:
        return None
    fewest = min(len(candidate.unexpected) for candidate in candidates)
    equal = [candidate for candidate in candidates if len(candidate.unexpected) == fewest]
    chosen = equal[0]
    others = [c for c in equal if c is not chosen and not _same(c, chosen)]
    if others:
        places = [candidate.prefix.rstrip(".") or "the file's root" for candidate in others]
        taken = printable(chosen.prefix.rstrip(".") or "the file's root")
        notes.append(f"The weights of {taken} were taken; those of {several(places)} would fit as well.")
    return chosen


def _state(
    checkpoint: Checkpoint,
    chosen: _Candidate,
    expected: Mapping[str, tuple[int, ...]],
    named: dict[str, Named],
    notes: list[str],
) -> dict[str, Array]:
    """The chosen tensors as arrays; GradingError where they do not fit the architecture exactly."""
    missing: list[str] = []
    shapes: list[str] = []
    infinite: list[str] = []
    converted: dict[str, list[str]] = {}
    absent: list[str] = []
    state: dict[str, Array] = {}
    for name, shape in expected.items():
        tensor = chosen.found.get(name)
        if tensor is None:
            if name.rpartition(".")[2] == COUNTER and tuple(shape) == ():
                state[name] = np.zeros((), np.int64)
                absent.append(name)
            else:
                missing.append(f"{name} {tuple(shape)}")
            continue
        array = tensor.array
        if array.shape != tuple(shape):
            shapes.append(f"{name} is {array.shape}, must be {tuple(shape)}")
            continue
        stored = checkpoint.dtypes.get(tensor.name, array.dtype.name)
        if array.dtype.kind == "f":
            bad = int(array.size - np.count_nonzero(np.isfinite(array)))
            with np.errstate(over="ignore"):
                array = np.ascontiguousarray(array, dtype=np.float32).reshape(shape)
            beyond = int(array.size - np.count_nonzero(np.isfinite(array))) - bad
            if bad or beyond:
                parts = [f"{bad:,} NaN or infinite"] * bool(bad) + [f"{beyond:,} too large for float32"] * bool(beyond)
                infinite.append(f"{name} has {' and '.join(parts)} of {array.size:,} values")
            if stored != "float32":
                converted.setdefault(stored, []).append(name)
        state[name] = array
    unexpected = [
        f"{name[len(chosen.prefix) :]} {named[name].array.shape}" for name in chosen.unexpected if name in named
    ]
    if missing or unexpected or shapes or infinite:
        raise _mismatch(checkpoint, missing, unexpected, shapes, infinite)
    for dtype, names in converted.items():
        notes.append(f"{len(names)} tensors ({several(names)}) were converted from {dtype} to float32.")
    if absent:
        notes.append(f"{several(absent)}: not in the file and set to 0, which does not change any output.")
    if chosen.counters:
        notes.append(
            f"{several(chosen.counters)}: not in the architecture and ignored, which does not change any output."
        )
    return state


def _mismatch(
    checkpoint: Checkpoint, missing: list[str], unexpected: list[str], shapes: list[str], infinite: list[str]
) -> GradingError:
    groups = (
        ("missing", missing),
        ("unexpected", unexpected),
        ("of the wrong shape", shapes),
        ("not finite", infinite),
    )
    told = "; ".join(f"{len(group)} {label} ({several(group)})" for label, group in groups if group)
    lines = [f"{label}: {printable(item, 300)}" for label, group in groups for item in group]
    message = f"{printable(checkpoint.name, 200)}: does not fit the architecture: tensors {told}."
    return refuse("checkpoint", "mismatch", message, "\n".join(_first(lines)))


def _nothing_fits(
    checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]], named: dict[str, Named]
) -> GradingError:
    holds = f"its tensors are {several(list(named))}" if named else "it holds no tensors"
    lines = [f"missing: {name} {tuple(shape)}" for name, shape in expected.items()]
    lines += [f"unexpected: {printable(name, 300)} {tensor.array.shape}" for name, tensor in named.items()]
    message = (
        f"{printable(checkpoint.name, 200)}: has none of the architecture's {len(expected)} tensors "
        f"({several(list(expected))}); {holds}."
    )
    if checkpoint.notes:
        message += f" {checkpoint.notes[0]}"
    return refuse("checkpoint", "mismatch", message, "\n".join([*checkpoint.notes, *_first(lines)]))


def _first(lines: list[str]) -> list[str]:
    """The first `MAX_DETAIL` lines, and one that counts the others."""
    return lines if len(lines) <= MAX_DETAIL else [*lines[:MAX_DETAIL], f"and {len(lines) - MAX_DETAIL} more"]
