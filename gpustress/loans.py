"""What a loan becomes: the flows it gives, and how its principal is repaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def generated_flow_names(loan: str, drawn: bool) -> tuple[str, ...]:
    """The names of the flows that a loan gives: interest, principal, and the draw of a drawn one."""
    names = (f"{loan}.interest", f"{loan}.principal")
    return (*names, f"{loan}.draw") if drawn else names


def whole_periods(years: float, periods_per_year: float) -> int:
    """Years as a number of periods: rounded, halves to even, at least 1."""
    return max(1, round(years * periods_per_year))


def opening_balances(
    principal: float, rate: float, periods: int, amortisation: str, count: int
) -> NDArray[np.float64]:
    """Scheduled balance before each of the first payments.

    Parameters
    ----------
    principal : float
        Currency.
    rate : float
        Interest per period; only an annuity uses it.
    periods : int
        Number of payments, n.
    amortisation : {"bullet", "linear", "annuity"}
    count : int
        How many payments to look at, at most `periods`.

    Returns
    -------
    ndarray, shape (count + 1,)
        Balance before payments 0 to count - 1, and after the last of them.
    """
    paid = np.arange(count + 1, dtype=np.float64)
    if amortisation == "bullet":
        return np.where(paid < periods, principal, 0.0)
    if amortisation == "linear" or rate == 0.0:
        return principal * ((periods - paid) / periods)
    # B(k) = P (1 - (1+r)^(k-n)) / (1 - (1+r)^-n), in a form that neither overflows nor cancels.
    growth = np.log1p(rate)
    left: NDArray[np.float64] = np.expm1((paid - periods) * growth) / np.expm1(-periods * growth)
    return principal * left


def principal_schedule(
    principal: float, rate_per_period: float, periods: int, amortisation: str
) -> NDArray[np.float64]:
    """Scheduled payments of principal, shape (periods,), currency; they add up to `principal`."""
    return -np.diff(opening_balances(principal, rate_per_period, periods, amortisation, periods))
