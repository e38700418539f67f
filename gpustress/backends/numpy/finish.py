"""The exact finish of a settlement that plain updates approach too slowly: a ring of the short that leaks little.

In outer rounds an entity only ever becomes short, and its marginal rank (the first that is not met, paid pro rata)
only ever moves to a more senior one; so they end. Within a round, the marginal payments x solve x = max(0, c + A x),
the least solution: from 0 upward, those whose right side is positive join, none leaves, each time one linear solve.
Then plain updates from there find who else is short, until they find nobody new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...schema import DEBT, DISCRETIONARY, OPERATING, RANKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .claims import Claims
    from .rows import RowSums

MET_TOLERANCE: Final = 1e-9  # a rank counts as met from this share below its due on
ALL_MET: Final = len(RANKS)  # marginal rank of who meets all


def finish_exactly(
    program: Program,
    rows: RowSums,
    claims: Claims,
    receipts: NDArray[np.float64],
    short: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The greatest fixed point of one path.

    Parameters
    ----------
    program : Program
    rows : RowSums
        The receivers' sums, in whose order `claims.billed` lies.
    claims : Claims
        Of one path.
    receipts : ndarray (N,)
        Those of the last plain update: statuses start from there.
    short : ndarray (N,) of bool
        Who was short in it.

    Returns
    -------
    ratio : ndarray (3, N)
    short : ndarray (N,) of bool
    """
    network = _Network(program, rows, claims)
    short = short | network.is_short(receipts)
    marginal = network.marginal_rank(receipts, short)
    while True:
        paid = network.least_solution(short, marginal)
        receipts, solved = network.receipts(marginal, paid), True
        while True:  # who pays whom less makes others short without a solve
            now_short = short | network.is_short(receipts)
            now_marginal = np.minimum(marginal, network.marginal_rank(receipts, now_short))
            if (now_short == short).all() and (now_marginal == marginal).all():
                break
            short, marginal, solved = now_short, now_marginal, False
            receipts = network.receipts(marginal, network.marginal_payment(marginal, short, receipts))
        if solved:
            return network.ratios(marginal, paid), short


