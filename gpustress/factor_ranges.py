"""Where factors stay, in every scenario, and the inverse of their links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from .tables import floats, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .parameters import Parameters
    from .settings import Settings

# A draw's uniform has 2^-53 as its least value, 8.2 standard deviations out: beyond 10 no path goes in practice.
DEVIATIONS: Final = 10.0
# exp(690) is about 1e299: room for a sum of a million of them below the largest double.
LOG_LIMIT: Final = 690.0
POSITIVE: Final = ("gbm", "log_ou", "logit_ou")  # processes whose link gives positive values alone
REVERTING: Final = ("ou", "log_ou", "logit_ou")


class FactorRanges:
    """Where every factor stays, within DEVIATIONS standard deviations, over all periods of every scenario.

    Attributes
    ----------
    low, high : ndarray (S, K)
        Least and greatest X, after clip and `value`.
    log_low, log_high : ndarray (S, K)
        Logarithms of positive factors' ranges, also where X itself would underflow.
    positive : ndarray (S, K) of bool
        X > 0 on every path, in every period.
    overflows : ndarray (S, K) of bool
        The link's exponential leaves the range of doubles and no cap holds it.
    """

    def __init__(self, settings: Settings, factors: pa.Table, parameters: Parameters):
        process = np.array(strings(factors, "process"), dtype=object)
        initial = floats(factors, "initial")
        floor, cap = floats(factors, "floor"), floats(factors, "cap")
        floor, cap = np.where(np.isnan(floor), -np.inf, floor), np.where(np.isnan(cap), np.inf, cap)
        logarithmic, logistic = np.isin(process, ("gbm", "log_ou")), process == "logit_ou"
        start = linked_inverse(process, initial)
        y_low, y_high = self._state_ranges(settings, factors, process, start, parameters)
        shift = parameters.curves[parameters.shift]
        y_low, y_high = y_low + shift.min(axis=2), y_high + shift.max(axis=2)
        self.overflows = logarithmic & (y_high > LOG_LIMIT) & np.isinf(cap) | ~np.isfinite(y_low + y_high)

        log_low, log_high = self._logarithms(logarithmic, logistic, y_low, y_high)
        bound = {True: np.exp(np.minimum(log_high, LOG_LIMIT)), False: np.exp(log_low)}
        tiny = np.finfo(np.float64).tiny
        from_link = logarithmic | logistic
        low = np.where(from_link, np.maximum(bound[False], tiny), y_low)
        high = np.where(from_link, bound[True], y_high)
        low, high = np.clip(low, floor, cap), np.clip(high, floor, cap)

        scale, add = parameters.curves[parameters.value_scale], parameters.curves[parameters.value_add]
        ends = np.stack([low[:, :, None] * scale + add, high[:, :, None] * scale + add])
        self.low, self.high = ends.min(axis=(0, 3)), ends.max(axis=(0, 3))
        stays = np.where(scale > 0.0, (low[:, :, None] > 0.0) & ((add >= 0.0) | (ends[0] > 0.0)), add > 0.0)
        self.positive = (initial > 0.0) & (stays & (scale >= 0.0)).all(axis=2)

        untouched = (scale == 1.0).all(axis=2) & (add == 0.0).all(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            clipped_low, clipped_high = np.log(self.low), np.log(self.high)
        free = from_link & untouched & (floor <= 0.0)  # where X underflows, its logarithm does not
        self.log_low = np.where(free, np.minimum(log_low, np.log(np.where(cap > 0.0, cap, 1.0))), clipped_low)
        self.log_high = clipped_high

    @staticmethod
    def _state_ranges(
        settings: Settings,
        factors: pa.Table,
        process: NDArray[np.object_],
        start: NDArray[np.float64],
        parameters: Parameters,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest y over the run, shape (S, K)."""
        years = settings.periods * settings.period_years
        volatility, kappa = (
            parameters.volatility,
            np.where(np.isnan(parameters.reversion), 0.0, parameters.reversion),
        )
        reverting = np.isin(process, REVERTING)
        travel = np.where(process == "gbm", (parameters.drift - volatility**2 / 2.0) * years, 0.0)
        target = np.where(reverting, linked_inverse(process, parameters.mean), start)
        stationary = volatility / np.sqrt(2.0 * kappa, where=kappa > 0.0, out=np.full(kappa.shape, np.inf))
        deviation = np.minimum(volatility * np.sqrt(years), np.where(reverting, stationary, np.inf))
        jump_mean, jump_volatility = floats(factors, "jump_mean"), floats(factors, "jump_volatility")
        expected = settings.periods * -np.expm1(-floats(factors, "jump_rate") * settings.period_years)
        jumps = np.minimum(settings.periods, expected + DEVIATIONS * np.sqrt(expected))
        spread = DEVIATIONS * (deviation + jump_volatility * np.sqrt(jumps))
        low = (
            np.minimum(np.minimum(start, start + travel), target)
            + jumps * np.minimum(jump_mean, 0.0)
            - spread
        )
        high = (
            np.maximum(np.maximum(start, start + travel), target)
            + jumps * np.maximum(jump_mean, 0.0)
            + spread
        )
        return low, high

    @staticmethod
    def _logarithms(
        logarithmic: NDArray[np.bool_],
        logistic: NDArray[np.bool_],
        y_low: NDArray[np.float64],
        y_high: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ln link(y) at both ends; 0 for factors with the identity as link."""
        low, high = np.zeros(y_low.shape), np.zeros(y_high.shape)
        for log, y in ((low, y_low), (high, y_high)):
            np.copyto(log, y, where=logarithmic)
            np.copyto(log, -np.logaddexp(0.0, -y), where=logistic)
        return low, high


def linked_inverse(process: NDArray[np.object_], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Y of an observed value: the inverse of each process's link (identity, exp, logistic)."""
    y = np.array(np.broadcast_to(observed, np.broadcast_shapes(process.shape, observed.shape)))
    logarithmic, logistic = np.isin(process, ("gbm", "log_ou")), process == "logit_ou"
    np.log(y, where=np.broadcast_to(logarithmic, y.shape), out=y)
    odds = np.divide(y, 1.0 - y, where=np.broadcast_to(logistic, y.shape), out=np.ones(y.shape))
    np.copyto(y, np.log(odds), where=logistic)
    return y
