"""A static network as clearing sees it: what each node owes in each rank, as dense arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from .double_double import DoubleDouble

if TYPE_CHECKING:
    from numpy.typing import NDArray

ACCURACY: Final = 1e-12  # of clearing, as a share of the largest total that a node owes
# A node is in default that has less than it owes by more than this share of it: 0.1 + 0.2 pay 0.3. It decides about
# default costs and names, never about what a node without default costs pays.
DEFAULT_TOLERANCE: Final = 1e-12


@dataclass(frozen=True)
class Obligations:
    """N nodes, K obligations (the debts of a node in one rank, the most senior first), E edges.

    Sums of amounts are double-doubles: a circle that leaks a millionth of what goes round would make a rounding of
    1e-16 an error of 1e-10.

    Attributes
    ----------
    nodes : int
        N.
    debtor : ndarray (K,) of int64
        Node of each obligation; sorted.
    first : ndarray (N + 1,) of int64
        Where the obligations of each node begin.
    due, senior : DoubleDouble (K,)
        What is owed in this rank, above 0, and in all ranks before it.
    obligation, creditor : ndarray (E,) of int64
        Of each edge.
    amount : ndarray (E,)
    total : DoubleDouble (N,)
        What each node owes in all.
    """

    nodes: int
    debtor: NDArray[np.int64]
    first: NDArray[np.int64]
    due: DoubleDouble
    senior: DoubleDouble
    obligation: NDArray[np.int64]
    creditor: NDArray[np.int64]
    amount: NDArray[np.float64]
    total: DoubleDouble

    @staticmethod
    def of(
        debtor: NDArray[np.int64],
        creditor: NDArray[np.int64],
        amount: NDArray[np.float64],
        rank: NDArray[np.int64],
        external_liabilities: NDArray[np.float64],
        external_rank: NDArray[np.int64],
    ) -> Obligations:
        """Those of the debts between nodes (E,) and of what each node owes to others (N,)."""
        nodes, edges = len(external_liabilities), len(amount)
        owing = np.flatnonzero(external_liabilities)
        node = np.concatenate([debtor, owing])
        rank = np.concatenate([rank, external_rank[owing]])
        owed = np.concatenate([amount, external_liabilities[owing]])
        ranks, of_rank = np.unique(rank, return_inverse=True)
        keys, of_row = np.unique(node * max(1, len(ranks)) + of_rank, return_inverse=True)
        count = len(keys)
        owing = keys // max(1, len(ranks))
        due = DoubleDouble.of(owed).sums(of_row, count)
        first = np.searchsorted(owing, np.arange(nodes + 1))
        senior = DoubleDouble.of(np.zeros(count))
        for place in range(1, int(np.diff(first).max(initial=0))):  # of the ranks that one node owes in
            later = np.flatnonzero(np.arange(count) - first[owing] == place)
            through = senior[later - 1] + due[later - 1]
            senior.high[later], senior.low[later] = through.high, through.low
        return Obligations(
            nodes=nodes,
            debtor=owing,
            first=first,
            due=due,
            senior=senior,
            obligation=of_row[:edges],
            creditor=creditor,
            amount=amount,
            total=DoubleDouble.of(owed).sums(node, nodes),
        )

    @cached_property
    def largest(self) -> float:
        """The largest total that a node owes: what errors are held against."""
        return float(self.total.high.max(initial=0.0))

    @cached_property
    def claims(self) -> NDArray[np.float64]:
        """What each node receives (N,) when everybody pays in full."""
        return self.inflow(DoubleDouble.of(np.ones(len(self.debtor)))).high

    @cached_property
    def junior(self) -> NDArray[np.float64]:
        """What the debtor of each obligation (K,) owes in all ranks after it: 0 for its last one."""
        junior = (self.total[self.debtor] - self.senior - self.due).high
        junior[self.first[1:][np.diff(self.first) > 0] - 1] = 0.0
        return junior

    @cached_property
    def shares(self) -> sparse.csr_array:
        """What each creditor gets of each obligation as a share of it: CSR (N, K)."""
        share = self.amount / self.due.high[self.obligation]
        return sparse.csr_array(
            (share, (self.creditor, self.obligation)), shape=(self.nodes, len(self.debtor))
        )

    def inflow(self, met: DoubleDouble) -> DoubleDouble:
        """What each node receives (N,), each obligation being `met` (K,) to that share."""
        paid = DoubleDouble.of(self.amount) * met[self.obligation]
        return paid.sums(self.creditor, self.nodes)
