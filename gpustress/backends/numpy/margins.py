"""How near the decisions of a path came to falling the other way: what another backend may decide otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Margins:
    """The least relative distance of a deciding quantity to its threshold, by path.

    Deciding are gathered hazard against E, liquidity against the dues, assets against liabilities, and a measure's
    running total against 0, each with its tolerance. Whether there is a jump hangs on numbers without rounding, and
    the rest of the model is continuous.

    Attributes
    ----------
    nearest : ndarray (P,)
        Infinite where nothing was decided.
    """

    def __init__(self, paths: int):
        self.nearest = np.full(paths, np.inf)

    def note(
        self,
        quantity: NDArray[np.float64],
        threshold: NDArray[np.float64],
        decides: NDArray[np.bool_],
        size: NDArray[np.float64] | None = None,
        paths: NDArray[np.intp] | slice = slice(None),
    ) -> None:
        """Take in some comparisons.

        Parameters
        ----------
        quantity, threshold : ndarray (items, some paths)
        decides : ndarray (items, some paths) of bool
            Where something hangs on the comparison.
        size : ndarray (items, some paths), optional
            What the distance is relative to; by default the larger of both.
        paths : ndarray of int, optional
            The path of each column; by default all.
        """
        if size is None:
            size = np.maximum(np.abs(quantity), np.abs(threshold))
        distance = np.full(quantity.shape, np.inf)
        np.divide(np.abs(quantity - threshold), size, out=distance, where=decides & (size > 0.0))
        self.nearest[paths] = np.minimum(self.nearest[paths], distance.min(axis=0, initial=np.inf))
