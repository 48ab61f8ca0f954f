"""Finds the state dict of a given architecture in a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.checkpoint.bookkeeping import COUNTER, is_bookkeeping
from harness.checkpoint.inert import ReadingError, printable, several
from harness.checkpoint.naming import Named, tensors
from harness.checkpoint.reading import Checkpoint
from harness.checkpoint.reparametrized import fold, unfolded_hint
from harness.types import Array, GradingError, refuse

PREFERRED = (
    *("", "model", "model_state_dict", "state_dict", "net", "network", "g", "generator", "netg", "g_state_dict"),
    *("d", "discriminator", "netd", "d_state_dict", "module", "vae", "cvae", "flow", "ema", "model_ema", "ema_model"),
)
"""Top-level keys in order of preference, used to choose between state dicts that fit equally well.

"" is a bare state dict. Letter case does not matter. Keys that are not listed come last, in the file's order.
"""

WRAPPERS = {
    "module": "DataParallel",
    "_orig_mod": "torch.compile",
    "_forward_module": "Lightning",
    "_fsdp_wrapped_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing",
}
WRAPPER_WORDS = {
    *(
        "model",
        "net",
        "network",
        "nn",
        "main",
        "layers",
        "seq",
        "sequential",
        "inner",
        "core",
        "backbone",
        "base_model",
    ),
    *("wrapped", "wrapped_model", "generator", "gen", "netg", "ema", "ema_model", "model_ema", "online_model"),
    *("averaged_model", "swa_model", "student", "vae", "cvae", "flow"),
}
"""Names that students give to what holds a layer. One is left out wherever the architecture's names don't have it."""

MAX_DETAIL = 500
MAX_CANDIDATES = 50


@dataclass
class _Candidate:
    """A place in the file, by its prefix, and the tensors below it whose names the architecture has."""

    prefix: str
    found: dict[str, Named] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """The whole name in the file of each tensor found, without what `_unwrapped` removes."""
    others: list[str] = field(default_factory=list)
    """Names below the prefix, in the same state dicts or modules, that the architecture does not have."""

    def add(self, inner: str, name: str, tensor: Named) -> None:
        """Takes a tensor for `inner`, unless one of exactly this name was taken before."""
        if inner not in self.found or name == self.prefix + inner:
            self.found[inner], self.places[inner] = tensor, name

    def fit(self, expected: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
        """The number of tensors with the expected shape, and the number with an expected name."""
        fitting = sum(named.array.shape == tuple(expected[name]) for name, named in self.found.items())
        return fitting, len(self.found)

    def omitted(self) -> dict[str, None]:
        """The wrapper words that were left out of the names."""
        shorter = [name[len(self.prefix) :] for inner, name in self.places.items() if name != self.prefix + inner]
        return dict.fromkeys(part for name in shorter for part in name.split(".") if part.lower() in WRAPPER_WORDS)

    @property
    def unexpected(self) -> list[str]:
        return [name for name in self.others if not is_bookkeeping(name)]

    @property
    def bookkeeping(self) -> list[str]:
        return [name for name in self.others if is_bookkeeping(name)]

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


def _parts_of(expected: Mapping[str, tuple[int, ...]]) -> set[str]:
    return {part for name in expected for part in name.lower().split(".")}


def _candidates(named: dict[str, Named], expected: Mapping[str, tuple[int, ...]]) -> list[_Candidate]:
    """The prefixes under which most of the expected names are found with their shapes, best `rank` first."""
    found: dict[str, _Candidate] = {}
    lengths = sorted({name.count(".") + 1 for name in expected})
    words = WRAPPER_WORDS - _parts_of(expected)
    for name, tensor in named.items():
        parts = name.split(".")
        kept = [index for index, part in enumerate(parts) if part.lower() not in words]
        for length in lengths:
            inner, prefix = ".".join(parts[-length:]), ""
            if length <= len(parts) and inner in expected:
                prefix = name[: len(name) - len(inner)]
            else:
                inner = ".".join(parts[index] for index in kept[-length:])
                if length > len(kept) or inner not in expected:
                    continue
                prefix = "".join(f"{part}." for part in parts[: kept[-length]])
            found.setdefault(prefix, _Candidate(prefix)).add(inner, name, tensor)
    if not found:
        return []
    every = [*found.values(), *_joined(list(found.values()), words)]
    best = max(candidate.fit(expected) for candidate in every)
    equal = sorted((c for c in every if c.fit(expected) == best), key=_Candidate.rank)[:MAX_CANDIDATES]
    for candidate in equal:
        homes = {tensor.container for tensor in candidate.found.values()}
        taken = set(candidate.places.values())
        candidate.others = [
            name
            for name, tensor in named.items()
            if name.startswith(candidate.prefix)
            and not tensor.extra
            and tensor.container in homes
            and name not in taken
        ]
    return equal


def _joined(candidates: list[_Candidate], words: set[str]) -> list[_Candidate]:
    """Joins places that differ by wrapper words alone and have no tensor in common: `model.net.fc` and `model.out`."""
    groups: dict[str, list[_Candidate]] = {}
    for candidate in candidates:
        stripped = ".".join(part for part in candidate.prefix.split(".") if part.lower() not in words)
        groups.setdefault(stripped, []).append(candidate)
    joined = []
    for group in groups.values():
        names = {name for candidate in group for name in candidate.found}
        if len(group) < 2 or len(names) < sum(len(candidate.found) for candidate in group):
            continue
        whole = _Candidate(_common([candidate.prefix for candidate in group]))
        for candidate in group:
            whole.found |= candidate.found
            whole.places |= candidate.places
        joined.append(whole)
    return joined


def _common(prefixes: list[str]) -> str:
    """The longest prefix that all have in common, in whole parts."""
    shared = []
    for parts in zip(*(prefix.split(".")[:-1] for prefix in prefixes), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(f"{parts[0]}.")
    return "".join(shared)


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
        the wrong shape or not finite in the detail; "unsupported" where a tensor of the architecture is of a kind that
        can't be read.
    """
    notes: list[str] = []
    unread: dict[str, str] = {}
    named, wrappers = _unwrapped(list(tensors(checkpoint.tree, unread)), expected)
    named, folded = _fold(checkpoint, named, {name.rpartition(".")[2] for name in expected})
    if key:
        plain = ".".join(part for part in key.split(".") if part not in wrappers) or key
        below = _below(named, plain)
        if below:
            named = below
    chosen = _choose(_candidates(named, expected), notes)
    unread = {".".join(part for part in name.split(".") if part not in wrappers): why for name, why in unread.items()}
    if chosen is None:
        raise _unreadable(checkpoint, expected, unread) or _nothing_fits(checkpoint, expected, named)
    if any(name not in chosen.found for name in expected) and (flaw := _unreadable(checkpoint, expected, unread)):
        raise flaw
    notes += folded
    if chosen.omitted():
        notes.append(f"The parts {several(list(chosen.omitted()))} inside names were left out.")
    for part in wrappers:
        if any(part in tensor.name.split(".") for tensor in chosen.found.values()):
            notes.append(f"The part '{part}' that {WRAPPERS[part]} adds to names was removed.")
    found_under = chosen.prefix.rstrip(".")
    if found_under and found_under != key:
        looked = f", not under the coursework's key {printable(key)}" if key else ""
        notes.append(f"The weights were found under {printable(found_under)}{looked}.")
    return _state(checkpoint, chosen, expected, named, notes), notes


