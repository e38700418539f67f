"""What a run's paths are as a sample: which of them were drawn together, and what each weighs.

An estimate is a weighted mean, and its error comes from units that are independent: single paths, pairs, groups that
share a mixture, or scrambles of one set of points. Where all paths are independent and weigh the same, everything is as
`sampling` has it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .sampling import (
    CONFIDENCE,
    binomial_error,
    mean_with_error,
    normal_deviate,
    quantile_rank,
    quantile_with_error,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PathSample:
    """The paths of one run.

    Attributes
    ----------
    paths : int
        P.
    together : int
        So many consecutive paths were drawn together: they are one unit.
    scrambles : int
        0; or so many units, path p belonging to unit p % scrambles.
    weights : ndarray (P,) or None
        None: all weigh the same.
    """

    paths: int
    together: int = 1
    scrambles: int = 0
    weights: NDArray[np.float64] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether every path is independent of the others and weighs what they weigh."""
        return self.together == 1 and self.scrambles == 0 and self.weights is None

    @property
    def each_weighs(self) -> NDArray[np.float64]:
        """What each path weighs, (P,): 1 where all weigh the same."""
        return np.ones(self.paths) if self.weights is None else self.weights

    @property
    def units(self) -> int:
        """How many independent units there are."""
        return self.scrambles or self.paths // self.together

    def first(self, paths: int) -> PathSample:
        """So many of them from the first on: whole units."""
        weights = None if self.weights is None else self.weights[:paths]
        return replace(self, paths=paths, weights=weights)

    def deviate(self, confidence: float) -> float:
        """How many standard errors a two-sided interval reaches to each side: few units make it wider (Student's t)."""
        if self.is_plain:
            return normal_deviate(confidence)
        from scipy.special import stdtrit

        return float(stdtrit(max(1, self.units - 1), 0.5 + confidence / 2.0))

    def mean(self, values: NDArray[Any], among: NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """Mean over the paths, or over those `among` which it is taken, and its standard error.

        Parameters
        ----------
        values : ndarray (P,)
        among : ndarray (P,) of bool, optional

        Returns
        -------
        mean, error : float
            Both nan where no path counts; the error nan where there is one unit.

        Notes
        -----
        A ratio of sums over units, with the error of its linear part: Cochran, "Sampling techniques" (1977), chapter 6.
        """
        if self.is_plain:
            return mean_with_error(values if among is None else values[among])
        weight = self.each_weighs
        if among is not None:
            weight = weight * among
        total = weight.sum()
        if not total > 0.0:
            return np.nan, np.nan
        mean = float((weight * values).sum() / total)
        return mean, self._error(weight * (values - mean)) / total

    def share(self, holds: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Share of the paths on which something holds, and its standard error, by column of `holds` (P, C)."""
        if self.is_plain:
            share = holds.mean(axis=0)
            return share, binomial_error(share, self.paths)
        found = np.array([self.mean(column) for column in holds.T.astype(np.float64)]).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def quantile(self, values: NDArray[Any], level: float) -> tuple[float, float]:
        """The smallest value that a share `level` stays at or below, and its standard error.

        Sources: Woodruff, "Confidence intervals for medians and other position measures", JASA 47 (1952).
        """
        if self.is_plain:
            return quantile_with_error(np.sort(values), level)
        value, low, high = self.quantile_interval(values, level, CONFIDENCE)
        lowest, highest = values.min(), values.max()
        width = float(min(high, highest) - max(low, lowest))
        return value, width / (2.0 * self.deviate(CONFIDENCE)) if self.units > 1 else np.nan

    def quantile_interval(
        self, values: NDArray[Any], level: float, confidence: float
    ) -> tuple[float, float, float]:
        """A quantile and the ends of its interval, infinite where the paths do not reach (Woodruff)."""
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        below, total = self._below(order)
        value = float(ordered[self._place(below, total, level)])
        _, error = self.mean((values <= value).astype(np.float64))
        reach = self.deviate(confidence) * error
        if not np.isfinite(reach):
            return value, -np.inf, np.inf
        ends = []
        for end, beyond in ((level - reach, -np.inf), (level + reach, np.inf)):
            inside = 0.0 < end < 1.0
            place = min(int(np.searchsorted(below, end * total)), self.paths - 1) if inside else 0
            ends.append(float(ordered[place]) if inside else beyond)
        return value, ends[0], ends[1]

    def quantiles(self, values: NDArray[Any], levels: Sequence[float]) -> NDArray[Any]:
        """The smallest values that shares `levels` stay at or below, (levels, T), of values (P, T): without errors."""
        if self.weights is None:
            ordered = np.sort(values, axis=0)
            return np.stack([ordered[quantile_rank(level, self.paths)[0] - 1] for level in levels])
        found = np.empty((len(levels), values.shape[1]), dtype=values.dtype)
        for t, column in enumerate(values.T):
            order = np.argsort(column, kind="stable")
            below, total = self._below(order)
            found[:, t] = [column[order[self._place(below, total, level)]] for level in levels]
        return found

    def _place(self, below: NDArray[Any], total: float, level: float) -> int:
        """Where in the order that `below` is of a quantile lies."""
        target = quantile_rank(level, self.paths)[0] if self.weights is None else level * total
        return min(int(np.searchsorted(below, target)), self.paths - 1)

    def _below(self, order: NDArray[np.intp]) -> tuple[NDArray[Any], float]:
        """What the paths up to each in an order weigh together, and all of them."""
        if self.weights is None:
            return np.arange(1, self.paths + 1), self.paths
        below = np.cumsum(self.weights[order])
        return below, float(below[-1])

    def difference_error(self, values: NDArray[Any], other: PathSample, theirs: NDArray[Any]) -> float:
        """Error of the mean of values (P,) less that of others on the same paths, which may weigh otherwise."""
        return self._error(self._residuals(values) - other._residuals(theirs))

    def _residuals(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """What each path adds to the error of the mean of values (P,), to first order."""
        weight = self.each_weighs
        total = weight.sum()
        residuals: NDArray[np.float64] = weight * (values - (weight * values).sum() / total) / total
        return residuals

    def _error(self, residuals: NDArray[np.float64]) -> float:
        """Standard error of a sum of residuals whose units have mean 0; nan for one unit."""
        units = self.by_unit(residuals)
        if len(units) < 2:
            return np.nan
        return float(np.sqrt(np.square(units).sum() * (len(units) / (len(units) - 1))))

    def by_unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the paths of each unit."""
        units: NDArray[np.float64]
        if self.scrambles:
            units = values.reshape(-1, self.scrambles).sum(axis=0)
        else:
            units = values.reshape(-1, self.together).sum(axis=1)
        return units
