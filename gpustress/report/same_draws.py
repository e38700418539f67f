"""A run asked again on the same draws: its scenario alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from ..result import Result


def only_scenario(run: Result, place: int) -> tuple[pa.Table, str | None]:
    """The rows of a run's scenario, and its name; without rows and None where the system ran as it is.

    Parameters
    ----------
    run : Result
    place : int
        Of the run in ``run.runs``.
    """
    table = run.scenario_table
    if not table.num_rows:
        return table, None
    name = run.runs[place].scenario
    return table.filter(pc.equal(table["scenario"], pa.scalar(name, pa.string()))), name
