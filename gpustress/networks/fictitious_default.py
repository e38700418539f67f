"""Exact clearing of one shock: fictitious defaults, with a sparse-direct solve for each set of them.

Eisenberg and Noe (2001); with default costs Rogers and Veraart (2013); with seniority Elsinger
(2009). Amounts are double-doubles, the solves are refined in them: what a circle leaks is the difference of numbers
that are nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order
from scipy.sparse.linalg import bicgstab, splu

from ..double_double import DoubleDouble
from ..obligations import DEFAULT_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..obligations import Obligations

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

NOISE: Final = (
    2.0**-92
)  # of what a node has and owes: a difference below it may be rounding of double-doubles
REFINEMENTS: Final = 20  # each takes an error times the solver's, which is (unit roundoff / leak) or RESIDUAL
FEW: Final = 1000  # equations that are solved by elimination at once
ITERATIONS, RESIDUAL = 200, 1e-10  # of BiCGSTAB


class UnsettledError(ArithmeticError):
    """A linear system is too near to a singular one to be solved."""


@dataclass(frozen=True)
class Cleared:
    """One clearing vector.

    Attributes
    ----------
    payments, resources : ndarray (N,)
        What a node pays in all; what it has: external assets and receipts.
    round : ndarray (N,) of int64
        Round in which its default was found, from 1; 0: none.
    rounds : int
    error_bound : float
        Of a payment, currency.
    """

    payments: Floats
    resources: Floats
    round: NDArray[np.int64]
    rounds: int
    error_bound: float


class FictitiousDefault:
    """Clears one shock after the other, or raises UnsettledError.

    Parameters
    ----------
    obligations : Obligations
    costs : (float, float)
        alpha and beta: the shares of its external assets and of its receipts that a defaulting node pays out.
    """

    def __init__(self, obligations: Obligations, costs: tuple[float, float]):
        self._owed = obligations
        self._alpha, self._beta = costs

    def greatest(self, external_assets: Floats) -> Cleared:
        """The greatest clearing vector: nobody defaults who need not.

        Parameters
        ----------
        external_assets : ndarray (N,)
        """
        shock = _Shock(self._owed, external_assets, self._alpha, self._beta)
        met, marginal = shock.in_full()
        found = np.zeros(self._owed.nodes, dtype=np.int64)
        rounds = 0
        while True:
            met, marginal = shock.descend(met, marginal, found > 0)
            new = shock.defaults(met) & (found == 0)
            if not new.any():
                return shock.cleared(met, found, rounds)
            rounds += 1
            found[new] = rounds

    def least(self, external_assets: Floats) -> Cleared:
        """The least clearing vector: everybody who owes is in default until others' payments save it.

        Parameters
        ----------
        external_assets : ndarray (N,)
        """
        shock = _Shock(self._owed, external_assets, self._alpha, self._beta)
        defaulted = self._owed.total.high > 0.0
        rounds = 0
        while True:
            met, marginal = shock.descend(*shock.in_full(), defaulted)
            met = shock.drain(met, marginal, defaulted)
            still = defaulted & shock.defaults(met)
            rounds += 1
            if (still == defaulted).all() or self._alpha == self._beta == 1.0:
                return shock.cleared(met, still.astype(np.int64), rounds)
            defaulted = still


class _Shock:
    """The equations of one shock.

    An obligation is met to a share: 1 if it is more senior than its debtor's marginal obligation (the first that is
    not met in full), 0 if it is more junior. The marginal obligation of who meets all is `first[node + 1]`.
    """

    def __init__(self, obligations: Obligations, external_assets: Floats, alpha: float, beta: float):
        self._owed, self._alpha, self._beta = obligations, alpha, beta
        self._own = DoubleDouble.of(external_assets)
        self._noise = NOISE * (external_assets + obligations.claims + obligations.total.high)
        self._error = 0.0

    def in_full(self) -> tuple[DoubleDouble, NDArray[np.int64]]:
        """Everybody pays all: what is met, and the marginal obligations."""
        return DoubleDouble.of(np.ones(len(self._owed.debtor))), self._owed.first[1:]

    def _resources(self, met: DoubleDouble) -> DoubleDouble:
        return self._own + self._owed.inflow(met)

    def _funds(self, met: DoubleDouble, defaulted: Flags) -> DoubleDouble:
        """What each node has to pay with, default costs taken off."""
        receipts = self._owed.inflow(met)
        alpha = DoubleDouble.of(np.where(defaulted, self._alpha, 1.0))
        beta = DoubleDouble.of(np.where(defaulted, self._beta, 1.0))
        return self._own * alpha + receipts * beta

    def defaults(self, met: DoubleDouble) -> Flags:
        """Who has less than it owes, by more than the tolerance."""
        short = (self._owed.total - self._resources(met)).high
        return short > DEFAULT_TOLERANCE * self._owed.total.high

    def descend(
        self, met: DoubleDouble, marginal: NDArray[np.int64], defaulted: Flags
    ) -> tuple[DoubleDouble, NDArray[np.int64]]:
        """The greatest solution for a given set of defaults that lies below `met`, itself above that solution.

        Marginal obligations only ever become more senior, so this ends.
        """
        while True:
            # Who is short and not (yet) in default pays in full, unless it is by less than makes a default.
            pays_what_it_has = defaulted | ~self.defaults(met)
            now = np.where(pays_what_it_has, np.minimum(marginal, self._marginal(met, defaulted)), marginal)
            if (now == marginal).all():
                return met, marginal
            marginal = now
            met = self._solve(marginal, defaulted)

    def drain(self, met: DoubleDouble, marginal: NDArray[np.int64], defaulted: Flags) -> DoubleDouble:
        """The least solution for a given set of defaults, from the greatest.

        Solutions differ by what goes round in closed circles of nodes that pay out all they have, fed by nobody. So the
        last obligation that each of them meets in part takes the least share that solves the equations, again and
        again, until nothing changes.
        """
        owed = self._owed
        noise = self._noise[owed.debtor]
        while True:
            paid = (owed.due * met).sums(owed.debtor, owed.nodes)
            slack = (self._funds(met, defaulted) - paid).high
            lowers = (slack <= self._noise) & (paid.high > self._noise)
            touched = np.bincount(owed.debtor[owed.due.high * met.high > noise], minlength=owed.nodes)
            lower = np.where(lowers, owed.first[:-1] + touched - 1, marginal)
            least = self._solve(lower, defaulted)
            if (np.abs((met - least).high) * owed.due.high <= noise).all():
                return met
            met, marginal = least, lower

    def _marginal(self, met: DoubleDouble, defaulted: Flags) -> NDArray[np.int64]:
        """The first obligation of each node that its funds do not meet."""
        owed = self._owed
        left = self._funds(met, defaulted)[owed.debtor] - (owed.senior + owed.due)
        enough = left.high >= -self._noise[owed.debtor]
        count = np.bincount(owed.debtor, weights=enough, minlength=owed.nodes)
        return owed.first[:-1] + count.astype(np.int64)

    def _solve(self, marginal: NDArray[np.int64], defaulted: Flags) -> DoubleDouble:
        """What is met where each marginal obligation takes what funds its more senior ones leave, or nothing.

        The least solution of x = max(0, c + A x), from 0 upward: nodes with a positive right side join, and those
        that they pay and that lack nothing; none ever leaves.
        """
        owed = self._owed
        place = np.arange(len(owed.debtor))
        base = DoubleDouble.of((place < marginal[owed.debtor]).astype(np.float64))
        open_node = np.flatnonzero(marginal < owed.first[1:])
        at = marginal[open_node]  # their marginal obligations
        system = _System(owed, open_node, at, np.where(defaulted[open_node], self._beta, 1.0))
        noise = self._noise[open_node]
        met = base
        joined = np.zeros(len(at), dtype=bool)
        self._error = 0.0
        while True:
            left = (self._funds(met, defaulted)[open_node] - owed.senior[at]).high
            joins = ~joined & (left > noise)
            if not joins.any():
                return met
            if not joined.any():
                fed = left >= -noise
            joined = system.reached(joined | joins, fed)
            met = self._refined(system, base, defaulted, joined)

    def _refined(self, system: _System, base: DoubleDouble, defaulted: Flags, joined: Flags) -> DoubleDouble:
        """Solve the equations of those who have joined, refined in double-doubles; notes a bound of the error."""
        owed = self._owed
        node, at = system.node[joined], system.obligation[joined]
        noise, due = self._noise[node], owed.due[at]
        matrix = system.matrix(joined)
        solve = _Solver(matrix)
        met, share = base, DoubleDouble.of(np.zeros(len(at)))
        for _ in range(REFINEMENTS):
            rest = self._funds(met, defaulted)[node] - owed.senior[at] - due * share
            if (np.abs(rest.high) <= noise).all():
                break
            share = share + DoubleDouble.of(solve(rest.high))
            high, low = base.high.copy(), base.low.copy()
            high[at], low[at] = share.high, share.low
            met = DoubleDouble(high, low)
        else:
            raise UnsettledError
        # M is an M-matrix: whatever y >= 0 with M y >= |rest| bounds the error.
        rest_size = np.abs(rest.high) + noise
        bound = 2.0 * solve(rest_size)
        if not ((bound >= 0.0).all() and (matrix @ bound >= rest_size).all()):
            raise UnsettledError
        self._error = float((due.high * bound).max())
        return met

    def cleared(self, met: DoubleDouble, found: NDArray[np.int64], rounds: int) -> Cleared:
        """The vector in doubles, with the error that rounding to them adds."""
        owed = self._owed
        paid = (owed.due * met).sums(owed.debtor, owed.nodes).high
        rounding = np.finfo(np.float64).eps * owed.largest
        return Cleared(paid, self._resources(met).high, found, rounds, self._error + rounding)


class _System:
    """The linear equations of n nodes that meet their marginal obligation in part: due t - beta A^T t = c."""

    def __init__(
        self, owed: Obligations, node: NDArray[np.int64], obligation: NDArray[np.int64], beta: Floats
    ):
        self.node, self.obligation = node, obligation
        self._due = owed.due.high[obligation]
        column = np.full(len(owed.debtor), -1)
        column[obligation] = np.arange(len(obligation))
        row = np.full(owed.nodes, -1)
        row[node] = np.arange(len(node))
        debtor, creditor = column[owed.obligation], row[owed.creditor]
        inside = (debtor >= 0) & (creditor >= 0)
        size = (len(node), len(node))
        self._creditor, self._debtor = creditor[inside], debtor[inside]
        paid = beta[self._creditor] * owed.amount[inside]
        self._paid = sparse.csr_array((paid, (self._creditor, self._debtor)), shape=size)

    def matrix(self, joined: Flags) -> sparse.csc_array:
        """The matrix of those who have joined."""
        places = np.flatnonzero(joined)
        return (sparse.diags_array(self._due[places]) - self._paid[places][:, places]).tocsc()

    def reached(self, joined: Flags, fed: Flags) -> Flags:
        """Those who have joined, and whoever of the `fed` (who lack nothing) their payments reach."""
        size = len(joined)
        passed = fed[self._creditor]
        start = np.flatnonzero(joined)
        row = np.concatenate(
            [self._debtor[passed], np.full(len(start), size)]
        )  # the last row leads to who has joined
        column = np.concatenate([self._creditor[passed], start])
        links = sparse.csr_array((np.ones(len(row)), (row, column)), shape=(size + 1, size + 1))
        found = np.zeros(size + 1, dtype=bool)
        found[breadth_first_order(links, size, return_predecessors=False)] = True
        return found[:size]


class _Solver:
    """Solves with one matrix: by iteration where there are many equations and that converges, else by elimination.

    Elimination fills in where a large network has no order to speak of, which is where iteration is quick; a long
    circle takes as many iterations as it has nodes, and elimination fills nothing in. Who calls refines, and looks at
    what is left: a solution need not be good. Where the matrix is singular there is none.
    """

    def __init__(self, matrix: sparse.csc_array):
        self._matrix = matrix
        self._eliminated: Callable[[Floats], Floats] | None = None
        self._scale = 1.0 / matrix.diagonal()
        if matrix.shape[0] <= FEW:
            self._eliminate()
        else:
            self._scaled = (matrix @ sparse.diags_array(self._scale)).tocsr()

    def _eliminate(self) -> None:
        try:  # the columns' diagonals dominate: elimination is stable without pivots
            self._eliminated = splu(self._matrix, diag_pivot_thresh=0.0).solve
        except RuntimeError as error:  # exactly singular
            raise UnsettledError from error

    def __call__(self, right: Floats) -> Floats:
        if self._eliminated is None:
            size = float(np.abs(right).max()) or 1.0  # it takes a small right side for a breakdown
            found, failed = bicgstab(self._scaled, right / size, rtol=RESIDUAL, maxiter=ITERATIONS)
            if not failed:
                solution: Floats = self._scale * size * found
                return solution
            self._eliminate()
            assert self._eliminated is not None
        return self._eliminated(right)
