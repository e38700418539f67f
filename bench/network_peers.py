"""Clearing as one would write it without a library: plain updates by scipy.sparse or NumPy; and the package neva."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpustress import Network
from gpustress.obligations import DEFAULT_TOLERANCE

AT_REST = 2.0**-51  # of what is due, as in gpustress: an update that moves no payment by more is the last
NEVA_TOLERANCE = 1e-4  # that its timing is quoted for

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cleared:
    """Payments (S, N) and how many updates each shock took, (S,)."""

    payments: Floats
    updates: NDArray[np.int64]


@dataclass(frozen=True)
class ClearedInRounds(Cleared):
    """The same with the round in which each node defaults, (S, N), and a bound of the error, (S,)."""

    round: NDArray[np.int64]
    error_bound: Floats


class _OneRank:
    """Debts of one rank as scipy.sparse has them: paid (K,) is what each debtor pays."""

    def __init__(self, net: Network):
        owed = net.obligations
        if len(np.unique(owed.debtor)) < len(owed.debtor):
            raise ValueError("the peers know no ranks")
        self.debtor, self.due, self.nodes, self.largest = owed.debtor, owed.due.high, owed.nodes, owed.largest
        self.shares = owed.shares
        self.roundings = 2.0**-53 * (np.diff(self.shares.indptr)[self.debtor] + 6.0)

    def receipts(self, paid: Floats) -> Floats:
        """What each debtor receives of what is paid."""
        received: Floats = (self.shares @ paid)[self.debtor]
        return received

    def of_nodes(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of debtors as of all nodes: 0 for the others."""
        of_all = np.zeros(self.nodes, dtype=values.dtype)
        of_all[self.debtor] = values
        return of_all


class Updates(_OneRank):
    """Payments alone, by updates p = min(due, own + shares p) from what is due, a shock at a time."""

    def clear(self, external_assets: Floats) -> Cleared:
        """Clear each row."""
        results = [self._one(own[self.debtor]) for own in external_assets]
        return Cleared(
            np.array([self.of_nodes(paid) for paid, _ in results]), np.array([count for _, count in results])
        )

    def _one(self, own: Floats) -> tuple[Floats, int]:
        due = self.due
        paid, updates, moved = due.copy(), 0, np.inf
        while moved > 0.0:
            after = np.minimum(due, own + self.receipts(paid))
            moved = np.max(np.abs(after - paid) - AT_REST * due, initial=0.0)
            paid = after
            updates += 1
        return paid, updates


class Scipy(_OneRank):
    """The algorithm of gpustress, a shock at a time: rounds of fictitious defaults, and a bound of the error."""

    def clear(self, external_assets: Floats) -> ClearedInRounds:
        """Clear each row."""
        results = [self._one(own[self.debtor]) for own in external_assets]
        paid, updates, rounds, bounds = zip(*results, strict=True)
        return ClearedInRounds(
            np.array([self.of_nodes(each) for each in paid]),
            np.array(updates),
            np.array([self.of_nodes(each) for each in rounds]),
            np.array(bounds),
        )

    def _one(self, own: Floats) -> tuple[Floats, int, NDArray[np.int64], float]:
        due, tolerance = self.due, DEFAULT_TOLERANCE * self.due
        found, paid, updates = np.zeros(len(due), dtype=np.int64), due.copy(), 0
        while True:
            has = own + self.receipts(paid)
            new = (due - has > tolerance) & (found == 0)
            if not new.any():
                return paid, updates, found, self._bound(paid, has, found > 0)
            found[new] = found.max(initial=0) + 1
            fails, moved = found > 0, np.inf
            while moved > 0.0:
                after = np.where(fails, np.minimum(due, own + self.receipts(paid)), due)
                moved = np.max(np.abs(after - paid) - AT_REST * due, initial=0.0)
                paid = after
                updates += 1

    def _bound(self, paid: Floats, has: Floats, fails: NDArray[np.bool_]) -> float:
        """Of a payment's error: y in proportion to payments with g + A y <= y; infinite where there is none."""
        due, spare = self.due, has - self.due
        passes = fails | (spare < 1e-9 * due)
        rounding = self.roundings * (has + due)
        change = np.where(passes, np.abs(np.where(fails, np.minimum(due, has), due) - paid) + rounding, 0.0)
        error = np.where(passes, paid + 1e-3 * due, 0.0)
        rest = error - np.where(passes, self.receipts(error), 0.0)
        if not (rest[passes] > 0.0).all():
            return np.inf
        error *= np.max(change[passes] / rest[passes], initial=0.0)
        reach = self.receipts(error) + rounding
        decided = (passes | (spare >= reach)) & (np.abs(spare + DEFAULT_TOLERANCE * due) > reach)
        return float(error.max(initial=0.0)) + 2.0**-53 * self.largest if decided.all() else np.inf


class Dense:
    """The same with a dense matrix, all shocks together: a matrix product for each update."""

    def __init__(self, net: Network):
        owed = net.obligations
        self._due = np.zeros(owed.nodes)
        self._due[owed.debtor] = owed.due.high
        shares = np.zeros((owed.nodes, owed.nodes))
        shares[:, owed.debtor] = owed.shares.toarray()
        self._shares = np.ascontiguousarray(shares.T)

    def clear(self, external_assets: Floats) -> Cleared:
        """Clear each row."""
        paid = np.repeat(self._due[None], len(external_assets), axis=0)
        updates = 0
        while True:
            after = np.minimum(self._due, external_assets + paid @ self._shares)
            at_rest = (np.abs(after - paid) <= AT_REST * self._due).all()
            paid, updates = after, updates + 1
            if at_rest:
                return Cleared(paid, np.full(len(paid), updates))


class Neva:
    """The package neva (github.com/marcobardoscia/neva), which has no release: its checkout on PYTHONPATH.

    Raises
    ------
    ImportError
        It is not there.
    """

    def __init__(self, net: Network, tolerance: float = NEVA_TOLERANCE):
        self._neva: Any = importlib.import_module("neva")
        self._net, self._tolerance = net, tolerance
        self._debts = net.liabilities.tocoo()

    def system(self, external_assets: Floats) -> Any:
        """Its object for one shock; made anew for each, since it keeps where it has come to."""
        neva, net = self._neva, self._net
        debts = net.liabilities.sum(axis=1)
        bank = importlib.import_module("neva.bank").Bank
        banks = [
            bank(float(own), float(outside), ibliabtot=float(owed), name=name)
            for own, outside, owed, name in zip(
                external_assets, net.external_liabilities, debts, net.names, strict=True
            )
        ]
        for debtor, creditor, amount in zip(self._debts.row, self._debts.col, self._debts.data, strict=True):
            banks[creditor].ibasset.append((banks[debtor], float(amount)))
        for one in banks:
            one.equity = one.get_naiveequity()
        system = neva.BankingSystem(banks, tol=self._tolerance, maxiter=100_000)
        function = importlib.import_module("neva.ibeval").eisenberg_noe
        for one in banks:
            total = one.ibliabtot + one.extliab
            one.ibeval = lambda equity, total=total: function(equity, total)
        return system

    def payments(self, system: Any) -> Floats:
        """Let it come to rest, and read its payments (N,)."""
        system.fixedpoint_equity()
        owed = self._net.liabilities.sum(axis=1) + self._net.external_liabilities
        equity = np.array(system.get_equity())
        return np.asarray(np.clip(owed + np.minimum(equity, 0.0), 0.0, None))
