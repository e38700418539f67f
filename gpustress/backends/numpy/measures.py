"""Step 6: measures. Weighted sums of payments and of capex's non-cash lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .margins import Margins
    from .rows import RowSums

PAYBACK_TOLERANCE: Final = 1e-9  # of the sum so far of |weight * paid|


class Measures:
    """The four figures of every measure, for a block of paths.

    Attributes
    ----------
    total, npv, trough : ndarray (M, P)
    payback : ndarray (M, P) of int16
    """

    def __init__(self, program: Program, sums: RowSums, paths: int, margins: Margins | None):
        self._discount = program.discount
        self._sums, self._margins = sums, margins
        self._line, self._weight = (
            program.measure_line[sums.columns],
            program.measure_weight[sums.columns, None],
        )
        shape = (program.measure_count, paths)
        self.total, self.npv = np.zeros(shape), np.zeros(shape)
        self.trough = np.full(shape, np.inf)
        self.payback = np.zeros(shape, dtype=np.int16)
        self._gross = np.zeros(shape)

    def add(self, t: int, lines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take in one period.

        Parameters
        ----------
        t : int
        lines : ndarray (F + 2 C, P)
            What was paid, depreciation, impairment.

        Returns
        -------
        ndarray (M, P)
            m(t).
        """
        terms = lines[self._line]
        terms *= self._weight
        value = self._sums.add(terms)
        self._gross += self._sums.add(np.abs(terms, out=terms))
        self.total += value
        self.npv += value * self._discount[t]
        np.minimum(self.trough, self.total, out=self.trough)
        # The running total is negative in t: it pays back in t + 1 at the earliest.
        least = -PAYBACK_TOLERANCE * self._gross
        self.payback[self.total < least] = t + 1
        if self._margins is not None:
            self._margins.note(self.total, least, self._gross > 0.0, size=self._gross)
        return value
