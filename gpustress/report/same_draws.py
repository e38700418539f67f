"""A run asked again on the same draws: its scenario alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

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
    rows = run.rows_of(place)
    return rows, run.runs[place].scenario if rows.num_rows else None
