"""Sums of flows per entity, vectorised over paths, always in the order of the flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Rows


class RowSums:
    """Sums of sparse rows over arrays whose last axis is the paths.

    The entries are laid out as jagged diagonals: first the first entry of every row, the longest row first, then the
    second of every row that has one, and so on. So every step adds whole arrays, and every row is summed in its own
    order whatever the number of paths (np.sum would choose its order by the shape).
    """

    def __init__(self, rows: Rows):
        lengths = np.diff(rows.start)
        longest_first = np.argsort(-lengths, kind="stable")
        depth = int(lengths.max(initial=0))
        layers = [longest_first[lengths[longest_first] > j] for j in range(depth)]
        self.rows = len(lengths)
        self._width = [len(layer) for layer in layers]
        self._order = np.empty(self.rows, dtype=np.intp)
        self._order[longest_first] = np.arange(self.rows)
        entries = [rows.column[rows.start[layer] + j] for j, layer in enumerate(layers)]
        self.columns: NDArray[np.int32] = np.concatenate([np.zeros(0, dtype=np.int32), *entries])

    def arrange(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows of `values` (columns, paths) in the order in which `add` wants them."""
        return values[self.columns]

    def add(self, arranged: NDArray[np.float64]) -> NDArray[np.float64]:
        """Row sums (rows, paths) of values laid out by `arrange`."""
        sums = np.zeros((self.rows, arranged.shape[1]))
        start = 0
        for width in self._width:
            sums[:width] += arranged[start : start + width]
            start += width
        return sums[self._order]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Row sums (rows, paths) of `values` (columns, paths)."""
        return self.add(self.arrange(values))
