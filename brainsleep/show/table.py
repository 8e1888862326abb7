"""Tables and values as they are shown: on a terminal, on a page, in a document."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple

from rich import box, table
from rich.text import Text


def short(value: Any) -> str:
    """Give a number with four digits, an interval by its ends, None as a dash."""
    if isinstance(value, list | tuple):
        return " to ".join(map(short, value))
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def cut(text: str, most: int = 80) -> str:
    """Cut a long text short, at a space where there is one."""
    return text if len(text) <= most else textwrap.shorten(text, most, placeholder=" …")


def rich_table(
    columns: Iterable[Any], rows: Iterable[Iterable[Any]], title: str = "", compact: bool = False
) -> table.Table:
    """Return a table for a terminal; long entries fold, nothing is cut off.

    With `compact`, headings break before their last word and only the first column folds.
    """
    filled = table.Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    filled.pad_edge, filled.padding = False, (0, 1, 0, 0)
    for place, column in enumerate(columns):
        heading = "\n".join(str(column).rsplit(" ", 1)) if compact else str(column)
        filled.add_column(heading, overflow="fold", no_wrap=compact and place > 0)
    for row in rows:
        filled.add_row(*(Text(short(value)) for value in row))  # names are no markup
    return filled


class Table(NamedTuple):
    """A table to be shown; its values are text, numbers, intervals, or None for undefined."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def __rich__(self) -> table.Table:
        return rich_table(self.columns, self.rows, self.title)
