"""Estimates from a sample of paths, each with its standard error.

Nothing here depends on how the paths were cut into blocks.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from .arguments import is_number
from .errors import bad_argument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIDENCE: Final = 0.95  # of intervals, unless the caller says otherwise


def check_share(name: str, value: float) -> None:
    """Refuse an argument that does not lie strictly between 0 and 1."""
    if not is_number(value) or not 0.0 < value < 1.0:
        raise bad_argument(name, value, "has to lie strictly between 0 and 1", "Write a number such as 0.99.")


def normal_deviate(confidence: float) -> float:
    """How many standard deviations a two-sided interval of this confidence reaches to each side."""
    below = 0.5 + confidence / 2.0
    if below < 1.0:
        return NormalDist().inv_cdf(below)
    return -NormalDist().inv_cdf((1.0 - confidence) / 2.0)  # where `below` rounds to 1


@overload
def binomial_error(share: float, count: int) -> float: ...
@overload
def binomial_error(share: NDArray[np.float64], count: int) -> NDArray[np.float64]: ...
def binomial_error(share: ArrayLike, count: int) -> ArrayLike:
    """Standard error of a share of `count` independent paths, sqrt(p (1 - p) / P)."""
    return np.sqrt(np.multiply(share, np.subtract(1.0, share)) / count)


def difference_error(
    added: NDArray[np.float64], spared: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Standard error of a difference of two shares on the same paths.

    Parameters
    ----------
    added, spared : ndarray
        Share of paths on which only the first, only the second of the two holds; the difference is `added -
        spared`.
    count : int
        Number of paths.
    """
    # Each path gives +1, 0 or -1; rounding may leave a variance of 0 slightly negative.
    variance: NDArray[np.float64] = np.maximum(added + spared - (added - spared) ** 2, 0.0)
    return np.sqrt(variance / count)


def mean_with_error(values: NDArray[Any]) -> tuple[float, float]:
    """Mean of a sample and its standard error s / sqrt(P); nan for the error of one value, both of none."""
    if values.size == 0:
        return np.nan, np.nan
    mean = float(np.mean(values, dtype=np.float64))
    if values.size == 1:
        return mean, np.nan
    return mean, float(np.std(values, ddof=1, dtype=np.float64) / np.sqrt(values.size))


def quantile_rank(level: float, count: int) -> tuple[int, float]:
    """The order statistic that is the quantile, and the mass of the tail above the level.

    Returns
    -------
    rank : int
        Smallest k of 1 to `count` with k / count >= level.
    tail : float
        (1 - level) * count, in paths; exact where level * count is whole.
    """
    below = level * count
    whole = round(below)
    if whole < count and abs(below - whole) <= 8.0 * np.finfo(np.float64).eps * below:
        return max(whole, 1), float(count - whole)  # 0.07 * 100 is 7.000000000000001
    return min(max(int(np.ceil(below)), 1), count), (1.0 - level) * count


def quantile_with_error(ordered: NDArray[Any], level: float) -> tuple[float, float]:
    """Quantile of a sorted sample, and its standard error from the order statistics around it.

    The error is a 95 % interval's half width over 1.96, so no density has to be estimated; nan below two
    values.

    Sources: Woodruff, "Confidence intervals for medians and other position measures", JASA 47 (1952).
    """
    count = ordered.size
    if count == 0:
        return np.nan, np.nan
    rank, low, high = quantile_ranks(level, count)
    value = float(ordered[rank - 1])
    if count == 1:
        return value, np.nan
    return value, float(ordered[high - 1] - ordered[low - 1]) / (2.0 * normal_deviate(CONFIDENCE))


def quantile_ranks(level: float, count: int) -> tuple[int, int, int]:
    """Of `count` values: the rank of the quantile, and those of the ends of its CONFIDENCE interval (Woodruff)."""
    rank, _ = quantile_rank(level, count)
    reach = normal_deviate(CONFIDENCE) * np.sqrt(count * level * (1.0 - level))
    low = max(int(np.floor(level * count - reach)), 1)
    high = min(int(np.ceil(level * count + reach)), count)
    return rank, low, high


def root_spread(total: Any, squares: Any, count: int) -> Any:
    """sqrt(P) times a sample's standard deviation, from its sum and sum of squares; nan below two values.

    Over the mass of the tail, (1 - level) P, it is the standard error of a mean over the tail.
    """
    if count < 2:
        return total * np.nan
    return np.sqrt(np.maximum(squares - np.square(total) / count, 0.0) * (count / (count - 1)))


def count_mean_with_error(counts: NDArray[np.int64]) -> tuple[float, float]:
    """The same as `mean_with_error`, of a sample in which the value k comes `counts[k]` times."""
    numbers = [int(count) for count in counts]  # whole numbers without bounds
    count = sum(numbers)
    total = sum(value * number for value, number in enumerate(numbers))
    squares = sum(value * value * number for value, number in enumerate(numbers))
    if count == 0:
        return np.nan, np.nan
    if count == 1:
        return float(total), np.nan
    variance = (count * squares - total * total) / (count * (count - 1))
    return total / count, float(np.sqrt(variance / count))


def count_quantile_with_error(counts: NDArray[np.int64], level: float) -> tuple[float, float]:
    """The same as `quantile_with_error`, of a sample in which the value k comes `counts[k]` times."""
    below = np.cumsum(counts)
    count = int(below[-1])
    if count == 0:
        return np.nan, np.nan
    value, low, high = np.searchsorted(below, quantile_ranks(level, count))
    return float(value), float(high - low) / (2.0 * normal_deviate(CONFIDENCE)) if count > 1 else np.nan
