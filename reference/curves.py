"""Learning curves as small pictures for MODELS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_SIZE = 5.2, 3.2
"""Width and height in inches; at `_DOTS` per inch a picture takes about 15 kB."""
_DOTS = 90
_SPREAD = 30
"""Ratio of the largest to the smallest value above which the scale is logarithmic."""


def draw(curves: Mapping[str, Sequence[float]], path: Path, ylabel: str) -> None:
    """Write a PNG with one line for each curve over the epochs 1, 2, …

    Parameters
    ----------
    curves : values after each epoch, by their name in the legend
    path : file to write; its folder is created
    ylabel : label of the value axis, with the unit
    """
    figure = Figure(_SIZE, dpi=_DOTS, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, values in curves.items():
        axes.plot(range(1, len(values) + 1), values, label=name, linewidth=1.2)
    values = [value for curve in curves.values() for value in curve]
    if values and min(values) > 0 and max(values) > _SPREAD * min(values):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.grid(linewidth=0.4, alpha=0.5)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    # No version or date in the file: the same curves give the same bytes.
    figure.savefig(path, metadata={"Software": None})
