"""Options of a model: settings that a state dict does not hold, so that a manifest has to give them.

`chosen` is the one place where options are checked. An option is one of several words, or a number within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


class OptionError(ValueError):
    """The model has no such option, or the option does not take this value. The message says what is allowed."""

    def __init__(self, kind: Literal["unknown-option", "option-value"], option: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.option = option


@dataclass(frozen=True)
class Number:
    """A numeric option, such as the number of Langevin steps."""

    default: float
    low: float
    """Smallest value allowed."""
    high: float
    """Largest value allowed."""
    integer: bool = False

    def read(self, text: str) -> float:
        """Parse `text`; the result is an int where only whole numbers are allowed.

        Raises
        ------
        ValueError
            if `text` is not a number or is out of bounds: "allowed is …".
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
"""Allowed values of an option: several words, the default first, or a number."""


def described(values: Values) -> str:
    """Describe the allowed values for a listing: "std | variance", "a number from 0 to 1 (default 0.5)"."""
    return f"{values} (default {values.default:g})" if isinstance(values, Number) else " | ".join(values)


def chosen(options: Mapping[str, str], allowed: Mapping[str, Values]) -> dict[str, str | float]:
    """Check the options that were given, and return a value for every option, the default where none was given.

    Raises
    ------
    OptionError
        with the option, what was found and what is allowed.
    """
    if unknown := sorted(set(options) - set(allowed)):
        known = ", ".join(allowed) or "none"
        raise OptionError("unknown-option", unknown[0], f"no option {unknown[0]!r}; its options are: {known}")
    values: dict[str, str | float] = {}
    for name, kind in allowed.items():
        if name not in options:
            values[name] = kind.default if isinstance(kind, Number) else kind[0]
        elif isinstance(kind, Number):
            try:
                values[name] = kind.read(options[name])
            except ValueError as error:
                raise OptionError("option-value", name, f"{name} = {options[name]!r}; {error}") from None
        elif options[name] in kind:
            values[name] = options[name]
        else:
            message = f"{name} = {options[name]!r}; allowed are {', '.join(kind)}"
            raise OptionError("option-value", name, message)
    return values
