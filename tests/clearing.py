"""Static networks of payments, and their greatest clearing by brute force over who cannot meet which rank.

Sources: Eisenberg and Noe, "Systemic risk in financial systems", Management Science 47(2), 2001; for
seniority, Elsinger, "Financial networks, cross holdings, and limited liability", OeNB working paper 156,
2009; for default costs, Rogers and Veraart, "Failure and rescue in an interbank network", Management
Science 59(4), 2013.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

import build
from gpustress import System
from gpustress.schema import RANKS

OPERATING, DEBT, DISCRETIONARY, NOTHING, MET = range(
    5
)  # the first rank not met; NOTHING: discretionary pays 0
Ratios = NDArray[np.float64]  # (3, N)


@dataclass(frozen=True)
class Payment:
    """What `payer` owes `receiver`; None is outside."""

    payer: int | None
    receiver: int | None
    rank: int
    amount: float


@dataclass(frozen=True)
class Network:
    """One settlement: what entities hold, keep back and owe."""

    own: tuple[float, ...]
    reserve: tuple[float, ...]
    payments: tuple[Payment, ...]
    costs: tuple[float, float] = (1.0, 1.0)

    @property
    def size(self) -> int:
        return len(self.own)

    def tables(self) -> build.Tables:
        """The network as tables; entities are n0, n1, ..."""
        names = [f"n{i}" for i in range(self.size)]
        return {
            "entities": [
                build.entity(name, own, reserve=reserve)
                for name, own, reserve in zip(names, self.own, self.reserve, strict=True)
            ],
            "flows": [
                build.flow(
                    f"p{number}",
                    None if payment.payer is None else names[payment.payer],
                    None if payment.receiver is None else names[payment.receiver],
                    payment.amount,
                    rank=RANKS[payment.rank],
                )
                for number, payment in enumerate(self.payments)
            ],
        }

    def system(self, periods: int = 1) -> System:
        """The network as a system; it settles in period 0."""
        return build.small(periods=periods, default_costs=self.costs, **self.tables())

    def due(self) -> NDArray[Any]:
        """What each owes by rank, (3, N), exact."""
        due = np.full((3, self.size), Fraction(0), dtype=object)
        for payment in self.payments:
            if payment.payer is not None:
                due[payment.rank, payment.payer] += Fraction(payment.amount)
        return due

    def claims(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Amounts from payer to receiver by rank, (3, N, N), and from outside, (N,), exact."""
        claims = np.full((3, self.size, self.size), Fraction(0), dtype=object)
        outside = np.full(self.size, Fraction(0), dtype=object)
        for payment in self.payments:
            if payment.receiver is None:
                continue
            if payment.payer is None:
                outside[payment.receiver] += Fraction(payment.amount)
            else:
                claims[payment.rank, payment.payer, payment.receiver] += Fraction(payment.amount)
        return claims, outside