def _fold(checkpoint: Checkpoint, named: dict[str, Named], names: set[str]) -> tuple[dict[str, Named], list[str]]:
    """`fold`, for weights whose last part, or what stands before its first underscore, is one of `names`."""

    def wanted(base: str) -> bool:
        last = base.rpartition(".")[2]
        return last in names or last.partition("_")[0] in names

    try:
        return fold(named, wanted)
    except ReadingError as flaw:
        raise refuse("checkpoint", flaw.kind, f"{printable(checkpoint.name, 200)}: {flaw.reason}.") from None


def state_arrays(checkpoint: Checkpoint) -> dict[str, Array]:
    """The arrays of the file's state dicts and modules by dotted name, without what DataParallel and torch.compile add.

    Architectures whose sizes or names differ from file to file use it to look for their tensors themselves. Weights
    that `reparametrized` knows are folded, and bookkeeping is left out.
    """
    named, _ = _unwrapped([tensor for tensor in tensors(checkpoint.tree) if not tensor.extra], {})
    named, _ = _fold(checkpoint, named, {"weight", "kernel"})
    return {name: tensor.array for name, tensor in named.items() if not is_bookkeeping(name)}


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
    beside = [name for name in chosen.unexpected if name in named]
    if not (missing or shapes):
        own = _layers(expected)
        layers = [name for name in beside if _layer(name[len(chosen.prefix) :]) in own]
        passed = [name for name in beside if name not in set(layers)]
        beside = layers
        if passed:
            listed = [f"{name[len(chosen.prefix) :]} {named[name].array.shape}" for name in passed]
            notes.append(
                f"{several(listed)}: beside all tensors of the architecture, and passed over. If your model computes "
                "with them, it is another structure: submit it as code."
            )
    unexpected = [f"{name[len(chosen.prefix) :]} {named[name].array.shape}" for name in beside]
    if missing or unexpected or shapes or infinite:
        raise _mismatch(checkpoint, missing, unexpected, shapes, infinite)
    for dtype, names in converted.items():
        notes.append(f"{len(names)} tensors ({several(names)}) were converted from {dtype} to float32.")
    if absent:
        notes.append(f"{several(absent)}: not in the file and set to 0, which does not change any output.")
    if chosen.bookkeeping:
        shown = several([name[len(chosen.prefix) :] for name in chosen.bookkeeping])
        notes.append(f"{shown}: bookkeeping that is not in the architecture and was ignored; it changes no output.")
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
    hint = unfolded_hint([item.partition(" ")[0] for item in unexpected]) if missing else ""
    for step in (checkpoint.hint, hint):
        message += f" {step[0].upper()}{step[1:]}." if step else ""
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
    step = checkpoint.hint or _unnamed(checkpoint.tree)
    if checkpoint.dangers:
        shown = several([printable(name) for name in checkpoint.dangers])
        message = (
            f"{printable(checkpoint.name, 200)}: names {shown}, which would run programs or code, or reach files, on "
            f"the machine of who unpickles it; nothing of it was run. No model was found in it: {holds}."
        )
        return refuse("checkpoint", "runs-code", message, "\n".join([*checkpoint.notes, *_first(lines)]))
    if step:
        message += f" {step[0].upper()}{step[1:]}."
    elif checkpoint.notes:
        message += f" {checkpoint.notes[0]}"
    return refuse("checkpoint", "mismatch", message, "\n".join([*checkpoint.notes, *_first(lines)]))


