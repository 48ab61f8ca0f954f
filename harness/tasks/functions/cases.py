"""The functions that sheets ask for: the cases that a student's is asked, the truth, and usual mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.types import Array, ArraySpec, Call, Question

Inputs = Mapping[str, Array]
Values = NDArray[np.float64]

DEADLINE = 120.0


@dataclass(frozen=True)
class Group:
    """Cases of one size, asked in one question."""

    kind: str
    """Their size and nature in messages: "3 components in 2 dimensions"."""
    inputs: Inputs
    """Arrays by name, the first dimension of each counting the cases; as they are for functions of a single call."""
    extreme: bool = False
    """True for cases on which careless arithmetic overflows, underflows or cancels."""
    only: str = ""
    """Name of the only function that is asked them; empty for all that have such arguments."""


@dataclass(frozen=True)
class Truth:
    """The values that a function must have."""

    values: Values
    """(N, ...)."""
    scale: Values
    """The largest term of the expression, broadcastable to `values`: errors are measured in it. Positive."""


@dataclass(frozen=True)
class Mistake:
    """A wrong function that students often hand in."""

    sentence: str
    """Completes "The numbers are those …"."""
    values: Callable[[Inputs], Values]
    worth: float = 0.0
    """Share of the function's worth that it earns all the same."""


@dataclass(frozen=True)
class Function:
    """A function that a sheet asks for."""

    name: str
    """Its name in the template."""
    title: str
    """The quantity as a person writes it: "∂E/∂α"."""
    exercise: str
    """The item of the sheet that it belongs to: "a"."""
    inputs: tuple[str, ...]
    """Names of its arguments, in order; the last ones may be left out by functions that take them by name."""
    shape: Callable[[Inputs], tuple[int, ...]]
    """Shape (N, ...) of its values."""
    truth: Callable[[Inputs, bool], Truth]
    """The truth; with True, in arithmetic of many digits where double precision might not do. In the parent alone."""
    mistakes: tuple[Mistake, ...] = ()
    alternatives: tuple[Mistake, ...] = ()
    """Other functions that are right, too, of which the sentence says what differs."""
    aliases: tuple[str, ...] = ()
    signature: str = ""
    """As it is written in messages: "dE_dalpha(alpha, mu, sigma, t)"."""
    hint: str = ""
    """Advice where only extreme cases are wrong."""
    call: Call = field(default_factory=Call)

    def question(self, group: Group) -> Question:
        """The question for the cases of a group."""
        inputs = {name: array for name, array in group.inputs.items() if name in self.inputs or "." in name}
        ordered = {name: inputs[name] for name in sorted(inputs, key=self._place)}
        shape = self.shape(group.inputs)
        answers = {"value": ArraySpec(shape, "float64"), "outcome": ArraySpec(shape[:1], "int8")}
        return Question(self.name, ordered, answers, None, DEADLINE, call=replace(self.call, aliases=self.aliases))

    def _place(self, name: str) -> int:
        # Arrays of networks, "gnet_0.weight", come after the arguments, in the order of the networks' layers.
        return self.inputs.index(name) if name in self.inputs else len(self.inputs)
