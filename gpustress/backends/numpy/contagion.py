"""Contagion of losses: one engine, and the rules by which a node passes on what it lost.

In every round losses arrive, a rule says which further share of its debts each node's creditors write off, and that
share of the debts is what arrives in the next round. Arrays are (N, S): nodes, then shocks.

Sources: Furfine, "Interbank exposures: quantifying the risk of contagion", Journal of Money, Credit and Banking 35
(2003); Battiston, Puliga, Kaushik, Tasca and Caldarelli, "DebtRank: too central to fail? Financial networks, the FED
and systemic risk", Scientific Reports 2 (2012); Bardoscia, Battiston, Caccioli and Caldarelli, "DebtRank: a
microscopic foundation for shock propagation", PLoS ONE 10 (2015).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from ..base import SpreadOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from ...exposures import EquityShocks, Exposures
    from ..base import Rule

THRESHOLD_TOLERANCE: Final = 1e-9  # a loss that exceeds equity by a smaller share of it is no failure
REST: Final = 1e-13  # of equity: what all later rounds together may still add where the plain ones end
_AT_ONCE: Final = 1 << 21  # numbers (nodes x shocks) of an array that is worked on
_ARRAYS: Final = 16  # of that size, at the most


def shock_bytes(exposures: Exposures) -> int:
    """What one shock takes while its losses are passed on."""
    return 8 * _ARRAYS * max(1, exposures.nodes)


def spread(
    exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int, memory: int, most: int
) -> SpreadOutcome:
    """Pass losses on under every shock, as many at once as fit; see `SpreadsLosses.spread`."""
    step = max(1, min(8 * _ARRAYS * _AT_ONCE, memory) // shock_bytes(exposures))
    parts, left = [], most
    for first in range(0, len(shocks), step):
        parts.append(_at_once(exposures, shocks.rows(first, min(first + step, len(shocks))), rule, rounds))
        left -= len(parts[-1].node)
        if left < 0:
            raise MemoryError
    counts = np.concatenate([np.diff(part.start) for part in parts])
    return SpreadOutcome(
        nodes=exposures.nodes,
        start=np.concatenate([[0], np.cumsum(counts)]),
        node=np.concatenate([part.node for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        other=np.concatenate([part.other for part in parts]),
        moving=np.concatenate([part.moving for part in parts]),
    )


def _at_once(exposures: Exposures, shocks: EquityShocks, rule: Rule, rounds: int) -> SpreadOutcome:
    first = np.ascontiguousarray(shocks.dense().T)
    moving = np.zeros(len(shocks), dtype=bool)
    other: NDArray[Any] = np.zeros((1, 1))
    if rule == "threshold":
        failing = np.zeros(first.shape, dtype=bool)
        if shocks.imposed:
            failing[shocks.node, shocks.shock] = True
        threshold = Threshold(exposures.equity, exposures.written_off, failing)
        value = pass_on(exposures.claims, first, threshold)
        other = threshold.round
    elif rule == "once":
        once = Once(exposures.equity, len(shocks))
        pass_on(exposures.claims, first, once)
        value = once.distress
    else:
        linear = Linear(exposures.equity, len(shocks), rounds)
        pass_on(exposures.claims, first, linear)
        value, other, moving = linear.distress, linear.passed_on, linear.moving
    return _cells(value, np.broadcast_to(other, value.shape), moving)


def _cells(value: NDArray[np.float64], other: NDArray[Any], moving: NDArray[np.bool_]) -> SpreadOutcome:
    """What arrays (N, S) say of the nodes that have lost something or failed."""
    shock, node = np.nonzero(((value > 0.0) | (other > 0)).T)
    return SpreadOutcome(
        nodes=len(value),
        start=np.searchsorted(shock, np.arange(value.shape[1] + 1)),
        node=node.astype(np.int32),
        value=value[node, shock],
        other=other[node, shock].astype(np.float64),
        moving=moving,
    )


class Passing(Protocol):
    """Further shares (N, S) of each node's debts that are written off in a round, from what arrived in it."""

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """`round_number` counts from 0; `arrived` (N, S) are losses, currency."""


def pass_on(claims: sparse.csr_array, first: NDArray[np.float64], rule: Passing) -> NDArray[np.float64]:
    """Pass losses on until nothing more is written off.

    Parameters
    ----------
    claims : csr_array (N, N)
        What the node of the row loses when all debts of the node of the column are written off.
    first : ndarray (N, S)
        What arrives in round 0.
    rule : Passing

    Returns
    -------
    ndarray (N, S)
        All that arrived.
    """
    losses, arrived = np.zeros_like(first), first
    for round_number in count():
        losses += arrived
        share = rule(round_number, arrived)
        if not share.any():
            break
        arrived = claims @ share
    return losses


class Threshold:
    """Furfine (2003): a node whose losses exceed its equity fails, and its creditors recover a share."""

    def __init__(
        self, equity: NDArray[np.float64], written_off: NDArray[np.float64], failing: NDArray[np.bool_]
    ):
        self._limit = (1.0 + THRESHOLD_TOLERANCE) * equity[:, None]
        self._written_off = written_off[:, None]
        self._failing = failing  # in round 0, whatever they lose
        self._losses = np.zeros(failing.shape)
        self.round = np.zeros(failing.shape, dtype=np.int32)  # in which it failed, and 1 more

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is written off of who fails in this round."""
        self._losses += arrived
        fails = (self.round == 0) & (self._losses > self._limit)
        if round_number == 0:
            fails |= self._failing
        self.round[fails] = round_number + 1
        return np.where(fails, self._written_off, 0.0)


def _share(losses: NDArray[np.float64], equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Losses as a share of equity; infinite where that is next to nothing, of which no more than 1 counts."""
    with np.errstate(over="ignore"):
        return losses / equity


class Once:
    """Battiston et al. (2012): who becomes distressed passes its distress on in the next round, then never again.

    Undistressed is who has distress 0, distressed who has got it in this round, inactive who has passed it on.
    """

    def __init__(self, equity: NDArray[np.float64], shocks: int):
        self._equity = equity[:, None]
        self.distress = np.zeros((len(equity), shocks))

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distress of who was undistressed until now."""
        undistressed = self.distress == 0.0
        self.distress = np.minimum(1.0, self.distress + _share(arrived, self._equity))
        return np.where(undistressed, self.distress, 0.0)


class Linear:
    """Bardoscia et al. (2015): who loses a further share of its equity passes on just that share.

    A shock is at rest once each node's last gain is at most q < 1 times the one before, so that all later ones add no
    more than q / (1 - q) of it, and that is no more than REST.
    """

    def __init__(self, equity: NDArray[np.float64], shocks: int, rounds: int):
        self._equity, self._rounds = equity[:, None], rounds
        self.distress = np.zeros((len(equity), shocks))
        self._gain = np.zeros_like(self.distress)
        self.passed_on = np.zeros_like(self.distress)
        self.moving = np.ones(shocks, dtype=bool)

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gains of the shocks that are not at rest; none in the last round."""
        gain, room = _share(arrived, self._equity), 1.0 - self.distress
        self.distress = np.where(gain < room, self.distress + gain, 1.0)
        gain = np.minimum(gain, room)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(gain > 0.0, gain / self._gain, 0.0).max(axis=0, initial=0.0)
            later = gain.max(axis=0, initial=0.0) * rate / (1.0 - rate)
        self.moving &= ~((rate == 0.0) | ((rate < 1.0) & (later <= REST)))
        self._gain = gain * self.moving
        if round_number == self._rounds:
            return np.zeros_like(gain)
        self.passed_on += self._gain
        return self._gain
