"""What a state dict does not tell and a manifest therefore says: words to choose from, and numbers within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """An option that is a number, such as how many Langevin steps are taken."""

    default: float
    low: float
    """Smallest value allowed."""
    high: float
    """Largest value allowed."""
    integer: bool = False

    def read(self, text: str) -> float:
        """The number that `text` says, an int where only whole numbers are allowed.

        Raises
        ------
        ValueError
            where it is none or out of bounds: "allowed is …".
        """
        try:
            number = int(text) if self.integer else float(text)
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            raise ValueError(f"allowed is {self}")
        return number

    def __str__(self) -> str:
        return f"a {'whole ' if self.integer else ''}number from {self.low:g} to {self.high:g}"


Values = tuple[str, ...] | Number
"""What an option may be: one of several words, the default first, or a number."""


def described(values: Values) -> str:
    """In words, for lists of options: "std | variance", "a number from 0 to 1 (default 0.5)"."""
    return f"{values} (default {values.default:g})" if isinstance(values, Number) else " | ".join(values)


def chosen(options: Mapping[str, str], allowed: Mapping[str, Values]) -> dict[str, str | float]:
    """Every option's value, read; the default where `options` says nothing.

    Raises
    ------
    ValueError
        with the option, what was found and what is allowed.
    """
    if unknown := sorted(set(options) - set(allowed)):
        raise ValueError(f"unknown option {unknown[0]!r}; known are {', '.join(allowed)}")
    values: dict[str, str | float] = {}
    for name, kind in allowed.items():
        if name not in options:
            values[name] = kind.default if isinstance(kind, Number) else kind[0]
        elif isinstance(kind, Number):
            try:
                values[name] = kind.read(options[name])
            except ValueError as error:
                raise ValueError(f"option {name} = {options[name]!r}; {error}") from None
        elif options[name] in kind:
            values[name] = options[name]
        else:
            raise ValueError(f"option {name} = {options[name]!r}; allowed are {', '.join(kind)}")
    return values
