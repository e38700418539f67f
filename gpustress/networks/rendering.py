"""What is found out about a network, as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

LISTED: Final = 20  # rows that are printed
HIDDEN: Final = ("digest", "error_bound")  # columns for machines


def render_rows(head: str, rows: Sequence[Mapping[str, Any]], by: str | None, console: Console) -> None:
    """Print a line and a table of rows: of many those with the most of one column.

    Parameters
    ----------
    head : str
    rows : sequence of mapping
        At least one, all of the same columns.
    by : str or None
        The column that decides which rows are printed; None for the first ones.
    console : rich.console.Console
    """
    console.print(Text(head))
    shown = list(rows)
    if by is not None:
        shown.sort(key=lambda row: row[by], reverse=True)
    if len(rows) > LISTED:
        which = f"the {LISTED} with the most `{by}`" if by is not None else f"the first {LISTED}"
        console.print(Text(f"Of {len(rows):,} rows {which}; all are in --json and in what --out stores."))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    columns = [name for name in rows[0] if name not in HIDDEN]
    for name in columns:
        is_text = isinstance(rows[0][name], str)
        table.add_column(Text(name.replace("_", " ")), justify="left" if is_text else "right")
    for row in shown[:LISTED]:
        table.add_row(*(Text(_cell(row[name])) for name in columns))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))
