"""Numbers of 106 bits as unevaluated sums of two doubles, in arrays, and exact enough sums of them by group.

Dekker, "A floating-point technique for extending the available precision", Numerische Mathematik 18 (1971); Rump,
Ogita and Oishi, "Accurate floating-point summation", SIAM Journal on Scientific Computing 31 (2008), for the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SPLIT: Final = 2.0**27 + 1.0  # halves the 53 bits of a double


@dataclass(frozen=True)
class DoubleDouble:
    """The numbers ``high + low``, with |low| at most half a unit in the last place of high.

    Sums, products and quotients are off by a few units of 2^-104. Magnitudes have to lie between 1e-200 and 1e200.
    """

    high: Floats
    low: Floats

    @staticmethod
    def of(values: Floats) -> DoubleDouble:
        """Doubles, as they are."""
        return DoubleDouble(values, np.zeros_like(values))

    def __getitem__(self, index: Any) -> DoubleDouble:
        return DoubleDouble(self.high[index], self.low[index])

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low)

    def __add__(self, other: DoubleDouble) -> DoubleDouble:
        high, error = _two_sum(self.high, other.high)
        low, rest = _two_sum(self.low, other.low)
        high, error = _fast_two_sum(high, error + low)
        return DoubleDouble(*_fast_two_sum(high, error + rest))

    def __sub__(self, other: DoubleDouble) -> DoubleDouble:
        return self + -other

    def __mul__(self, other: DoubleDouble) -> DoubleDouble:
        high, error = _two_product(self.high, other.high)
        return DoubleDouble(*_fast_two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def __truediv__(self, other: DoubleDouble) -> DoubleDouble:
        first = self.high / other.high
        rest = self - DoubleDouble.of(first) * other
        second = rest.high / other.high
        rest = rest - DoubleDouble.of(second) * other
        return DoubleDouble.of(first) + DoubleDouble(*_two_sum(second, rest.high / other.high))

    def where(self, condition: NDArray[np.bool_], other: DoubleDouble) -> DoubleDouble:
        """These numbers where the condition holds, else the others."""
        return DoubleDouble(
            np.where(condition, self.high, other.high), np.where(condition, self.low, other.low)
        )

    def sums(self, group: NDArray[np.int64], groups: int) -> DoubleDouble:
        """Add up the numbers of each group, in whatever order they come.

        Twice, the leading bits of all members, to a common unit of which a double holds the sum exactly, are split
        off and added; what is left is too small for its rounding to count.
        """
        first, rest = _leading(self.high, group, groups)
        second, rest = _leading(rest, group, groups)
        tail = _plain_sums(rest + self.low, group, groups)
        return DoubleDouble(*_two_sum(first, second)) + DoubleDouble.of(tail)


def _leading(values: Floats, group: NDArray[np.int64], groups: int) -> tuple[Floats, Floats]:
    """Exact sums of the members' leading bits, and what is left of each member."""
    size = _plain_sums(np.abs(values), group, groups)
    unit = np.ldexp(1.0, np.frexp(size)[1] + 2)[group]  # four times the sum of magnitudes, or more
    leading = (unit + values) - unit
    return _plain_sums(leading, group, groups), values - leading


def _plain_sums(values: Floats, group: NDArray[np.int64], groups: int) -> Floats:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def _fast_two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The same for |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def _two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Floats) -> tuple[Floats, Floats]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high
