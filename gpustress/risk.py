"""Risk measures of losses: plain functions of arrays, and who contributes to the tail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .book import check_horizon, claims, losses, path_losses, read_book
from .errors import bad_argument
from .estimates import result_table
from .result import Result
from .sampling import CONFIDENCE, check_share, normal_deviate, quantile_rank, quantile_with_error, root_spread

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import ArrayLike, NDArray

    from .book import Book
    from .path_sample import PathSample


__all__ = ["RiskEstimate", "claims", "contributions", "expected_shortfall", "losses", "value_at_risk"]


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
        Standard error from the tail's asymptotic variance, interval from the normal distribution.

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
        error = root_spread(excess.sum(), np.square(excess).sum(), count) / tail
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


def contributions(
    run: Result, positions: Any = None, level: float = 0.99, *, horizon: float | None = None
) -> pa.Table:
    """What each position contributes to the expected shortfall of its book: its mean loss in the book's tail.

    Parameters
    ----------
    run : Result
    positions : anything that speaks Arrow, optional
        Rows of the table ``positions``; None for the system's own.
    level : float
        Of the expected shortfall, strictly between 0 and 1.
    horizon : float, optional
        Years, as of `losses`.

    Returns
    -------
    pyarrow.Table
        scenario, position, entity, contribution, standard_error, share (null where the expected shortfall is
        0), and a grid's coordinates. The contributions of a run sum to its expected shortfall, up to
        rounding.

    Raises
    ------
    InputError
        Positions, level or horizon are not as they have to be.

    Notes
    -----
    The Euler allocation, Tasche, "Capital allocation to business units and sub-portfolios: the
    Euler principle" (2008). Paths that tie at the value at risk share its weight evenly, so the order of the
    paths does not matter. The standard error takes in that the value at risk is estimated too: its influence
    function needs a position's mean loss at the value at risk, taken over the sqrt((1 - level) P) paths to
    either side of it.
    """
    check_horizon(horizon)
    check_share("level", level)
    book = read_book(run.system, positions)
    by_entity = book.loss_by_entity(run.system.settings, len(run.entities), horizon)
    shape = (len(run.runs), len(book.names))
    contribution, error = np.empty(shape), np.empty(shape)
    for row in range(shape[0]):
        if run.variance_reduction is not None:
            found = _sample_contributions(run, row, book, by_entity, level, horizon)
            contribution[row], error[row] = found
            continue
        tail = _Tail(path_losses(by_entity, run.failed_at[row]), level)
        weights = tail.failures(run.failed_at[row], by_entity.shape[1], book)
        for rows in book.pieces():
            loss = book.loss_by_period(run.system.settings, horizon, rows)
            contribution[row, rows], error[row, rows] = weights.contributions(loss, book.entity[rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        total = contribution.sum(axis=1, keepdims=True)
        share = np.where(total == 0.0, np.nan, contribution / total)
    which_run, position = np.indices(shape)
    columns = {
        "scenario": (run.scenarios, which_run),
        "position": (book.names, position),
        "entity": (book.entities, position),
        "contribution": contribution,
        "standard_error": error,
        "share": share,
    }
    return result_table("contributions", run, which_run, columns)


def _sample_contributions(
    run: Result, row: int, book: Book, by_entity: NDArray[np.float64], level: float, horizon: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Contribution of each position and its standard error, on paths however they were drawn."""
    sample, failed_at = run.sample(row), run.failed_at[row]
    total = path_losses(by_entity, failed_at)
    at_risk, low, high = sample.quantile_interval(total, level, CONFIDENCE)
    at, above, near = total == at_risk, total > at_risk, (total >= low) & (total <= high)
    # The share of the paths at the value at risk that belongs to the tail.
    part = (1.0 - level - sample.mean(above)[0]) / sample.mean(at)[0]
    tail = above + part * at
    found = np.empty((2, len(book.names)))
    for rows in book.pieces():
        loss = book.loss_by_period(run.system.settings, horizon, rows)
        for place, (entity, by_period) in enumerate(zip(book.entity[rows], loss, strict=True), rows.start):
            own = by_period[failed_at[:, entity]]
            edge = sample.mean(own, among=near)[0]
            error = sample.mean(tail * (own - edge))[1]
            found[:, place] = sample.mean(tail * own)[0] / (1.0 - level), error / (1.0 - level)
    return found[0], found[1]


@dataclass(frozen=True)
class _TailFailures:
    """When entities fail on the paths of a tail: counts by entity and period, each of shape (N, T + 1)."""

    count: int  # paths, P
    mass: float  # (1 - level) P
    weight: float  # of a path at the value at risk
    above: NDArray[np.float64]
    at: NDArray[np.float64]
    near: NDArray[np.float64]  # mean over the paths next to the value at risk

    def contributions(
        self, loss: NDArray[np.float64], entity: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Contribution of each position and its standard error; `loss` (J, T + 1) is by period of failure."""
        above, at = self.above[entity], self.at[entity]
        weighted = above + self.weight * at
        contribution = (weighted * loss).sum(axis=1) / self.mass
        excess = loss - (self.near[entity] * loss).sum(axis=1, keepdims=True)
        squares = (above + self.weight**2 * at) * np.square(excess)
        error = root_spread((weighted * excess).sum(axis=1), squares.sum(axis=1), self.count) / self.mass
        return contribution, error


class _Tail:
    """The paths of one run whose losses make the expected shortfall."""

    def __init__(self, loss: NDArray[np.float64], level: float):
        self.count = len(loss)
        rank, self.mass = quantile_rank(level, self.count)
        ordered = np.sort(loss)
        at_risk = ordered[rank - 1]
        self.above = np.flatnonzero(loss > at_risk)
        self.at = np.flatnonzero(loss == at_risk)
        self.weight = (self.mass - len(self.above)) / len(self.at)

        # The ranks around the value at risk; ties at either end share the places that the end has.
        reach = max(1, math.isqrt(int(self.mass)))
        first, last = max(rank - reach, 1), min(rank + reach, self.count)
        low, high = ordered[first - 1], ordered[last - 1]
        self.near = np.flatnonzero((loss >= low) & (loss <= high))
        weight = np.ones(len(self.near))
        for end in {low, high}:
            begin, stop = np.searchsorted(ordered, end, "left"), np.searchsorted(ordered, end, "right")
            weight[loss[self.near] == end] = (min(stop, last) - max(begin, first - 1)) / (stop - begin)
        self.near_weight = weight / (last - first + 1)

    def failures(self, failed_at: NDArray[np.int16], periods: int, book: Book) -> _TailFailures:
        """Counts of the failures of the book's entities; `failed_at` (P, N), `periods` is T + 1."""
        above, at, near = np.zeros((3, failed_at.shape[1], periods))
        for entity in np.unique(book.entity):
            period = failed_at[:, entity]
            above[entity] = np.bincount(period[self.above], minlength=periods)
            at[entity] = np.bincount(period[self.at], minlength=periods)
            near[entity] = np.bincount(period[self.near], self.near_weight, minlength=periods)
        return _TailFailures(self.count, self.mass, self.weight, above, at, near)


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
