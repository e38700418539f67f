"""Clearing as one would write it without a library: plain updates by scipy.sparse or NumPy; and the package neva."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpustress import Network
from gpustress.obligations import Obligations

AT_REST = 2.0**-51  # of what is due, as in gpustress: an update that moves no payment by more is the last
NEVA_TOLERANCE = 1e-4  # that its timing is quoted for

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cleared:
    """Payments (S, N) and how many updates each shock took, (S,)."""

    payments: Floats
    updates: NDArray[np.int64]


class Scipy:
    """Eisenberg and Noe's payments by updates p = min(due, own + shares p) from what is due, a shock at a time."""

    def __init__(self, net: Network):
        owed = Obligations.of(net)
        if len(np.unique(owed.debtor)) < len(owed.debtor):
            raise ValueError("the peers know no ranks")
        self._debtor, self._due, self._nodes = owed.debtor, owed.due.high, owed.nodes
        self.shares = owed.shares

    def clear(self, external_assets: Floats) -> Cleared:
        """Clear each row."""
        results = [self._one(own) for own in external_assets]
        return Cleared(
            np.array([payments for payments, _ in results]), np.array([count for _, count in results])
        )

    def _one(self, own: Floats) -> tuple[Floats, int]:
        shares, debtor, due = self.shares, self._debtor, self._due
        paid, mine, updates = due.copy(), own[debtor], 0
        moved = np.inf
        while moved > 0.0:
            after = np.minimum(due, mine + (shares @ paid)[debtor])
            moved = np.max(np.abs(after - paid) - AT_REST * due, initial=0.0)
            paid = after
            updates += 1
        payments = np.zeros(self._nodes)
        payments[debtor] = paid
        return payments, updates


class Dense:
    """The same with a dense matrix, all shocks together: a matrix product for each update."""

    def __init__(self, net: Network):
        owed = Obligations.of(net)
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
