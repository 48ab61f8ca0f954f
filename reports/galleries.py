"""Pictures of a record that belong together, such as the best and the worst images, and what is to be seen in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.types import Record
from reports.common import titled
from reports.pictures import TOP_FIFTH, Picture, embed, thumbnail

_INK = "On paper and on light screens ink is shown dark; in the data it is bright."


@dataclass(frozen=True)
class Kind:
    """Pictures of the same layout, in the order in which they are shown."""

    names: tuple[str, ...]
    title: str
    caption: str
    columns: tuple[str, ...]
    """What the columns of each picture show."""


_KINDS = (
    Kind(
        ("best", "median", "worst"),
        "Best, median and worst images",
        "Each row is one image: as it was, as it was shown to the model, as the model recovered it, and the absolute "
        f"error. {_INK}",
        ("original", "corrupted", "recovered", "error"),
    ),
    Kind(
        ("success", "high variance", "failure"),
        "Completions",
        "One image in each picture, continued after its first 484 pixels by 1, 10, 28 and 300 pixels, a row each: the "
        f"whole image, what was given of it, and what the model drew. {_INK}",
        ("image", "given", "drawn", "drawn", "drawn", "drawn", "drawn"),
    ),
    Kind(
        ("known best", "undecided", "known worst"),
        "Missing pixels",
        "Each row is one image: where pixels are missing, the probability of each to be lit given all others, the most "
        f"probable values, and the true ones. {_INK}",
        ("hole", "lit?", "answer", "truth"),
    ),
)
_CAPTIONS = {
    "samples": f"One column a digit, as it was asked for. {_INK}",
    "predictions": "From top to bottom: the digits; the probability that each pixel is lit, given those before it; and "
    f"how surprising the pixel then was. {_INK}",
}
"""What is to be seen in a picture that stands alone."""
_STRIPS = {
    "samples": TOP_FIFTH,
    # Of recovered images neither the best nor the worst stands for the model.
    "median": TOP_FIFTH,
    # Below the digits themselves, which are the same for all.
    "predictions": (1 / 3, 2 / 3),
    # The longest completions.
    "high variance": (3 / 4, 1.0),
    "undecided": TOP_FIFTH,
}
"""Pictures of which a strip stands beside an entry on the leaderboard, and which part of them that is."""


@dataclass(frozen=True)
class Shown:
    """A picture with its name; `grid` where each of its ten columns is one digit. `picture` is None if unreadable."""

    title: str
    picture: Picture | None
    grid: bool = False
    caption: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, with captions above their columns."""

    title: str
    caption: str
    columns: tuple[str, ...]
    pictures: tuple[Shown, ...]


def galleries(record: Record, results: Path) -> tuple[Gallery, ...]:
    """The record's pictures that belong together."""
    return tuple(
        Gallery(
            kind.title,
            kind.caption,
            kind.columns,
            tuple(
                Shown(titled(name), embed(results, record.pictures[name]))
                for name in kind.names
                if name in record.pictures
            ),
        )
        for kind in _KINDS
        if any(name in record.pictures for name in kind.names)
    )


def single(record: Record, results: Path) -> tuple[Shown, ...]:
    """The record's other pictures, by name."""
    together = {name for kind in _KINDS for name in kind.names}
    return tuple(
        Shown(titled(name), embed(results, file), name == "samples", _CAPTIONS.get(name, ""))
        for name, file in sorted(record.pictures.items())
        if name not in together
    )


def strip(record: Record, results: Path) -> Picture | None:
    """A part of one picture, to tell models apart at a glance."""
    name = next((name for name in _STRIPS if name in record.pictures), min(record.pictures, default=""))
    return thumbnail(results, record.pictures[name], _STRIPS.get(name, TOP_FIFTH)) if name else None
