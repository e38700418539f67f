"""Clearing of many shocks at once: plain updates of all payments, with a bound of the error for each shock.

The fixed point of Eisenberg and Noe (2001) and of Rogers and Veraart (2013), by monotone updates within
each set of defaults, so that the rounds are those of fictitious defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...obligations import DEFAULT_TOLERANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...obligations import Obligations

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Places = NDArray[np.intp]

MOST_UPDATES: Final = 512  # within a set of defaults; what moves after them leaks little
AT_REST: Final = 2.0**-51  # of what is due: an update that moves no payment by more is the last
ROUNDOFF: Final = 2.0**-53
NEARLY_SHORT: Final = 1e-9  # who has less than this share to spare is taken to pass errors on


@dataclass(frozen=True)
class ClearedBatch:
    """Clearing vectors of S shocks, nodes first.

    Attributes
    ----------
    payments, resources : ndarray (N, S)
    round : ndarray (N, S) of int64
        Round in which a node's default was found, from 1; 0: it does not default.
    rounds : ndarray (S,) of int64
    error_bound : ndarray (S,)
        Of a payment, currency; infinite where nothing can be said.
    """

    payments: Floats
    resources: Floats
    round: NDArray[np.int64]
    rounds: NDArray[np.int64]
    error_bound: Floats


class FixedPoint:
    """Clears a batch of shocks.

    Parameters
    ----------
    obligations : Obligations
    costs : (float, float)
        alpha and beta: the shares of its external assets and of its receipts that a defaulting node pays out.
    """

    def __init__(self, obligations: Obligations, costs: tuple[float, float]):
        self._owed = obligations
        self._alpha, self._beta = costs
        self._total = obligations.total.high[:, None]
        self._due = obligations.due.high[:, None]
        self._senior = obligations.senior.high[:, None]
        # Roundings on the way to a node's resources: a product and a sum for each edge, a share, and the rest.
        self._roundings = (np.diff(obligations.shares.indptr) + 6.0)[:, None] * ROUNDOFF

    def greatest(self, own: Floats) -> ClearedBatch:
        """The greatest clearing vectors; `own` (N, S) are the external assets."""
        found = np.zeros(own.shape, dtype=np.int64)
        payments = np.repeat(self._total, own.shape[1], axis=1)
        rounds = np.zeros(own.shape[1], dtype=np.int64)
        at_rest = np.ones(own.shape[1], dtype=bool)
        shocks = np.arange(own.shape[1])
        while len(shocks):
            new = self._defaults(own[:, shocks], payments[:, shocks]) & (found[:, shocks] == 0)
            going = new.any(axis=0)
            new, shocks = new[:, going], shocks[going]
            rounds[shocks] += 1
            found[:, shocks] = np.where(new, rounds[shocks], found[:, shocks])
            settled = self._settle(own, payments, found > 0, shocks)
            at_rest[shocks] = settled
            shocks = shocks[settled]
        return self._batch(own, payments, found > 0, found, rounds, at_rest)

    def least(self, own: Floats) -> ClearedBatch:
        """The least clearing vectors; `own` (N, S) are the external assets."""
        defaulted = np.repeat(self._total > 0.0, own.shape[1], axis=1)
        payments = np.zeros(own.shape)
        rounds = np.zeros(own.shape[1], dtype=np.int64)
        at_rest = np.ones(own.shape[1], dtype=bool)
        shocks = np.arange(own.shape[1])
        while len(shocks):
            rounds[shocks] += 1
            settled = self._settle(own, payments, defaulted, shocks)
            at_rest[shocks] = settled
            shocks = shocks[settled]
            before = defaulted[:, shocks]
            defaulted[:, shocks] &= self._defaults(own[:, shocks], payments[:, shocks])
            changed = (before != defaulted[:, shocks]).any(axis=0)
            shocks = shocks[changed] if self._alpha * self._beta < 1.0 else shocks[:0]
        return self._batch(own, payments, defaulted, defaulted.astype(np.int64), rounds, at_rest)

    def _batch(
        self,
        own: Floats,
        payments: Floats,
        defaulted: Flags,
        found: NDArray[np.int64],
        rounds: NDArray[np.int64],
        at_rest: Flags,
    ) -> ClearedBatch:
        bound = np.full(own.shape[1], np.inf)
        shocks = np.flatnonzero(at_rest)
        bound[shocks] = self._error_bound(own[:, shocks], payments[:, shocks], defaulted[:, shocks])
        return ClearedBatch(payments, own + self._receipts(payments), found, rounds, bound)

    def _paid(self, payments: Floats) -> Floats:
        """What is paid of each obligation, (K, S): the more senior ones first."""
        left = payments[self._owed.debtor] - self._senior
        return np.minimum(np.maximum(left, 0.0, out=left), self._due, out=left)

    def _receipts(self, payments: Floats) -> Floats:
        received: Floats = self._owed.shares @ self._paid(payments)
        return received

    def _defaults(self, own: Floats, payments: Floats) -> Flags:
        short = self._total - (own + self._receipts(payments))
        return short > DEFAULT_TOLERANCE * self._total

    def _update(self, own: Floats, receipts: Floats, defaulted: Flags) -> Floats:
        """What everybody pays out of these receipts.

        Who is short and not (yet) in default pays in full, unless it is by less than makes a default.
        """
        resources = own + receipts
        nearly = np.where(resources < (1.0 - DEFAULT_TOLERANCE) * self._total, self._total, resources)
        funds = np.where(defaulted, self._alpha * own + self._beta * receipts, nearly)
        return np.minimum(funds, self._total, out=funds)

    def _settle(self, own: Floats, payments: Floats, defaulted: Flags, shocks: Places) -> Flags:
        """Update payments of those shocks until they rest, each for itself; whether each of them did."""
        moving, at_rest = np.arange(len(shocks)), np.zeros(len(shocks), dtype=bool)
        mine, paid, fails = own[:, shocks], payments[:, shocks], defaulted[:, shocks]
        for _ in range(MOST_UPDATES):
            after = self._update(mine, self._receipts(paid), fails)
            rests = (np.abs(after - paid) <= AT_REST * self._total).all(axis=0)
            paid = after
            if rests.any():
                done, goes_on = moving[rests], ~rests
                payments[:, shocks[done]] = paid[:, rests]
                at_rest[done] = True
                moving, mine, paid, fails = (
                    moving[goes_on],
                    mine[:, goes_on],
                    paid[:, goes_on],
                    fails[:, goes_on],
                )
                if not len(moving):
                    break
        return at_rest

    def _error_bound(self, own: Floats, payments: Floats, defaulted: Flags) -> Floats:
        """Bound the distance of each shock's payments from those that solve the equations with the same defaults.

        The update is monotone, and passes an error on as debtors' shares say. So y bounds it where g + A y <= y, g
        being the last change and the roundings, A what nodes that do not pay in full pass on. Infinite where no such
        y is found, or where within y somebody else would default, pay in full or meet another rank.
        """
        receipts = self._receipts(payments)
        resources = own + receipts
        gap = np.abs(self._update(own, receipts, defaulted) - payments)
        rounding = self._roundings * (resources + self._total)
        passes = (defaulted | (resources < (1.0 + NEARLY_SHORT) * self._total)) & (self._total > 0.0)
        own_error = np.where(passes, gap + rounding, 0.0)
        rate = np.where(defaulted, self._beta, 1.0)
        marginal = self._marginal(payments)
        bound = own_error
        holds: Any = np.zeros(own.shape[1], dtype=bool)
        for update in range(MOST_UPDATES):
            bound = np.where(passes, own_error + rate * self._passed_on(bound, marginal), 0.0)
            if update % 8 == 7:
                received = self._passed_on(2.0 * bound, marginal)
                holds = ((own_error + rate * received <= 2.0 * bound) | ~passes).all(axis=0)
                if holds.all():
                    break
        bound = 2.0 * bound
        received = self._passed_on(bound, marginal) + rounding
        spare, owes_nothing = resources - self._total, self._total == 0.0
        holds &= (passes | owes_nothing | (spare >= received)).all(axis=0)
        if self._alpha * self._beta < 1.0:
            margin = np.abs(spare + DEFAULT_TOLERANCE * self._total)
            holds &= ((margin > received) | owes_nothing).all(axis=0)
        holds &= self._same_ranks(payments, bound)
        rounded = bound.max(axis=0, initial=0.0) + ROUNDOFF * self._owed.largest
        return np.where(holds, rounded, np.inf)

    def _marginal(self, payments: Floats) -> Flags:
        """Which obligation of each node a change of its payments falls on, (K, S)."""
        left = payments[self._owed.debtor] - self._senior
        last = (self._senior + self._due >= self._total[self._owed.debtor]) & (left >= self._due)
        first = (self._senior == 0.0) & (left <= 0.0)
        marginal: Flags = ((left > 0.0) & (left < self._due)) | last | first
        return marginal

    def _passed_on(self, error: Floats, marginal: Flags) -> Floats:
        passed: Floats = self._owed.shares @ np.where(marginal, error[self._owed.debtor], 0.0)
        return passed

    def _same_ranks(self, payments: Floats, bound: Floats) -> Flags:
        """Whether no payment is within its bound of where another rank begins, but for those that are exact."""
        junior = self._senior > 0.0
        if not junior.any():
            return np.ones(payments.shape[1], dtype=bool)
        error = bound[self._owed.debtor]
        apart = np.abs(payments[self._owed.debtor] - self._senior) > error
        same: Flags = (apart | (error == 0.0) | ~junior).all(axis=0)
        return same
