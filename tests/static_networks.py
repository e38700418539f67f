"""Random static networks, and what clears them by brute force and by plain updates."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpustress import Network

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A network in dense form; `owed[r]` are the debts of rank r, debtor in the row, `external[r]` those outside."""

    owed: Floats
    external: Floats
    own: Floats

    @property
    def size(self) -> int:
        return self.owed.shape[1]

    @property
    def due(self) -> Floats:
        return self.owed.sum(axis=(0, 2)) + self.external.sum(axis=0)

    def network(self) -> Network:
        rank, debtor, creditor = np.nonzero(self.owed)
        edges = {"debtor": [f"n{i}" for i in debtor], "creditor": [f"n{i}" for i in creditor],
                 "amount": self.owed[rank, debtor, creditor], "rank": rank}  # fmt: skip
        return Network(
            edges,
            {
                "name": [f"n{i}" for i in range(self.size)],
                "external_assets": self.own,
                "external_liabilities": self.external.sum(axis=0),
                "external_rank": self.external.argmax(axis=0),
            },
        )

    def receipts(self, payments: Floats) -> Floats:
        left, received = payments.copy(), np.zeros(self.size)
        for owed, external in zip(self.owed, self.external, strict=True):
            due = owed.sum(axis=1) + external
            paid = np.minimum(left, due)
            left = left - paid
            received += owed.T @ np.divide(paid, due, out=np.zeros(self.size), where=due > 0.0)
        return received

    def shortfall(self, payments: Floats) -> Floats:
        return self.due - self.own - self.receipts(payments)

    def updated(self, start: Floats, costs: tuple[float, float]) -> Floats:
        """Plain updates run to rest: the greatest vector from what is due, the least from 0."""
        payments = start
        for _ in range(100_000):
            receipts = self.receipts(payments)
            has, alpha, beta = self.own + receipts, *costs
            short = has < (1.0 - 1e-12) * self.due
            after = np.minimum(np.where(short, alpha * self.own + beta * receipts, has), self.due)
            if np.abs(after - payments).max() <= 1e-15 * self.due.max():
                return after
            payments = after
        raise AssertionError("plain updates do not come to rest")

    def all_vectors(self, costs: tuple[float, float]) -> list[Floats]:
        """Every clearing vector of a network of one rank, by trying each set of defaults."""
        alpha, beta = costs
        due, found = self.due, []
        share = np.divide(
            self.owed[0], due[:, None], out=np.zeros_like(self.owed[0]), where=due[:, None] > 0.0
        )
        debtors = np.flatnonzero(due)
        for count in range(len(debtors) + 1):
            for chosen in itertools.combinations(debtors, count):
                failed = np.array(chosen, dtype=int)
                payments = due.copy()
                payments[failed] = 0.0
                known = alpha * self.own + beta * (share.T @ payments)
                matrix = np.eye(count) - beta * share.T[np.ix_(failed, failed)]
                if count and np.linalg.cond(matrix) > 1e12:
                    continue
                payments[failed] = np.linalg.solve(matrix, known[failed])
                short = self.shortfall(payments) > 1e-10 * due
                if np.array_equal(np.flatnonzero(short), failed):
                    found.append(payments)
        return found


@st.composite
def cases(draw: st.DrawFn, *, most: int = 6, ranks: int = 1, leak: bool = True) -> Case:
    """Networks of small whole amounts, in which ties abound; with `leak` everybody who owes owes something outside."""
    size = draw(st.integers(2, most))
    amount = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 8])
    owed = np.array(draw(st.lists(amount, min_size=ranks * size**2, max_size=ranks * size**2)), dtype=float)
    owed = owed.reshape(ranks, size, size)
    owed[:, np.arange(size), np.arange(size)] = 0.0
    external = np.zeros((ranks, size))
    least = 1 if leak else 0
    for i in range(size):
        external[draw(st.integers(0, ranks - 1)), i] = draw(st.integers(least, 4))
    own = np.array(
        draw(st.lists(st.sampled_from([0, 0, 1, 2, 4, 9]), min_size=size, max_size=size)), dtype=float
    )
    return Case(owed, external, own)


COSTS = st.sampled_from([(1.0, 1.0), (0.5, 0.7), (0.3, 1.0), (1.0, 0.5), (0.0, 1.0), (0.0, 0.0)])
