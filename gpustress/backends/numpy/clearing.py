"""Clearing on the reference backend: the fixed point for many shocks at once, exact solves for what it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...obligations import ACCURACY
from ..base import ClearingOutcome
from .clearing_fixed_point import FixedPoint
from .fictitious_default import FictitiousDefault, UnsettledError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...obligations import Obligations
    from ..base import Solution, Solver

_AT_ONCE: Final = 1 << 21  # numbers (nodes x shocks) of an array that is worked on


def clear(
    obligations: Obligations,
    external_assets: NDArray[np.float64],
    costs: tuple[float, float],
    solution: Solution,
    solver: Solver,
) -> ClearingOutcome:
    """Clear every shock; see `ClearsNetworks.clear`."""
    outcome = ClearingOutcome.empty(*external_assets.shape)
    if solver == "fictitious_default":
        exact = np.arange(len(external_assets))
    else:
        _fixed_point(obligations, external_assets, costs, solution, outcome)
        exact = np.flatnonzero(outcome.error_bound > ACCURACY * obligations.largest)
        if solver == "fixed_point":
            return outcome
    algorithm = FictitiousDefault(obligations, costs)
    one = algorithm.greatest if solution == "greatest" else algorithm.least
    for shock in exact:
        try:
            cleared = one(external_assets[shock])
        except UnsettledError:
            outcome.error_bound[shock] = np.inf
            continue
        outcome.payments[shock], outcome.resources[shock] = cleared.payments, cleared.resources
        outcome.round[shock], outcome.rounds[shock] = cleared.round, cleared.rounds
        outcome.error_bound[shock] = cleared.error_bound
    return outcome


def _fixed_point(
    obligations: Obligations,
    external_assets: NDArray[np.float64],
    costs: tuple[float, float],
    solution: Solution,
    outcome: ClearingOutcome,
) -> None:
    algorithm = FixedPoint(obligations, costs)
    batch = algorithm.greatest if solution == "greatest" else algorithm.least
    step = max(1, _AT_ONCE // max(1, obligations.nodes, len(obligations.debtor)))
    for start in range(0, len(external_assets), step):
        rows = slice(start, start + step)
        cleared = batch(np.ascontiguousarray(external_assets[rows].T))
        outcome.payments[rows], outcome.resources[rows] = cleared.payments.T, cleared.resources.T
        outcome.round[rows], outcome.rounds[rows] = cleared.round.T, cleared.rounds
        outcome.error_bound[rows] = cleared.error_bound
