"""Quantile sketches: counts of values in buckets that are as wide as a fixed share of the values in them.

As DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
PVLDB 12 (2019)) with its linearly interpolated logarithm: values of one sign that have the exponent and the leading
MANTISSA_BITS bits of the mantissa in common share a bucket; bucket 0 holds zero and what is nearest to it. So a value's
bucket is read off its bits, the same on every machine, and counts are whole numbers, which merge exactly in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..sampling import CONFIDENCE, normal_deviate, quantile_rank, quantile_ranks, root_spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

MANTISSA_BITS: Final = 8
RELATIVE_ERROR: Final = 2.0 ** -(MANTISSA_BITS + 1)  # of a value read from its bucket: 0.2 %
TINIEST: Final = 2.0 ** -(1022 + MANTISSA_BITS)  # what is smaller counts as zero
OVERFLOW: Final = 2047 << MANTISSA_BITS  # buckets lie strictly between -OVERFLOW and OVERFLOW

_SHIFT: Final = 52 - MANTISSA_BITS
_SIGN: Final = 1 << (11 + MANTISSA_BITS)  # the sign's place once mantissas are shortened
_HALF: Final = _SHIFT // 2  # bits of what a value has beyond its bucket's edge, in two halves


def buckets(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """The bucket of each value, in the values' order; infinite and nan lie at or beyond OVERFLOW."""
    leading = (np.ascontiguousarray(values).view(np.int64) >> _SHIFT).astype(np.int32)
    sign = leading >> 31  # -1 where negative
    leading ^= sign
    sign &= 1 - _SIGN
    leading += sign
    return leading


def edges(bucket: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest value that a bucket may hold; an edge belongs to one of two buckets."""
    magnitude = np.abs(bucket.astype(np.int64))
    inner = (magnitude << _SHIFT).view(np.float64)
    outer = np.minimum(((magnitude + 1) << _SHIFT).view(np.float64), np.finfo(np.float64).max)
    low = np.where(bucket > 0, inner, -outer)
    return low, np.where(bucket < 0, -inner, outer)


@dataclass(frozen=True)
class SketchedEstimate:
    """An estimate from a sketch: it is off by sampling, and by at most `sketch_error` for the buckets' width."""

    value: float
    standard_error: float
    sketch_error: float


@dataclass(frozen=True, eq=False)
class Sketch:
    """A sample's distribution.

    Attributes
    ----------
    bucket : ndarray of int32
        Buckets that hold something, in their order.
    count : ndarray of int64
        How many values they hold.
    least, largest : float
        Of the sample.
    """

    bucket: NDArray[np.int32]
    count: NDArray[np.int64]
    least: float
    largest: float

    def quantile(self, level: float) -> SketchedEstimate:
        """The smallest value that at least a share `level` of the sample stays at or below; nan of no values."""
        below = np.cumsum(self.count)
        if len(below) == 0:
            return SketchedEstimate(np.nan, np.nan, np.nan)
        total = int(below[-1])
        rank, low_rank, high_rank = quantile_ranks(level, total)
        low, high = self.bounds(int(np.searchsorted(below, rank)))
        value = low + (high - low) / 2.0
        error = np.nan
        if total > 1:
            reach = self._spread_out(below, high_rank) - self._spread_out(below, low_rank)
            error = reach / (2.0 * normal_deviate(CONFIDENCE))
        return SketchedEstimate(value, error, max(high - value, value - low))

    def bounds(self, place: int) -> tuple[float, float]:
        """Between which values those of the bucket at this place lie."""
        low, high = edges(self.bucket[place : place + 1])
        return max(float(low[0]), self.least), min(float(high[0]), self.largest)

    def _spread_out(self, below: NDArray[np.int64], rank: int) -> float:
        """The value of a rank if those of a bucket are spread evenly over it, for standard errors."""
        place = int(np.searchsorted(below, rank))
        low, high = self.bounds(place)
        inside = rank - (int(below[place]) - int(self.count[place])) - 0.5
        return low + (high - low) * (inside / int(self.count[place]))


def excess_halves(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What each value has beyond its bucket's inner edge, in units of its last place, cut into two whole numbers.

    Sums of them are exact, in any order; `bucket_sums` makes sums of values of them.
    """
    excess = np.ascontiguousarray(values).view(np.int64) & ((1 << _SHIFT) - 1)
    return excess >> _HALF, excess & ((1 << _HALF) - 1)


def bucket_sums(
    bucket: NDArray[np.int32], count: NDArray[np.int64], high: NDArray[np.int64], low: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of the values of each bucket, from their number and the sums of their `excess_halves`; below 1e308."""
    magnitude = np.abs(bucket.astype(np.int64))
    inner = (magnitude << _SHIFT).view(np.float64)
    last_place = np.spacing(inner)
    sums = count * inner + (high * (2.0**_HALF * last_place) + low * last_place)
    # Bucket 0 holds both signs of what counts as zero.
    return np.where(bucket == 0, 0.0, np.copysign(sums, bucket))


@dataclass(frozen=True, eq=False)
class LossSketch(Sketch):
    """A distribution of losses, with the sum of each bucket: means over a tail are then exact but for its first bucket.

    Attributes
    ----------
    sums : ndarray
        Sum of the values of each bucket, currency.
    """

    sums: NDArray[np.float64]

    def expected_shortfall(self, level: float) -> SketchedEstimate:
        """Mean of the worst share `1 - level`; see `risk.expected_shortfall` for the formula and its error."""
        below = np.cumsum(self.count)
        if len(below) == 0:
            return SketchedEstimate(np.nan, np.nan, np.nan)
        total = int(below[-1])
        rank, mass = quantile_rank(level, total)
        place = int(np.searchsorted(below, rank))
        low, high = self.bounds(place)
        count, inside = int(self.count[place]), float(self.sums[place])
        above = slice(place + 1, None)
        # The worst `part` of the bucket's values: at least as large as its mean, at most what leaves the rest at `low`.
        part = min(max(mass - float(self.count[above].sum()), 0.0), float(count))
        least = part * (inside / count)
        most = max(min(part * high, inside - (count - part) * low), least)
        tail = float(self.sums[above].sum())
        value = (tail + (least + most) / 2.0) / mass
        # Where no path lies beyond the value at risk, none tells how far losses reach there.
        error = self._tail_error(level, value, mass, above, total) if rank < total else np.nan
        return SketchedEstimate(value, error, (most - least) / 2.0 / mass)

    def _tail_error(self, level: float, value: float, mass: float, above: slice, total: int) -> float:
        """Standard error of the mean over the tail; the spread inside of a bucket is the most that its mean allows."""
        at_risk = self.quantile(level).value
        count = self.count[above]
        mean = self.sums[above] / count
        low, high = edges(self.bucket[above])
        inside = np.maximum(np.minimum(high, self.largest) - mean, 0.0) * np.maximum(mean - low, 0.0)
        squares = float((count * (np.square(mean - at_risk) + inside)).sum())
        return float(root_spread(mass * (value - at_risk), squares, total)) / mass


def sketch_of(values: Any) -> Sketch:
    """The sketch of an array of finite values."""
    sample = np.asarray(values, dtype=np.float64)
    found, count = np.unique(buckets(sample), return_counts=True)
    return Sketch(found, count, float(sample.min() + 0.0), float(sample.max() + 0.0))
