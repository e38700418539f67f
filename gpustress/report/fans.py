"""Cash and running totals over time: recorded by the run, or by its first paths run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..estimates import run_place
from ..pictures.fans import LEVELS
from ..sampling import quantile_with_error
from ..simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..result import Result


@dataclass(frozen=True)
class Fan:
    """Quantiles of a series over the paths.

    Attributes
    ----------
    quantiles : ndarray of float64, shape (levels, T)
        At `LEVELS`, in the series' own unit.
    error : ndarray of float64, shape (T,), or None
        Standard error of the median; None of one path.
    """

    quantiles: NDArray[np.float64]
    error: NDArray[np.float64] | None


@dataclass(frozen=True)
class Series:
    """A result that holds series, and how it came to them.

    Attributes
    ----------
    run : Result
    partial : bool
        Whether it is fewer of the first paths of another result, run again.
    """

    run: Result
    partial: bool

    def cash(self, scenario: str, entity: str) -> Fan | None:
        """Of an entity's cash at the end of each period, where it is known."""
        return self._fan(scenario, f"cash:{entity}", lambda cash: cash)

    def total(self, scenario: str, measure: str) -> Fan | None:
        """Of a measure's running total after each period, where it is known."""
        return self._fan(scenario, f"measure:{measure}", lambda amounts: np.cumsum(amounts, axis=1))

    def _fan(self, scenario: str, name: str, figure: Callable[[NDArray[Any]], NDArray[Any]]) -> Fan | None:
        if name not in self.run.series or all(one.scenario != scenario for one in self.run.runs):
            return None
        place = run_place(self.run, scenario)
        values = figure(self.run.series[name][place])
        quantiles = self.run.sample(place).quantiles(values, LEVELS)
        if len(values) == 1:
            return Fan(quantiles, None)
        ordered = np.sort(values, axis=0)
        error = [quantile_with_error(column, 0.5)[1] for column in ordered.T]
        return Fan(quantiles, np.array(error))


def with_series(run: Result, scenarios: Sequence[str], names: Sequence[str], most: int) -> Series:
    """The run itself where it recorded the series, else its first paths run again: the same draws, the same paths.

    Parameters
    ----------
    run : Result
    scenarios : sequence of str
        Those whose series are wanted.
    names : sequence of str
        As ``record`` takes them.
    most : int
        Paths that are run again at most.
    """
    if run.factors_digest or all(name in run.series for name in names):
        return Series(run, partial=False)
    table = run.scenario_table
    if table.num_rows:
        table = table.filter(pc.is_in(table["scenario"], pa.array(list(scenarios), pa.string())))
    several = len({one.effects for one in run.runs}) > 1
    arguments: dict[str, Any] = {"effects": "full"} if several else {"effects": run.runs[0].effects}
    paths = min(run.paths, most)
    other = simulate(run.system, table, paths=paths, seed=run.seed, record=names, **arguments)
    for place, one in enumerate(other.runs):
        same = [
            i
            for i, mine in enumerate(run.runs)
            if (mine.scenario, mine.effects) == (one.scenario, one.effects)
        ]
        if not same or not np.array_equal(run.failed_at[same[0], :paths], other.failed_at[place]):
            return Series(
                run, partial=False
            )  # another backend's last digit: better no fan than another run's
    return Series(other, partial=paths < run.paths)
