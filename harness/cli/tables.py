"""Tables for terminals that break no word: where a terminal is too narrow, each row is a block of lines instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Justify = Literal["left", "right"]
_INDENT = 2


def made(headings: Sequence[str], justify: Mapping[str, Justify] | None = None, header: bool = True) -> Table:
    """An empty table in the look of all commands; columns are left-justified where `justify` doesn't say otherwise."""
    table = Table(
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        show_header=header,
    )
    for heading in headings:
        table.add_column(heading, overflow="fold", justify=(justify or {}).get(heading, "left"))
    return table


def widths(cells: Sequence[Sequence[Text]], room: int) -> list[int] | None:
    """Return the columns' widths for rows of cells, at most `room` together; None where a word would be broken.

    What is left beside the longest words goes to the columns that have more to show, in proportion.

    >>> widths([[Text("a-name"), Text("some more words")]], 30), widths([[Text("a-name"), Text("b")]], 6)
    ([6, 15], None)
    >>> widths([[Text("a-name"), Text("some more words")]], 14)
    [6, 8]
    """
    columns = list(zip(*cells, strict=True))
    least = [max(max(map(cell_len, _words(cell)), default=1) for cell in column) for column in columns]
    most = [max(max(map(cell_len, cell.plain.split("\n")), default=1) for cell in column) for column in columns]
    most = [max(pair) for pair in zip(least, most, strict=True)]
    if sum(least) > room:
        return None
    spare, wanted = min(room, sum(most)) - sum(least), sum(most) - sum(least)
    found = [low + spare * (high - low) // max(wanted, 1) for low, high in zip(least, most, strict=True)]
    for index in range(len(found)):
        if sum(found) < sum(least) + spare and found[index] < most[index]:
            found[index] += 1
    return found


@dataclass
class Listing:
    """A table that is shown as blocks, a line for each column, where it is too wide."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Text]]
    optional: Sequence[str] = ()
    """Headings of columns that are left out, in this order, before rows become blocks."""
    grouped: bool = False
    """True where rows of one first cell belong together: it stands above them on a line of its own before more is
    given up."""
    justify: Mapping[str, Justify] = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        for count in range(len(self.optional) + 1):
            kept = [i for i, heading in enumerate(self.headings) if heading not in self.optional[:count]]
            if (table := self._table(kept, room)) is not None:
                yield table
                return
        if self.grouped and len(kept) > 1 and (found := self._widths(kept[1:], room - 1)) is not None:
            yield from self._groups(kept, found)
            return
        yield from self._blocks(room)

    def _widths(self, kept: Sequence[int], room: int) -> list[int] | None:
        heads = [Text(self.headings[i]) for i in kept]
        # A space at both ends, and two between columns.
        return widths([heads, *([row[i] for i in kept] for row in self.rows)], room - 2 * len(kept))

    def _table(self, kept: Sequence[int], room: int, first: bool = True) -> Table | None:
        found = self._widths(kept, room)
        return None if found is None else self._filled(kept, found, self.rows, first)

    def _filled(self, kept: Sequence[int], found: Sequence[int], rows: Sequence[Sequence[Text]], header: bool) -> Table:
        table = made([self.headings[i] for i in kept], self.justify, header)
        for column, width in zip(table.columns, found, strict=True):
            column.width = width
        for row in rows:
            table.add_row(*(row[i] for i in kept))
        return table

    def _groups(self, kept: Sequence[int], found: Sequence[int]) -> RenderResult:
        from rich.padding import Padding

        yield Padding(self._filled(kept[1:], found, (), header=True), (0, 0, 0, 1))
        for _, rows in groupby(self.rows, key=lambda row: row[0].plain):
            own = list(rows)
            yield own[0][kept[0]]
            yield Padding(self._filled(kept[1:], found, own, header=False), (0, 0, 0, 1), expand=False)

    def _blocks(self, room: int) -> RenderResult:
        label = max(map(len, self.headings)) + _INDENT
        for row in self.rows:
            yield row[0]
            for heading, cell in zip(self.headings[1:], row[1:], strict=True):
                if not cell.plain:
                    continue
                grid = Table.grid(padding=(0, 0, 0, _INDENT))
                grid.add_column(width=label, no_wrap=True)
                grid.add_column(overflow="fold")
                longest = max(map(cell_len, _words(cell)), default=0)
                if label + 2 * _INDENT + longest <= room:
                    grid.add_row(Text(heading, "dim"), cell)
                    yield grid
                else:
                    yield Text(f"{'':{_INDENT}}{heading}", "dim")
                    yield cell


def _words(cell: Text) -> list[str]:
    """The pieces of a cell that stay on one line each."""
    return [cell.plain] if cell.no_wrap else cell.plain.split()
