"""Who loses what when whose debts are written off, and shocks to equity: what a backend that spreads losses gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exposures:
    """Claims of N nodes on each other, and what they can bear.

    Attributes
    ----------
    claims : csr_array (N, N)
        What the node of the row loses when all debts of the node of the column are written off; debtors in their order.
    equity : ndarray (N,)
        Currency.
    written_off : ndarray (N,)
        Share of its debts that creditors lose once a node has failed.
    """

    claims: sparse.csr_array
    equity: NDArray[np.float64]
    written_off: NDArray[np.float64]

    @staticmethod
    def of(
        claims: sparse.csr_array, equity: NDArray[np.float64], written_off: NDArray[np.float64] | None = None
    ) -> Exposures:
        """Exposures by `claims`; without `written_off` who fails pays nothing."""
        if not claims.has_canonical_format:
            claims = claims.copy()
            claims.sum_duplicates()
        return Exposures(claims, equity, np.ones(len(equity)) if written_off is None else written_off)

    @property
    def nodes(self) -> int:
        """N."""
        return len(self.equity)

    @cached_property
    def debts(self) -> sparse.csr_array:
        """The same with the debtor in the row."""
        return self.claims.T.tocsr()


@dataclass(frozen=True)
class EquityShocks:
    """S shocks: what R nodes lose in all of them together.

    Attributes
    ----------
    nodes : int
        N.
    start : ndarray (S + 1,) of int64
        Shock s hits the nodes from start[s] to before start[s + 1].
    node : ndarray (R,) of int32
        Ascending within a shock.
    loss : ndarray (R,)
        Currency.
    imposed : bool
        Whom a shock hits fails, whatever its equity.
    """

    nodes: int
    start: NDArray[np.int64]
    node: NDArray[np.int32]
    loss: NDArray[np.float64]
    imposed: bool = False

    @staticmethod
    def of(losses: sparse.csr_array, equity: NDArray[np.float64] | None = None) -> EquityShocks:
        """Shocks of a matrix (S, N) of losses; with `equity`, who is in it fails and loses all of that."""
        node = losses.indices.astype(np.int32, copy=False)
        loss = losses.data.astype(np.float64, copy=False) if equity is None else equity[node]
        return EquityShocks(
            losses.shape[1], losses.indptr.astype(np.int64, copy=False), node, loss, equity is not None
        )

    def __len__(self) -> int:
        """S."""
        return len(self.start) - 1

    @property
    def shock(self) -> NDArray[np.int64]:
        """The shock of each of the R."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @property
    def total(self) -> NDArray[np.float64]:
        """What all nodes lose in a shock, (S,)."""
        return sums_by(self.shock, self.loss, len(self))

    def rows(self, first: int, end: int) -> EquityShocks:
        """The shocks from `first` to before `end`."""
        start = self.start[first : end + 1]
        place = slice(int(start[0]), int(start[-1]))
        return EquityShocks(self.nodes, start - start[0], self.node[place], self.loss[place], self.imposed)

    def dense(self) -> NDArray[np.float64]:
        """What each node loses in each shock, (S, N)."""
        losses = np.zeros((len(self), self.nodes))
        losses[self.shock, self.node] = self.loss
        return losses


def sums_by(group: NDArray[Any], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The sum of the values of each of `count` groups, in their order."""
    return np.bincount(group, values, count).astype(np.float64, copy=False)
