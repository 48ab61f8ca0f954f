"""Pictures of a record: those of a group side by side, the others alone, and the strip for the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.numbers import finite
from harness.text import capitalised, one_line, spoken
from harness.types import Figure, Record
from reports.pictures import Picture, embed, thumbnail

MOST_COLUMNS = 12
"""Titles that fit above the columns of a picture."""


@dataclass(frozen=True)
class Shown:
    """A picture with its title; `picture` is None if it can't be read."""

    title: str
    picture: Picture | None
    caption: str
    columns: tuple[str, ...]
    """Titles of the picture's columns; empty if it has none, or too many to stand above it."""
    alt: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one group side by side."""

    title: str
    caption: str
    pictures: tuple[Shown, ...]
    wide: bool
    """True where some picture has many columns."""


def galleries(figures: Sequence[Figure], results: Path) -> tuple[Gallery, ...]:
    """The pictures that belong to groups, in the order in which the groups begin; each has its first one's caption."""
    found = []
    for group in dict.fromkeys(figure.group for figure in figures if figure.group):
        own = [figure for figure in figures if figure.group == group]
        pictures = tuple(shown(figure, results) for figure in own)
        wide = any(len(picture.columns) > 4 for picture in pictures)
        found.append(Gallery(one_line(group, 120), pictures[0].caption, pictures, wide))
    return tuple(found)


def single(figures: Sequence[Figure], results: Path) -> tuple[Shown, ...]:
    """The pictures that belong to no group."""
    return tuple(shown(figure, results) for figure in figures if not figure.group)


def shown(figure: Figure, results: Path) -> Shown:
    """A picture as it is shown on its submission's page."""
    title = capitalised(one_line(figure.title, 120) or spoken(figure.name))
    columns = tuple(one_line(column, 40) for column in figure.columns[: MOST_COLUMNS + 1])
    alt = f"{title}; columns: {', '.join(dict.fromkeys(columns[:MOST_COLUMNS]))}" if columns else title
    above = columns if len(columns) <= MOST_COLUMNS else ()
    return Shown(title, embed(results, figure.file), one_line(figure.caption, 1000), above, alt)


def strip_figure(record: Record) -> Figure | None:
    """The first picture that names a strip."""
    for figure in record.figures:
        start, end = (finite(share) for share in figure.strip)
        if figure.kind == "picture" and start is not None and end is not None and 0 <= start < end <= 1:
            return figure
    return None


def strip(record: Record, results: Path) -> Picture | None:
    """A part of the first picture that names one, to tell models apart at a glance."""
    figure = strip_figure(record)
    return None if figure is None else thumbnail(results, figure.file, figure.strip)
