"""A network of few links from the nodes' totals.

Source: Anand, Craig and von Peter, "Filling in the blanks: network structure and interbank contagion", Quantitative
Finance 15 (2015). Their value of a network is V = -c links - alpha sum AD^2 - delta sum LD^2, AD and LD being what a
debtor still has to place and a creditor still has to get; the pair to be loaded is drawn with weights
Q = max(AD/LD, LD/AD), loaded with min(AD, LD), and kept if V rises, else with probability exp(theta change of V).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from ..draws import LOADINGS, name_id, pair_words, uniform
from .proportional_fitting import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COST: Final = 1.0  # c: of a link
STEEPNESS: Final = 1.0  # theta
DUST: Final = 1e-15  # of the total: what is left of a sum by rounding alone


def load(
    names: Sequence[str],
    owed: NDArray[np.float64],
    due: NDArray[np.float64],
    allowed: NDArray[np.bool_],
    seed: int,
    sample: int,
) -> NDArray[np.float64]:
    """Amounts (N, N) of one sample, debtor in the row.

    alpha = delta = (n / total)^2 for n nodes with a total, so that a link pays for itself once it places about what a
    node places on average.
    Where something is left and no pair can take it, amounts are rerouted along a shortest chain of links (the paper
    removes links at random until none is left over). In the end no links form a circle, direction aside, so that there
    are at most one fewer than debtors and creditors together: the least for totals of which no part happens to agree.

    Raises
    ------
    InfeasibleError
        No network on the allowed links has these totals.
    """
    loading = _Loading(names, owed, due, allowed, seed, sample)
    while loading.places.any() and loading.takes.any():
        if (loading.allowed & loading.places[:, None] & loading.takes).any():
            loading.load_one()
        else:
            loading.reroute()
    loading.open_circles()
    return loading.amount


class _Loading:
    """A network that is being filled."""

    def __init__(
        self,
        names: Sequence[str],
        owed: NDArray[np.float64],
        due: NDArray[np.float64],
        allowed: NDArray[np.bool_],
        seed: int,
        sample: int,
    ):
        self.allowed = allowed
        self.amount = np.zeros(allowed.shape)
        self._owed, self._due = owed, due
        self._to_place, self._to_get = owed.copy(), due.copy()
        total = float(owed.sum())
        self._dust = DUST * total
        share, self._exponent = math.frexp(
            total
        )  # squares are of amounts over a power of two: they stay doubles
        self._penalty = (np.count_nonzero((owed > 0.0) | (due > 0.0)) / share) ** 2
        self._identity = np.array([name_id(name) for name in names], dtype=np.uint64)
        self._seed, self._sample = seed, sample
        self._occasion = np.zeros(allowed.shape, dtype=np.uint64)
        debtor, creditor = np.indices(allowed.shape).reshape(2, -1)
        words = pair_words(seed, self._identity[debtor], self._identity[creditor], sample, 0, LOADINGS)
        self._wait = -np.log(uniform(words[0])).reshape(allowed.shape)
        self._keep = uniform(words[1]).reshape(allowed.shape)

    @property
    def places(self) -> NDArray[np.bool_]:
        """Who still has to place something."""
        return self._to_place > self._dust

    @property
    def takes(self) -> NDArray[np.bool_]:
        """Who still has to get something."""
        return self._to_get > self._dust

    def load_one(self) -> None:
        """Draw a pair by the weights Q, and load it if it is kept.

        The pair is the winner of a race of exponential waits at the rates Q. What the others still have to wait is
        exponential again, so that each pair needs a new draw only when it has won, and no draw depends on who else
        is in the race.
        """
        open_pairs = self.allowed & self.places[:, None] & self.takes
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = self._to_place[:, None] / self._to_get
            rate = np.where(open_pairs, np.maximum(ratio, 1.0 / ratio), 0.0)
            time = np.where(open_pairs, self._wait / rate, np.inf)
        pair = np.unravel_index(int(time.argmin()), time.shape)
        i, j = int(pair[0]), int(pair[1])
        self._wait -= time[i, j] * rate
        np.maximum(self._wait, 0.0, out=self._wait)  # takes off rounding
        if self._keep[i, j] < math.exp(min(0.0, STEEPNESS * self._change_of_value(i, j))):
            self._add(i, j, min(self._to_place[i], self._to_get[j]))
        self._occasion[i, j] += np.uint64(1)
        one = slice(i, i + 1), slice(j, j + 1)
        identities = self._identity[one[0]], self._identity[one[1]]
        words = pair_words(self._seed, *identities, self._sample, self._occasion[i, j : j + 1], LOADINGS)
        self._wait[i, j], self._keep[i, j] = -np.log(uniform(words[0]))[0], uniform(words[1])[0]

    def _change_of_value(self, i: int, j: int) -> float:
        both = np.ldexp((self._to_place[i], self._to_get[j]), -self._exponent)
        squares = sum(left**2 - (left - min(both)) ** 2 for left in both)
        return float(self._penalty * squares - (COST if self.amount[i, j] == 0.0 else 0.0))

    def _add(self, i: int, j: int, amount: float) -> None:
        """Change one link; what is left is summed anew, so that its rounding does not add up."""
        self.amount[i, j] += amount
        if self.amount[i, j] <= self._dust:
            self.amount[i, j] = 0.0
        self._to_place[i] = math.fsum([self._owed[i], *-self.amount[i]])
        self._to_get[j] = math.fsum([self._due[j], *-self.amount[:, j]])

    def reroute(self) -> None:
        """Place something along a shortest chain: a new link, an old one less, and so on, to who still has to get."""
        count = len(self._owed)
        debtor_before = np.full(count, -1)  # the one before a creditor in its chain
        creditor_before = np.full(count, -1)
        rows = self.places
        frontier = np.flatnonzero(rows)
        while len(frontier):
            fresh = np.flatnonzero((debtor_before < 0) & self.allowed[frontier].any(axis=0))
            debtor_before[fresh] = frontier[self.allowed[frontier][:, fresh].argmax(axis=0)]
            if len(fresh) == 0:
                break
            ends = fresh[self.takes[fresh]]
            if len(ends):
                self._shift(int(ends[0]), debtor_before, creditor_before)
                return
            debtors = np.flatnonzero(~rows & (self.amount[:, fresh] > 0.0).any(axis=1))
            creditor_before[debtors] = fresh[(self.amount[np.ix_(debtors, fresh)] > 0.0).argmax(axis=1)]
            rows = rows.copy()
            rows[debtors] = True
            frontier = debtors
        among = np.flatnonzero(rows & (self._owed > 0.0))
        open_to = np.flatnonzero((debtor_before >= 0) & (self._due > 0.0))
        excess = math.fsum([*self._owed[among], *-self._due[open_to]])
        raise InfeasibleError(among, open_to, excess)

    def _shift(self, j: int, debtor_before: NDArray[np.intp], creditor_before: NDArray[np.intp]) -> None:
        last, less, more = j, [], []
        while True:
            i = int(debtor_before[j])
            more.append((i, j))
            if creditor_before[i] < 0:
                break
            j = int(creditor_before[i])
            less.append((i, j))
        amount = min(self._to_place[i], self._to_get[last], *(self.amount[pair] for pair in less))
        for pair in less:
            self._add(*pair, -amount)
        for pair in more:
            self._add(*pair, amount)

    def open_circles(self) -> None:
        """Shift amounts around every circle of links until one of them, the smaller ones first, is empty."""
        count = len(self._owed)
        while True:
            debtor, creditor = np.nonzero(self.amount)
            weight = self.amount.max(initial=0.0) + self._dust - self.amount[debtor, creditor]
            links = sparse.csr_array((weight, (debtor, count + creditor)), shape=(2 * count, 2 * count))
            forest = minimum_spanning_tree(links)
            circle = np.flatnonzero(abs(forest)[debtor, count + creditor] == 0.0)
            if len(circle) == 0:
                return
            i, j = int(debtor[circle[0]]), int(creditor[circle[0]])
            before = breadth_first_order(forest, i, directed=False)[1]
            chain = [count + j]
            while chain[-1] != i:
                chain.append(int(before[chain[-1]]))
            around = [(i, j)]
            for last, node in pairwise(chain):
                around.append((min(last, node), max(last, node) - count))
            shift = min(self.amount[pair] for pair in around[::2])
            for place, pair in enumerate(around):
                self._add(*pair, -shift if place % 2 == 0 else shift)