def _unreadable(
    checkpoint: Checkpoint, expected: Mapping[str, tuple[int, ...]], unread: Mapping[str, str]
) -> GradingError | None:
    """The refusal of a file in which a tensor of the architecture is of a kind that can't be read; else None."""
    for name, why in unread.items():
        if any(f".{name}".endswith(f".{inner}") for inner in expected):
            message = f"{printable(checkpoint.name, 200)}: tensor {printable(name)} {printable(why, 500)}."
            lines = [f"not readable: {printable(name, 300)} {printable(why, 300)}" for name, why in unread.items()]
            return refuse("checkpoint", "unsupported", message, "\n".join(_first(lines)))
    return None


def _unnamed(tree: object) -> str:
    """The next step for a file that holds parameters without their names; "" for any other."""
    save = "torch.save(model.state_dict(), 'model.pt')"
    if isinstance(tree, dict) and isinstance(tree.get("shadow_params"), list):
        return (
            "it is the state of torch_ema, whose averages have no names; save those of the model: "
            f"ema.copy_to(model.parameters()); {save}"
        )
    places = [("it", tree)]
    if isinstance(tree, dict):
        places += [(f"its {printable(key)}", value) for key, value in list(tree.items())[:100]]
    for shown, value in places:
        if isinstance(value, (list, tuple)) and sum(isinstance(item, np.ndarray) for item in value) * 2 > len(value):
            return f"{shown} is a list of {len(value):,} tensors without names; save the names with them: {save}"
    return ""


def _layer(name: str) -> str:
    """The module of a tensor, without numbers, so that `decoder.6` and `fc4` are like `decoder.0` and `fc1`."""
    return re.sub(r"\d+", "", name.rpartition(".")[0])


def _layers(expected: Mapping[str, tuple[int, ...]]) -> set[str]:
    """The modules of an architecture, and the modules that hold these, as `_layer` names them."""
    found = set()
    for name in expected:
        parts = name.split(".")[:-1]
        found |= {re.sub(r"\d+", "", ".".join(parts[:count])) for count in range(1, len(parts) + 1)}
    return found


def _first(lines: list[str]) -> list[str]:
    """The first `MAX_DETAIL` lines, and one that counts the others."""
    return lines if len(lines) <= MAX_DETAIL else [*lines[:MAX_DETAIL], f"and {len(lines) - MAX_DETAIL} more"]
