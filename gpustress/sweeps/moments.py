"""Means and spreads of many figures, kept as three numbers each, and merged without losing digits.

Sources: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", Stanford
STAN-CS-79-773 (1979). Merging is not associative to the bit: whoever merges has to do so in an order of his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIELDS: Final = ("count", "mean", "squares", "least", "largest")


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, spread and range of F figures; arrays of one shape.

    Attributes
    ----------
    count : ndarray of int64
    mean : ndarray
        0 where there is no value.
    squares : ndarray
        Sum of squared differences from the mean; infinite above about 1e308.
    least, largest : ndarray
        Infinite where there is no value.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    least: NDArray[np.float64]
    largest: NDArray[np.float64]

    @staticmethod
    def none(shape: int | tuple[int, ...]) -> Moments:
        """Those of no values."""
        count = np.zeros(shape, dtype=np.int64)
        return Moments(
            count, np.zeros(shape), np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf)
        )

    @staticmethod
    def of(rows: NDArray[np.float64], scratch: NDArray[np.float64]) -> Moments:
        """Those of the values in each row, (F, n) with n at least 1; `scratch` has the shape of `rows`.

        Each sum runs over one row, in NumPy's pairwise order: the bits depend on the values and their order alone.
        """
        count = rows.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):
            # From the first value, so that figures without spread have none after rounding either.
            shift = rows[:, :1]
            np.subtract(rows, shift, out=scratch)
            mean = scratch.sum(axis=1, keepdims=True) / count
            scratch -= mean
            np.multiply(scratch, scratch, out=scratch)
            return Moments(
                np.full(len(rows), count, dtype=np.int64),
                (shift + mean)[:, 0],
                scratch.sum(axis=1),
                rows.min(axis=1) + 0.0,  # no negative zero: which of the two is found is up to the processor
                rows.max(axis=1) + 0.0,
            )

    @staticmethod
    def joined(parts: Sequence[Moments]) -> Moments:
        """Those of the figures of several, one after another."""
        return Moments(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))

    def merged(self, other: Moments) -> Moments:
        """Those of both."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            step = other.mean - self.mean
            return Moments(
                count,
                self.mean + step * share,
                self.squares + other.squares + (step * self.count) * (step * share),
                np.minimum(self.least, other.least),
                np.maximum(self.largest, other.largest),
            )

    def __getitem__(self, place: Any) -> Moments:
        return Moments(
            self.count[place], self.mean[place], self.squares[place], self.least[place], self.largest[place]
        )

    def means(self) -> NDArray[np.float64]:
        """The means; nan where there is no value."""
        return np.where(self.count > 0, self.mean, np.nan)

    def standard_errors(self) -> NDArray[np.float64]:
        """Standard errors s / sqrt(n) of the means; nan below two values."""
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(self.squares / (self.count - 1)) / np.sqrt(self.count)
        return np.where(self.count > 1, error, np.nan)
