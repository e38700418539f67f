"""The greatest or the least solution of equities that depend on each other, by monotone updates, with a bound.

Source: Barucca et al., "Network valuation in financial systems", Mathematical Finance 30 (2020); docs/networks.md.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from .schema import LARGEST
from .valuations import Exact, Floats, Valuation, Worth, bad_valuation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import Network

PLAIN_UPDATES: Final = 512  # after which a valuation that can be solved in another way is
MOST_UPDATES: Final = 10_000  # besides one a node, so that a chain is passed through; then it is an error
BOUND_UPDATES: Final = 1024  # towards a bound; it is tried after 1, 2, 4, ... of them
TERMS: Final = 16  # are added up at once, then their sums: keeps roundings few where a node has many debtors
WORTH_ROUNDINGS: Final = 16  # that a worth may be off by, of what the debtor has and owes at face value
ROUNDOFF: Final = 2.0**-53


class EquityMap:
    """From equities (N, S) to equities: external assets and what claims are worth, less debts at face value."""

    def __init__(self, net: Network, worth: Worth):
        owed = net.obligations
        self.worth = worth
        self._sums, terms = _in_steps(owed.shares)
        self._due = owed.due.high[:, None]
        self.debts = owed.total.high[:, None]
        self._debtor = owed.debtor
        self.claims = self._received(np.ones_like(self._due))
        self._terms = terms

    def start(self, external_assets: Floats, greatest: bool) -> Floats:
        """Where all claims are worth their face value, or nothing."""
        return external_assets + (self.claims if greatest else 0.0) - self.debts

    def __call__(self, equity: Floats, external_assets: Floats) -> Floats:
        """Equities (N, S) when claims are worth what these equities say."""
        return external_assets + self._received(self.worth(equity, external_assets)) - self.debts

    def of_nodes(self, worth: Floats) -> Floats:
        """The worth (N, S) of all debts of a node, as a share of them."""
        value = np.zeros((len(self.debts), worth.shape[1]))
        np.add.at(value, self._debtor, worth * self._due)
        owing = self.debts > 0.0
        share = np.minimum(value / np.where(owing, self.debts, 1.0), 1.0)
        return np.asarray(np.where(owing, share, 1.0))

    def scale(self, external_assets: Floats) -> Floats:
        """The most that any node has or owes, (S,)."""
        most: Floats = np.maximum(external_assets + self.claims, self.debts).max(axis=0)
        return most

    def rounding(self, external_assets: Floats) -> Floats:
        """By how much equities (N, S) may be off by rounding alone."""
        scale = external_assets + self.claims + self.debts
        of_worth = self._received(np.minimum(WORTH_ROUNDINGS * scale[self._debtor] / self._due, LARGEST))
        rounding: Floats = ROUNDOFF * (4.0 * scale + self._terms * self.claims + of_worth)
        return rounding

    def _received(self, worth: Floats) -> Floats:
        amounts = worth * self._due
        for sums in self._sums:
            amounts = sums @ amounts
        return np.asarray(amounts)


def _in_steps(shares: sparse.csr_array) -> tuple[list[sparse.csr_array], int]:
    """Matrices whose product is `shares`, none with more than TERMS entries in a row; roundings of a sum."""
    steps: list[sparse.csr_array] = []
    matrix = shares
    while len(matrix.data) and (entries := np.diff(matrix.indptr)).max() > TERMS:
        pieces = -(-entries // TERMS)
        ends = np.concatenate([[0], np.cumsum(pieces)])
        place = np.arange(ends[-1]) - np.repeat(ends[:-1], pieces)
        starts = np.repeat(matrix.indptr[:-1], pieces) + TERMS * place
        pointer = np.append(starts, len(matrix.data))
        steps.append(
            sparse.csr_array((matrix.data, matrix.indices, pointer), shape=(ends[-1], matrix.shape[1]))
        )
        ones, columns = np.ones(ends[-1]), np.arange(ends[-1])
        matrix = sparse.csr_array((ones, columns, ends), shape=(matrix.shape[0], ends[-1]))
    steps.append(matrix)
    return steps, 2 + sum(int(np.diff(step.indptr).max(initial=0)) for step in steps)


def solve(
    map_: EquityMap, net: Network, valuation: Valuation, own: Floats, solution: str, tolerance: float
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Equity and worth (N, S), error bounds and updates (S,)."""
    greatest = solution == "greatest"
    towards = -1.0 if greatest else 1.0
    rounding, allowed = map_.rounding(own), tolerance * map_.scale(own)
    equity = map_.start(own, greatest) - towards * rounding
    bound, updates = np.full(own.shape[1], np.inf), np.zeros(own.shape[1], dtype=np.int64)
    next_look = np.ones(own.shape[1], dtype=np.int64)  # for a bound, after so many updates
    step = np.full(own.shape, np.inf)
    moving, can_be_exact = np.arange(own.shape[1]), isinstance(valuation, Exact)
    for update in count(1):
        mine, slack = own[:, moving], rounding[:, moving]
        before, after = equity[:, moving], map_(equity[:, moving], mine)
        if (towards * (after - before) < -2.0 * slack).any():
            raise bad_valuation(valuation, "gives less worth to more equity")
        # Away from the solution by what rounding may have taken, so that all iterates stay on this side of it.
        after = after - towards * slack
        after = np.minimum(before, after) if greatest else np.maximum(before, after)
        gain = np.abs(after - before)
        later = _later_gains(gain, step[:, moving], slack)
        equity[:, moving], step[:, moving], updates[moving] = after, gain, update
        at_rest = ~gain.any(axis=0)
        chosen = moving[at_rest | ((later <= allowed[moving] / 4.0) & (next_look[moving] <= update))]
        if len(chosen):
            inputs = (own[:, chosen], rounding[:, chosen], allowed[chosen])
            bound[chosen] = _bound(map_, equity[:, chosen], *inputs, (towards,))
            next_look[chosen] = update + 1 + update // 2
            moving = moving[~(at_rest | (bound[moving] <= allowed[moving]))]
        if not len(moving) or update >= MOST_UPDATES + len(own) or (can_be_exact and update >= PLAIN_UPDATES):
            break
    final = map_(equity, own)
    left = np.flatnonzero(~(bound <= allowed))
    if len(left) and isinstance(valuation, Exact):
        inputs = (own[:, left], rounding[:, left], allowed[left])
        _hand_over(map_, valuation, net, solution, inputs, (final, bound), left)
    return final, map_.of_nodes(map_.worth(final, own)), bound, updates