class Clearing:
    """The fixed points of a network's settlement, in rational numbers."""

    def __init__(self, network: Network):
        self._size, (self._alpha, self._beta) = network.size, map(Fraction, network.costs)
        self._own = np.array([Fraction(x) for x in network.own], dtype=object)
        self._reserve = np.array([Fraction(x) for x in network.reserve], dtype=object)
        self._due, (self._claims, self._outside) = network.due(), network.claims()

    def update(self, ratio: NDArray[Any]) -> NDArray[Any]:
        """What each can pay by rank if all others pay at `ratio`."""
        receipts = self._outside + sum(ratio[rank] @ self._claims[rank] for rank in range(3))
        total, must = self._own + receipts, self._due[0] + self._due[1]
        reduced = self._alpha * self._own + self._beta * receipts
        left = np.where(total < must, reduced, total)
        new = ratio.copy()
        for rank in range(3):
            if rank == DISCRETIONARY:
                left = left - self._reserve
            left = np.maximum(left, 0)
            for i in range(self._size):
                due = self._due[rank, i]
                new[rank, i] = min(Fraction(1), left[i] / due) if due else Fraction(1)
            left = left - self._due[rank]
        return new

    def greatest(self) -> Ratios | None:
        """The greatest fixed point: the greatest of those of every possible set of the short, by brute force.

        None where no set gives one that is unique (closed circles without anything of their own).
        """
        points = []
        for status in itertools.product(*(self._statuses(i) for i in range(self._size))):
            ratio = self._point(status)
            if ratio is not None and (self.update(ratio) == ratio).all():
                points.append(ratio)
        if not points:
            return None
        best = max(points, key=lambda ratio: ratio.sum())
        assert all((best >= point).all() for point in points), "the fixed points have no greatest"
        return best.astype(float)

    def _statuses(self, i: int) -> list[int]:
        owed = [rank for rank in range(3) if self._due[rank, i]]
        return [*owed, *([NOTHING] if DISCRETIONARY in owed else []), MET]

    def _point(self, status: tuple[int, ...]) -> NDArray[Any] | None:
        """The ratios that follow from these statuses; None where they are not unique or plainly not so."""
        ratio = np.full((3, self._size), Fraction(1), dtype=object)
        partial = []
        for i, first in enumerate(status):
            owed = [rank for rank in range(3) if self._due[rank, i]]
            for rank in owed:
                if rank > min(first, DISCRETIONARY) or (first == NOTHING and rank == DISCRETIONARY):
                    ratio[rank, i] = Fraction(0)
            if first < NOTHING:
                partial.append(i)
                ratio[first, i] = Fraction(0)
            if first == MET:
                ratio[:, i] = Fraction(1)
        if not partial:
            return ratio
        fixed = self._outside + sum(ratio[rank] @ self._claims[rank] for rank in range(3))
        matrix, right = [], []
        for i in partial:
            short = status[i] in (OPERATING, DEBT)
            alpha, beta = (self._alpha, self._beta) if short else (Fraction(1), Fraction(1))
            senior = sum(self._due[: status[i], i], Fraction(0)) + (0 if short else self._reserve[i])
            right.append(alpha * self._own[i] + beta * fixed[i] - senior)
            matrix.append(
                [
                    Fraction(int(i == j)) - beta * self._claims[status[j], j, i] / self._due[status[j], j]
                    for j in partial
                ]
            )
        amounts = _solve(matrix, right)
        if amounts is None:
            return None
        for i, amount in zip(partial, amounts, strict=True):
            ratio[status[i], i] = amount / self._due[status[i], i]
            if not 0 <= ratio[status[i], i] <= 1:
                return None
        return ratio


def _solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """Gauss elimination in rational numbers; None where the matrix is singular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(len(rows)):
            if i != k and rows[i][k]:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def by_linear_program(network: Network) -> Ratios:
    """Greatest clearing of a network of one rank without costs: what maximises all payments together.

    Source: Eisenberg and Noe (2001), lemma 4.
    """
    due, (claims, outside) = network.due(), network.claims()
    rank = next(payment.rank for payment in network.payments)
    owed = due[rank].astype(float)
    share = np.divide(
        claims[rank].astype(float), owed[:, None], where=owed[:, None] > 0.0, out=np.zeros(claims[rank].shape)
    )
    solution = linprog(
        -np.ones(network.size),
        A_ub=np.eye(network.size) - share.T,
        b_ub=np.array(network.own) + outside.astype(float),
        bounds=list(zip(np.zeros(network.size), owed, strict=True)),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert solution.success, solution.message
    ratio = np.ones((3, network.size))
    ratio[rank] = np.divide(solution.x, owed, where=owed > 0.0, out=np.ones(network.size))
    return ratio


@st.composite
def networks(
    draw: st.DrawFn,
    max_entities: int = 4,
    ranks: tuple[int, ...] = (OPERATING, DEBT, DISCRETIONARY),
    leaks: tuple[float, ...] = (0.5, 0.1, 1e-3, 1e-6),
    costs: bool = True,
) -> Network:
    """A ring of payments that leaks little, with further payments across it; nobody has much."""
    size = draw(st.integers(2, max_entities))
    leak = draw(st.sampled_from(leaks))
    across = draw(st.integers(0, size))
    wealth = draw(st.sampled_from((0.0, leak, 0.05, 0.5)))
    rng = Random(draw(st.integers(0, 2**32 - 1)))
    ring = rng.sample(range(size), rng.randint(2, size))
    ring_rank = rng.choice(ranks)
    payments = [
        Payment(
            member, ring[(place + 1) % len(ring)], ring_rank, rng.choice((1.0, 1.0, rng.uniform(0.9, 1.1)))
        )
        for place, member in enumerate(ring)
    ]
    payments.append(Payment(ring[0], None, ring_rank, leak))
    for _ in range(across):
        payer, receiver = rng.sample([None, *range(size)], 2)
        payments.append(
            Payment(payer, receiver, rng.choice(ranks), rng.uniform(0.0, rng.choice((leak, 0.3))))
        )
    return Network(
        own=tuple(rng.choice((0.0, rng.random())) * wealth for _ in range(size)),
        reserve=tuple(rng.choice((0.0, rng.random() * leak)) for _ in range(size)),
        payments=tuple(payments),
        costs=(rng.choice((1.0, 0.9, 0.0)), rng.choice((1.0, 0.99, 0.5))) if costs else (1.0, 1.0),
    )
