"""The tables that a system is made of, row by row, with where each row's figures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..schema import SCHEMAS

if TYPE_CHECKING:
    from ..result import Result

MOST: Final = 400  # rows of a table; the rest is in the stored system
_SOURCE: Final = "source"


@dataclass(frozen=True)
class Assumptions:
    """One table of assumptions.

    Attributes
    ----------
    table : str
    what : str
        What a row is.
    heads : tuple of str
        Columns that any row fills.
    rows : tuple of tuple of str
        The first MOST; figures as the tables have them.
    more : int
        Rows that are left out.
    """

    table: str
    what: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int


def assumptions(run: Result) -> list[Assumptions]:
    """Every table of the system that has rows, and the scenarios as they were run."""
    tables = {name: run.scenario_table if name == "scenarios" else table
              for name, table in run.system.tables.items()}  # fmt: skip
    found = []
    for name, table in tables.items():
        if not table.num_rows:
            continue
        schema = SCHEMAS[name]
        rows = table.slice(0, MOST).to_pylist()
        heads = tuple(
            column.name
            for column in schema.columns
            if any(row[column.name] not in (None, "") and row[column.name] != column.default for row in rows)
        )
        cells = tuple(tuple(_cell(row[head]) for head in heads) for row in rows)
        found.append(Assumptions(name, schema.doc, heads, cells, table.num_rows - len(rows)))
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
