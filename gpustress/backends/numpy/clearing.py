"""Clearing on the reference backend: the fixed point, as many shocks at once as fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..base import ClearingOutcome
from .clearing_fixed_point import FixedPoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...obligations import Obligations
    from ..base import Solution

_AT_ONCE: Final = 1 << 21  # numbers (nodes x shocks) of an array that is worked on
_ARRAYS: Final = 24  # of that size, at the most


def shock_bytes(obligations: Obligations) -> int:
    """What one shock takes while it is cleared."""
    return 8 * _ARRAYS * max(1, obligations.nodes, len(obligations.debtor))


def clear(
    obligations: Obligations,
    external_assets: NDArray[np.float64],
    costs: tuple[float, float],
    solution: Solution,
    memory: int,
) -> ClearingOutcome:
    """Clear every shock; see `ClearsNetworks.clear`."""
    outcome = ClearingOutcome.empty(*external_assets.shape)
    algorithm = FixedPoint(obligations, costs)
    batch = algorithm.greatest if solution == "greatest" else algorithm.least
    step = max(1, min(8 * _ARRAYS * _AT_ONCE, memory) // shock_bytes(obligations))
    due = obligations.total.high[:, None]
    for start in range(0, len(external_assets), step):
        rows = slice(start, start + step)
        cleared = batch(np.ascontiguousarray(external_assets[rows].T))
        spare = np.maximum(cleared.resources - due, 0.0)
        outcome.payments[rows] = cleared.payments.T
        outcome.equity[rows] = np.where(cleared.round > 0, 0.0, spare).T
        outcome.round[rows], outcome.rounds[rows] = cleared.round.T, cleared.rounds
        outcome.error_bound[rows] = cleared.error_bound
    return outcome