def _later_gains(gain: Floats, before: Floats, slack: Floats) -> Floats:
    """Guess what all later updates move a node by, (S,): a node's gains go on falling at their last rate."""
    real = np.where(gain > 4.0 * slack, gain, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(real > 0.0, real / before, 0.0).max(axis=0, initial=0.0)
        later = real.max(axis=0, initial=0.0) * rate / (1.0 - rate)
    return np.where(rate == 0.0, real.max(axis=0, initial=0.0), np.where(rate < 1.0, later, np.inf))


def _bound(
    map_: EquityMap, equity: Floats, own: Floats, rounding: Floats, allowed: Floats, sides: tuple[float, ...]
) -> Floats:
    """How far the solution may be from these equities (N, S), to these sides of them (-1 below, 1 above), (S,).

    With y = equity - distance and map(y) >= y, the greatest solution is at least y. Such a distance is looked for by
    updates, distance = gap + map(equity) - map(equity - distance), and then twice that is tried. So for the other side.
    """
    bound = np.zeros(own.shape[1])
    for side in sides:
        found = np.full(own.shape[1], np.inf)
        looking = np.arange(own.shape[1])  # each shock until it has a bound, or can't have a small one
        after = map_(equity, own)
        distance = gap = np.maximum(side * (after - equity), 0.0) + 2.0 * rounding
        for update in range(1, BOUND_UPDATES + 1):
            here, mine, slack = equity[:, looking], own[:, looking], rounding[:, looking]
            passed_on = side * (map_(here + side * distance, mine) - after[:, looking])
            distance = np.maximum(distance, gap[:, looking] + passed_on)
            goes_on = distance.max(axis=0) <= allowed[looking]
            if update & (update - 1) == 0:
                tried = here + 2.0 * side * distance
                holds = (side * (tried - map_(tried, mine)) >= slack).all(axis=0)
                found[looking[holds]] = (2.0 * distance + slack).max(axis=0)[holds]
                goes_on &= ~holds
            looking, distance = looking[goes_on], distance[:, goes_on]
            if not len(looking):
                break
        bound = np.maximum(bound, found)
    return bound


def _hand_over(
    map_: EquityMap,
    valuation: Exact,
    net: Network,
    solution: str,
    inputs: tuple[Floats, Floats, Floats],
    results: tuple[Floats, Floats],
    shocks: NDArray[np.intp],
) -> None:
    """Solve these shocks in the valuation's other way, and put equity and bound into the results."""
    own, rounding, allowed = inputs
    equity, bound = results
    solved = valuation.exact(net, own, solution)
    if solved is None:
        return
    equity[:, shocks], error = solved
    if np.isnan(error).any():
        bound[shocks] = _bound(map_, equity[:, shocks], own, rounding, allowed, (-1.0, 1.0))
    else:
        bound[shocks] = (error + rounding).max(axis=0)
