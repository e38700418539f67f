"""Risk measures of losses: plain functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .book import claims, losses
from .errors import bad_argument
from .result import Result
from .sampling import CONFIDENCE, check_share, normal_deviate, quantile_rank, quantile_with_error, root_spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .path_sample import PathSample


__all__ = ["RiskEstimate", "claims", "expected_shortfall", "losses", "value_at_risk"]


@dataclass(frozen=True, eq=False)
class RiskEstimate:
    """An estimated risk measure; ``float(...)`` and ``numpy.asarray(...)`` give its value.

    Attributes
    ----------
    value : float or ndarray (S,)
        One for each row of losses.
    standard_error : float or ndarray (S,)
        nan below two paths.
    low, high : float or ndarray (S,)
        Confidence interval of `value`; infinite on a side on which the sample is too small to bound it.
    level : float
        Of the risk measure.
    confidence : float
        Of the interval.
    """

    value: float | NDArray[np.float64]
    standard_error: float | NDArray[np.float64]
    low: float | NDArray[np.float64]
    high: float | NDArray[np.float64]
    level: float
    confidence: float

    def __float__(self) -> float:
        """Return the value, of one row of losses."""
        return float(np.asarray(self.value).item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the value as an array."""
        return np.array(self.value, dtype=dtype, copy=copy)


def value_at_risk(
    loss: ArrayLike | Result,
    level: float = 0.99,
    *,
    positions: Any = None,
    horizon: float | None = None,
    confidence: float = CONFIDENCE,
) -> RiskEstimate:
    """Smallest loss that at least a share `level` of the paths stays at or below.

    Parameters
    ----------
    loss : array_like, shape (P,) or (S, P), or Result
        Losses on independent paths; or a run, however its paths were drawn.
    level : float
        Strictly between 0 and 1.
    positions, horizon
        Of a run, as of `losses`.
    confidence : float
        Of the interval, strictly between 0 and 1.

    Returns
    -------
    RiskEstimate
        The interval is distribution-free, between two order statistics chosen by the binomial distribution;
        the standard error is Woodruff's. Of a run with `variance_reduction` both are Woodruff's, from units that are
        independent.

    Raises
    ------
    InputError
        `loss` is no such array, is empty or holds nan; `level` or `confidence` is out of range.
    """
    if isinstance(loss, Result):
        return _of_run(loss, sample_value_at_risk, positions, horizon, level, confidence)
    sample = _checked(loss, level, confidence)
    count = sample.shape[-1]
    rank, _ = quantile_rank(level, count)
    # Fewer than r of P losses lie at or below the true quantile with probability at most (1 - confidence) /
    # 2.
    outside = (1.0 - confidence) / 2.0
    low_rank, high_rank = (
        _binomial_quantile(outside, count, level),
        _binomial_quantile(1 - outside, count, level) + 1,
    )
    rows = []
    for row in np.atleast_2d(sample):
        ordered = np.sort(row)
        rows.append(
            (
                ordered[rank - 1],
                quantile_with_error(ordered, level)[1],
                ordered[low_rank - 1] if low_rank >= 1 else -np.inf,
                ordered[high_rank - 1] if high_rank <= count else np.inf,
            )
        )
    return _estimate(rows, sample.ndim, level, confidence)


def expected_shortfall(
    loss: ArrayLike | Result,
    level: float = 0.99,
    *,
    positions: Any = None,
    horizon: float | None = None,
    confidence: float = CONFIDENCE,
) -> RiskEstimate:
    """Mean of the worst share `1 - level` of the losses.

    Where losses tie at the value at risk, that value enters with the weight that fills the tail exactly, so
    the measure is coherent for every distribution.

    Parameters
    ----------
    loss : array_like, shape (P,) or (S, P), or Result
        As of `value_at_risk`.
    level : float
        Strictly between 0 and 1.
    positions, horizon
        Of a run, as of `losses`.
    confidence : float
        Of the interval, strictly between 0 and 1.

    Returns
    -------
    RiskEstimate
        Standard error from the tail's asymptotic variance, interval from the normal distribution: too narrow where
        few paths make the tail (of 5, a 95 % interval holds the truth in 84 % of samples; of 20, in 90 %); nan where
        none lies beyond the value at risk.

    Raises
    ------
    InputError
        As of `value_at_risk`.

    Notes
    -----
    Acerbi and Tasche, "On the coherence of expected shortfall", Journal of Banking & Finance 26
    (2002); computed as VaR + E[(X - VaR)+] / (1 - level), Rockafellar and Uryasev, same journal, same volume.
    The variance is that of this form, Manistre and Hancock, "Variance of the CTE estimator", North American
    Actuarial Journal 9 (2005).
    """
    if isinstance(loss, Result):
        return _of_run(loss, sample_expected_shortfall, positions, horizon, level, confidence)
    sample = _checked(loss, level, confidence)
    count = sample.shape[-1]
    rank, tail = quantile_rank(level, count)
    deviate = normal_deviate(confidence)
    rows = []
    for row in np.atleast_2d(sample):
        split = np.partition(row, rank - 1)
        # Sorted, so that not a bit depends on the order of the paths.
        excess = np.sort(split[rank:] - split[rank - 1])
        value = split[rank - 1] + excess.sum() / tail
        # Where no path lies beyond the value at risk, none tells how far losses reach there.
        error = root_spread(excess.sum(), np.square(excess).sum(), count) / tail if len(excess) else np.nan
        rows.append((value, error, value - deviate * error, value + deviate * error))
    return _estimate(rows, sample.ndim, level, confidence)


