"""The size of a code as an option: what is asked for, where the weights themselves tell what they have."""

from __future__ import annotations

from reference.options import Number

PIXELS = 784
EXAMPLES = 54_000
"""Training images that autoencoders learn from; the last 6,000 are for validation, as on the IST sheet."""
CODE_SIZES = (2, 5, 10, 50, 100)
"""The sheet's code sizes."""


def code_option() -> Number:
    """Return the option `code`: the numbers in a code that are asked for, 0 for any."""
    return Number(0, 0, PIXELS, integer=True)


def refuse_other_size(wanted: float, found: int) -> None:
    """Raise ValueError, with a sentence, if weights have another code than the one that is asked for, unless 0 is."""
    if wanted and wanted != found:
        raise ValueError(f"its code has {found} numbers, and {wanted:g} are asked for.")
