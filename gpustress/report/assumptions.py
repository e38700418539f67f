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
    rows : tuple of (str, str, str)
        The first MOST: which row it is, what it gives besides defaults, its source.
    more : int
        Rows that are left out.
    """

    table: str
    what: str
    rows: tuple[tuple[str, str, str], ...]
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
        # Tables without a key are known by their first two columns.
        known = schema.key or tuple(column.name for column in schema.columns[:2])
        rows = []
        for row in table.slice(0, MOST).to_pylist():
            given = [
                f"{column.name} = {_cell(row[column.name])}"
                for column in schema.columns
                if column.name not in (*known, _SOURCE)
                and row[column.name] not in (None, "")
                and row[column.name] != column.default
            ]
            identity = ", ".join(_cell(row[column]) for column in known if row[column] not in (None, ""))
            rows.append((identity, "; ".join(given), _cell(row[_SOURCE])))
        found.append(Assumptions(name, schema.doc, tuple(rows), table.num_rows - len(rows)))
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