def sample_value_at_risk(
    sample: PathSample, loss: NDArray[np.float64], level: float, confidence: float = CONFIDENCE
) -> RiskEstimate:
    """The value at risk of losses (P,) on the paths of a run, however they were drawn."""
    if sample.is_plain:
        return value_at_risk(loss, level, confidence=confidence)
    _checked(loss, level, confidence)
    value, low, high = sample.quantile_interval(loss, level, confidence)
    row = (value, sample.quantile(loss, level)[1], low, high)
    return _estimate([row], 1, level, confidence)


def sample_expected_shortfall(
    sample: PathSample, loss: NDArray[np.float64], level: float, confidence: float = CONFIDENCE
) -> RiskEstimate:
    """The expected shortfall of losses (P,) on the paths of a run, however they were drawn."""
    if sample.is_plain:
        return expected_shortfall(loss, level, confidence=confidence)
    _checked(loss, level, confidence)
    at_risk = sample.quantile_interval(loss, level, confidence)[0]
    excess, error = (each / (1.0 - level) for each in sample.mean(np.maximum(loss - at_risk, 0.0)))
    reach = sample.deviate(confidence) * error
    value = at_risk + excess
    return _estimate([(value, error, value - reach, value + reach)], 1, level, confidence)


def _of_run(
    run: Result,
    measure: Callable[[PathSample, NDArray[np.float64], float, float], RiskEstimate],
    positions: Any,
    horizon: float | None,
    level: float,
    confidence: float,
) -> RiskEstimate:
    """A risk measure of a book's losses, by run."""
    loss = losses(run, positions, horizon, as_drawn=True)
    found = [measure(run.sample(place), loss[place], level, confidence) for place in range(len(run.runs))]
    rows = [(one.value, one.standard_error, one.low, one.high) for one in found]
    return _estimate(rows, 2, level, confidence)


def _binomial_quantile(probability: float, count: int, share: float) -> int:
    """Smallest k with P(B <= k) >= probability, for B binomial."""
    from scipy.special import bdtr

    if probability >= 1.0:
        return count
    reach = math.copysign(normal_deviate(abs(2.0 * probability - 1.0)), probability - 0.5)
    near = count * share + reach * math.sqrt(count * share * (1.0 - share))
    k = min(max(round(near), 0), count)
    while k > 0 and bdtr(k - 1, count, share) >= probability:
        k -= 1
    while k < count and bdtr(k, count, share) < probability:
        k += 1
    return k


def _estimate(rows: list[tuple[Any, ...]], dimensions: int, level: float, confidence: float) -> RiskEstimate:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    value, error, low, high = (float(column[0]) if dimensions == 1 else column.copy() for column in columns)
    return RiskEstimate(value, error, low, high, float(level), float(confidence))


def _checked(loss: ArrayLike, level: float, confidence: float) -> NDArray[np.float64]:
    check_share("level", level)
    check_share("confidence", confidence)
    try:
        losses = np.asarray(loss, dtype=np.float64)
    except (TypeError, ValueError) as fault:
        raise bad_argument(
            "loss", loss, "is no array of numbers", "Give the array that `losses` gives."
        ) from fault
    if losses.ndim not in (1, 2) or losses.shape[-1] == 0:
        raise bad_argument("loss", f"shape {losses.shape}", "has to have shape (P,) or (S, P), and a path",
                           "Give the array that `losses` gives, or a row of it.")  # fmt: skip
    if any(np.isnan(row).any() for row in np.atleast_2d(losses)):
        raise bad_argument("loss", "nan", "holds values that are no numbers", "Take them out first.")
    return losses