class _Network:
    """One path's claims as a dense network."""

    def __init__(self, program: Program, rows: RowSums, claims: Claims):
        self._costs = program.default_costs
        self._path, self._margins = claims.path, claims.margins
        self._own = claims.own[:, 0]
        self._due = claims.due[:, :, 0]
        self._reserve = claims.reserve[:, 0]
        entities = len(self._own)
        # amount[rank, payer, receiver]; the last payer is outside.
        self._amount = np.zeros((len(RANKS), entities + 1, entities))
        receiver = program.receiver[rows.columns]
        billed = claims.billed[:, 0] * claims.receives[receiver, 0]
        np.add.at(self._amount, (program.rank[rows.columns], program.payer[rows.columns], receiver), billed)

    def is_short(self, receipts: NDArray[np.float64]) -> NDArray[np.bool_]:
        senior = self._due[OPERATING] + self._due[DEBT]
        liquid, least = self._own + receipts, (1.0 - MET_TOLERANCE) * senior
        if self._margins is not None:
            self._margins.note(liquid[:, None], least[:, None], (senior > 0.0)[:, None], paths=self._path)
        return np.asarray(liquid < least)

    def marginal_rank(self, receipts: NDArray[np.float64], short: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The first rank that is not met, (N,); ALL_MET where there is none."""
        funds = self._funds(receipts, short)
        marginal = np.full(len(funds), ALL_MET)
        for rank in (DISCRETIONARY, DEBT, OPERATING):
            due = self._due[rank]
            met = (due == 0.0) | (funds - self._senior(rank) >= (1.0 - MET_TOLERANCE) * due)
            marginal[~met] = rank
        return marginal

    def _funds(self, receipts: NDArray[np.float64], short: NDArray[np.bool_]) -> NDArray[np.float64]:
        alpha, beta = self._costs
        return np.where(short, alpha * self._own + beta * receipts, self._own + receipts)

    def marginal_payment(
        self, marginal: NDArray[np.int64], short: NDArray[np.bool_], receipts: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What each can pay in its marginal rank out of these receipts, (N,); 0 where there is none."""
        funds, paid = self._funds(receipts, short), np.zeros(len(marginal))
        for rank in range(len(RANKS)):
            left = np.clip(funds - self._senior(rank), 0.0, self._due[rank])
            paid[marginal == rank] = left[marginal == rank]
        return paid

    def _senior(self, rank: int) -> NDArray[np.float64]:
        """What has to be met, or kept, before a rank is paid (N,)."""
        senior = np.zeros(len(self._own))
        for earlier in range(rank):
            senior = senior + self._due[earlier]
        return senior + self._reserve if rank == DISCRETIONARY else senior

    def least_solution(self, short: NDArray[np.bool_], marginal: NDArray[np.int64]) -> NDArray[np.float64]:
        """What each marginal entity pays in its marginal rank, (N,); 0 for the others."""
        alpha, beta = self._costs
        entities = np.flatnonzero(marginal < ALL_MET)
        weight = np.where(short, beta, 1.0)
        senior = np.array([self._senior(rank) for rank in range(len(RANKS))])
        fixed = self.receipts(marginal, np.zeros(len(marginal)))
        constant = np.where(short, alpha, 1.0) * self._own + weight * fixed
        constant = constant[entities] - senior[marginal[entities], entities]
        share = self._marginal_share(marginal)[np.ix_(entities, entities)]
        transfer = weight[entities][:, None] * share.T
        x = np.zeros(len(entities))
        joined = np.zeros(len(entities), dtype=bool)
        while True:
            joining = ~joined & (constant + transfer @ x > 0.0)
            if not joining.any():
                break
            joined |= joining
            inside = np.flatnonzero(joined)
            matrix = np.eye(len(inside)) - transfer[np.ix_(inside, inside)]
            limit = self._due[marginal[entities[inside]], entities[inside]]
            x[inside] = np.minimum(_solve_m_matrix(matrix, constant[inside], limit), limit)
        paid = np.zeros(len(marginal))
        paid[entities] = x
        return paid

    def _marginal_share(self, marginal: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of a payer's marginal payment that reaches each receiver, (N, N)."""
        entities = np.flatnonzero(marginal < ALL_MET)
        share = np.zeros((len(marginal), len(marginal)))
        ranks = marginal[entities]
        share[entities] = self._amount[ranks, entities] / self._due[ranks, entities][:, None]
        return share

    def receipts(self, marginal: NDArray[np.int64], paid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Receipts (N,) when every rank before the marginal one is paid in full, and `paid` in the marginal one."""
        received = self._amount[:, -1].sum(axis=0)  # outside pays in full
        for rank in range(len(RANKS)):
            received = received + (rank < marginal) @ self._amount[rank, :-1]
        return np.asarray(received + paid @ self._marginal_share(marginal))

    def ratios(self, marginal: NDArray[np.int64], paid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Paid / due (3, N): 1 before the marginal rank, 0 after it where anything is due."""
        ratio = np.ones(self._due.shape)
        for rank in range(len(RANKS)):
            owes = self._due[rank] > 0.0
            ratio[rank, owes & (marginal < rank)] = 0.0
            at_margin = owes & (marginal == rank)
            ratio[rank, at_margin] = np.minimum(1.0, paid[at_margin] / self._due[rank, at_margin])
        return ratio


def _solve_m_matrix(
    matrix: NDArray[np.float64], right: NDArray[np.float64], limit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve an M-matrix by elimination without pivoting, which is stable for one.

    A pivot that rounding leaves without a positive value belongs to a ring out of which nothing leaks; its last member
    then pays its `limit`.
    """
    matrix, right = matrix.copy(), right.copy()
    size = len(right)
    for k in range(size):
        if matrix[k, k] <= np.finfo(np.float64).eps:
            matrix[k], right[k] = 0.0, limit[k]
            matrix[k, k] = 1.0
        factor = matrix[k + 1 :, k] / matrix[k, k]
        matrix[k + 1 :, k:] -= factor[:, None] * matrix[k, k:]
        right[k + 1 :] -= factor * right[k]
    solution = np.zeros(size)
    for k in reversed(range(size)):
        solution[k] = (right[k] - matrix[k, k + 1 :] @ solution[k + 1 :]) / matrix[k, k]
    return solution
