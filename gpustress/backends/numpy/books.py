"""Step 5: books and write-offs: balances of loans, book values, impairments, and failures by solvency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...program import FIRST_ROUND, FULL, Rows
from .rows import RowSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .margins import Margins

RESIDUE: Final = (
    1e-12  # of all that was capitalised or lent: less is what rounding left when written down or repaid
)
SOLVENCY_TOLERANCE: Final = 1e-9  # assets may lie below liabilities by this share


class Books:
    """Balances of loans and book values of capex, for a block of paths.

    Attributes
    ----------
    balance : ndarray (L, P)
    share_drawn : ndarray (L, P)
        Share of the principal that the borrower received; 1 for a loan outstanding at the start.
    book : ndarray (C, P)
    depreciation, impairment : ndarray (C, P)
        Of the last period, both positive.
    """

    def __init__(self, program: Program, sheet: BalanceSheet, paths: int, margins: Margins | None):
        self._program = program
        self.balance = np.repeat(program.opening_balance[:, None], paths, axis=1)
        self.share_drawn = np.repeat((program.draw_flow < 0).astype(np.float64)[:, None], paths, axis=1)
        self.book = np.repeat(program.capex_opening_book[:, None], paths, axis=1)
        capex = len(program.capex)
        self.depreciation, self.impairment = np.zeros((capex, paths)), np.zeros((capex, paths))
        self._opening = self.book.copy()
        # Sum of all payments capitalised before period t; what is written down in t are n periods of it.
        self._capitalised = np.zeros((program.periods + 1, capex, paths))
        self._impaired = np.zeros((capex, paths), dtype=bool)
        self._sheet, self._margins = sheet, margins

    def lend(self, t: int, effects: int, billed: NDArray[np.float64], paid: NDArray[np.float64]) -> None:
        """Raise balances by draws and lower them by principal repaid. Without gates draws are received in full."""
        program = self._program
        left = self.balance - paid[program.principal_flow]
        self.balance = np.where(np.abs(left) < RESIDUE * program.principal[:, None], 0.0, left)
        for loan in np.flatnonzero(program.draw_flow >= 0):
            flow = program.draw_flow[loan]
            if program.amount[flow, t] > 0.0:
                received = billed[flow] if effects == FIRST_ROUND else paid[flow]
                self.share_drawn[loan] = received / program.principal[loan]
                self.balance[loan] += received

    def write_down(self, t: int) -> None:
        """Straight-line depreciation of the opening book and of the payments of the last n periods."""
        program, flows = self._program, np.arange(len(self._program.capex))
        life = program.capex_life
        since = np.maximum(t - life, 0)
        worn = (self._capitalised[t] - self._capitalised[since, flows]) / life[:, None]
        opening_life = program.capex_opening_life[:, None]
        self.depreciation = worn + np.where(t < opening_life, self._opening / opening_life, 0.0)
        left = self.book - self.depreciation
        self.book = np.where(left < RESIDUE * (self._opening + self._capitalised[t]), 0.0, left)

    def capitalise(self, t: int, paid: NDArray[np.float64]) -> None:
        """Add what was paid in this period."""
        payments = paid[self._program.capex]
        self.book += payments
        self._capitalised[t + 1] = self._capitalised[t] + payments

    def write_off(
        self, t: int, effects: int, failed: NDArray[np.bool_], cash: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Impairments and failures by solvency, in rounds until one adds no failure.

        Parameters
        ----------
        failed : ndarray (N, P) of bool
            Who has failed so far, in this period or before.
        cash : ndarray (N, P)
            After settlement.

        Returns
        -------
        ndarray (N, P) of bool
            Who fails by solvency.
        """
        self.impairment = np.zeros_like(self.book)
        insolvent = np.zeros_like(failed)
        if effects != FULL:
            return insolvent
        may_fail = self._program.solvency_trigger[:, None] & ~failed
        while True:
            self._impair(t, failed | insolvent)
            if not may_fail.any():
                return insolvent
            assets, liabilities = self._sheet(failed | insolvent, cash, self.book, self.balance)
            judged, least = may_fail & ~insolvent, (1.0 - SOLVENCY_TOLERANCE) * liabilities
            if self._margins is not None:
                self._margins.note(assets, least, judged)
            new = judged & (assets < least)
            if not new.any():
                return insolvent
            insolvent |= new

    def _impair(self, t: int, failed: NDArray[np.bool_]) -> None:
        """Impair, once, the flows whose tenant has failed: book value and all amounts capitalised so far."""
        program = self._program
        outside = np.zeros((1, failed.shape[1]), dtype=bool)
        hit = np.vstack([failed, outside])[program.tenant[program.capex]] & ~self._impaired
        if not hit.any():
            return
        kept = np.where(hit, program.relet_price[program.capex][:, None], 1.0)
        self.impairment += self.book * (1.0 - kept)
        self.book *= kept
        self._opening *= kept
        self._capitalised[: t + 2] *= kept
        self._impaired |= hit


class BalanceSheet:
    """Assets and liabilities of every entity."""

    def __init__(self, program: Program):
        self._program = program
        entities = program.entity_count
        self._book_of = RowSums(_by_entity(program.payer[program.capex], entities))
        self._lent = RowSums(_by_entity(program.lender, entities))
        self._held = RowSums(_by_entity(program.holder, entities))
        self._borrowed = RowSums(_by_entity(program.borrower, entities))
        issued = np.where(program.exposure_is_loan, program.issuer, entities)
        self._issued = RowSums(_by_entity(issued, entities))(program.exposure[:, None])

    def __call__(
        self,
        failed: NDArray[np.bool_],
        cash: NDArray[np.float64],
        book: NDArray[np.float64],
        balance: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Assets and liabilities (N, P), claims on the `failed` (N, P) written off.

        Parameters
        ----------
        cash : ndarray (N, P)
        book : ndarray (C, P)
            Of capex flows.
        balance : ndarray (L, P)
            Of loans.
        """
        program = self._program
        loans = np.where(failed[program.borrower], program.loan_recovery[:, None], 1.0) * balance
        held = (
            np.where(failed[program.issuer], program.exposure_recovery[:, None], 1.0)
            * program.exposure[:, None]
        )
        assets = (
            np.maximum(cash, 0.0)
            + program.other_assets[:, None]
            + self._book_of(book)
            + self._held(held)
            + self._lent(loans)
        )
        liabilities = (
            np.maximum(-cash, 0.0) + program.other_debt[:, None] + self._borrowed(balance) + self._issued
        )
        return assets, liabilities


def _by_entity(entity: NDArray[np.int32], entities: int) -> Rows:
    return Rows.group(np.where(entity == entities, -1, entity), entities)
