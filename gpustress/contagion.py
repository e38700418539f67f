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
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import spsolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD_TOLERANCE: Final = 1e-9  # a loss that exceeds equity by a smaller share of it is no failure
PLAIN_ROUNDS: Final = 256  # after which what still moves is solved exactly
REST: Final = 1e-13  # of equity: what all later rounds together may still add where the plain ones end
NEVER: Final = -1


class Rule(Protocol):
    """Further shares (N, S) of each node's debts that are written off in a round, from what arrived in it."""

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """`round_number` counts from 0; `arrived` (N, S) are losses, currency."""


def spread(claims: sparse.csr_array, first: NDArray[np.float64], rule: Rule) -> NDArray[np.float64]:
    """Pass losses on until nothing more is written off.

    Parameters
    ----------
    claims : csr_array (N, N)
        What the node of the row loses when all debts of the node of the column are written off.
    first : ndarray (N, S)
        What arrives in round 0.
    rule : Rule

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
        self, equity: NDArray[np.float64], recovery: NDArray[np.float64], failing: NDArray[np.bool_]
    ):
        self._limit = (1.0 + THRESHOLD_TOLERANCE) * equity[:, None]
        self._written_off = 1.0 - recovery[:, None]
        self._failing = failing  # in round 0, whatever they lose
        self._losses = np.zeros(failing.shape)
        self.round = np.full(failing.shape, NEVER)

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is written off of who fails in this round."""
        self._losses += arrived
        fails = (self.round == NEVER) & (self._losses > self._limit)
        if round_number == 0:
            fails |= self._failing
        self.round[fails] = round_number
        return np.where(fails, self._written_off, 0.0)


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
        self.distress = np.minimum(1.0, self.distress + arrived / self._equity)
        return np.where(undistressed, self.distress, 0.0)


class Linear:
    """Bardoscia et al. (2015): who loses a further share of its equity passes on just that share.

    A shock is at rest once each node's last gain is at most q < 1 times the one before, so that all later ones add no
    more than q / (1 - q) of it, and that is no more than REST.
    """

    def __init__(self, equity: NDArray[np.float64], shocks: int, rounds: int = PLAIN_ROUNDS):
        self._equity, self._rounds = equity[:, None], rounds
        self.distress = np.zeros((len(equity), shocks))
        self._gain = np.zeros_like(self.distress)
        self.passed_on = np.zeros_like(self.distress)
        self.moving = np.ones(shocks, dtype=bool)

    def __call__(self, round_number: int, arrived: NDArray[np.float64]) -> NDArray[np.float64]:
        """The gains of the shocks that are not at rest; none in the last round."""
        gain, room = arrived / self._equity, 1.0 - self.distress
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


def linear_debtrank(
    claims: sparse.csr_array, equity: NDArray[np.float64], first: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distress (N, S) of the linear DebtRank at rest, from the losses of round 0."""
    rule = Linear(equity, first.shape[1])
    spread(claims, first, rule)
    moving = np.flatnonzero(rule.moving)
    if len(moving):
        relative = sparse.csr_array(sparse.diags_array(1.0 / equity) @ claims)
        for shock in moving:
            rule.distress[:, shock] = _at_rest(relative, np.minimum(1.0, first[:, shock] / equity))
    return rule.distress


def _at_rest(relative: sparse.csr_array, first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve h = min(1, first + relative h), the least solution, to which the rounds rise.

    The map is concave, and at 0 some power of it is positive at every node that the shock reaches: on those nodes it
    has one solution alone. So it can be approached from above, from 1 everywhere: who stays below 1 with the others
    at 1 leaves the cap, and who has left is a linear function of who has not. Among those who have left the spectral
    radius is below 1, since each of them is fed from outside, if only through others of them.
    """
    reached = _reached(relative, first > 0.0)
    capped, distress = reached.copy(), reached.astype(np.float64)
    while True:
        leaving = capped & (first + relative @ distress < 1.0)
        if not leaving.any():
            return distress
        capped &= ~leaving
        free = np.flatnonzero(reached & ~capped)
        inside = relative[free]
        fed = first[free] + inside @ capped.astype(np.float64)
        matrix = sparse.eye_array(len(free), format="csr") - inside[:, free]
        solution = spsolve(matrix.tocsc(), fed)
        distress[free] = np.clip(solution, 0.0, 1.0)  # takes off rounding


def _reached(relative: sparse.csr_array, shocked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Who is shocked, or has a claim, at any remove, on who is."""
    source = sparse.csr_array(shocked[None].astype(np.float64))
    graph = sparse.block_array(
        [[None, source], [sparse.csr_array((len(shocked), 1)), relative.T]], format="csr"
    )
    order = breadth_first_order(graph, 0, return_predecessors=False)
    reached = np.zeros(len(shocked) + 1, dtype=bool)
    reached[order] = True
    return reached[1:]
