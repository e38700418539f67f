"""Step 7: record. What is kept of every path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from ..base import Outcome, Series
    from .measures import Measures


class Record:
    """Failures and liquidity of every entity, and the time series asked for, for a block of paths.

    Attributes
    ----------
    failed_at : ndarray (N, P) of int32
        T: has not failed.
    cause : ndarray (N, P) of int8
    lowest_liquidity : ndarray (N, P)
    """

    def __init__(self, program: Program, paths: int, series: tuple[Series, ...]):
        shape = (program.entity_count, paths)
        self.failed_at = np.full(shape, program.periods, dtype=np.int32)
        self.cause = np.zeros(shape, dtype=np.int8)
        self.lowest_liquidity = np.full(shape, np.inf)
        self._wanted = series
        self._series = np.empty((len(series), program.periods, paths))

    def fail(self, t: int, who: NDArray[np.bool_], cause: int) -> None:
        """Note failures of period t."""
        self.failed_at[who] = t
        self.cause[who] = cause

    def liquidity(self, level: NDArray[np.float64]) -> None:
        """Note cash + credit line at the end of a period, 0 for the failed; shape (N, P)."""
        np.minimum(self.lowest_liquidity, level, out=self.lowest_liquidity)

    def period(self, t: int, lines: dict[str, NDArray[np.float64]]) -> None:
        """Note the wanted series of period t from arrays (items, P) by kind of series."""
        for place, wanted in enumerate(self._wanted):
            self._series[place, t] = lines[wanted.kind][wanted.item]

    def write(self, outcome: Outcome, scenario: int, cash: NDArray[np.float64], measures: Measures) -> None:
        """Put everything into the outcome's arrays of one scenario."""
        outcome.failed_at[scenario] = self.failed_at.T
        outcome.cause[scenario] = self.cause.T
        outcome.lowest_liquidity[scenario] = self.lowest_liquidity.T
        outcome.final_cash[scenario] = cash.T
        for name in ("total", "npv", "trough", "payback"):
            getattr(outcome, name)[scenario] = getattr(measures, name).T
        outcome.series[scenario] = self._series.transpose(2, 0, 1)
