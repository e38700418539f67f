"""Step 4: settlement. All payments of a period clear at once, rank by rank.

Sources: Eisenberg and Noe (2001) for clearing, Elsinger (2009) for seniority, Rogers and Veraart (2013) for default
costs. The ratios are the greatest fixed point, approached from above by plain updates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ...program import FIRST_ROUND, NO_EFFECTS
from ...schema import DEBT, DISCRETIONARY, OPERATING, RANKS
from .claims import Claims
from .finish import finish_exactly
from .rows import RowSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from .margins import Margins

SHORT_TOLERANCE: Final = 1e-9  # who lacks less than this share of what is due is not short
RATIO_TOLERANCE: Final = 1e-12  # the updates rest once none lowers a ratio by more
PLAIN_UPDATES: Final = 256  # what still moves after so many is finished exactly
CASH_RESIDUE: Final = 1e-12  # of what an entity had and received: less is what rounding left of cash paid out
LINE_RESIDUE: Final = 2.0**-48  # of its credit line, which is added to cash and taken off again


@dataclass(frozen=True)
class Settled:
    """One period's settlement.

    Attributes
    ----------
    ratio : ndarray (3, N + 1, P)
        Paid / due by rank and payer; 1 where nothing is due; the last row is `outside`.
    short : ndarray (N, P) of bool
        Who fails by liquidity.
    receipts, payments : ndarray (N, P)
        Line interest is among the payments.
    exact : int
        Paths that had to be finished exactly.
    updates : int
        Plain updates, summed over paths.
    """

    ratio: NDArray[np.float64]
    short: NDArray[np.bool_]
    receipts: NDArray[np.float64]
    payments: NDArray[np.float64]
    exact: int
    updates: int


class Settlement:
    """Settles a period for a block of paths."""

    def __init__(self, program: Program):
        self._program = program
        self._receipts = RowSums(program.receipts)
        self._dues = RowSums(program.dues)
        columns = self._receipts.columns
        outside = program.entity_count + 1
        self._ratio_row = program.rank[columns].astype(np.intp) * outside + program.payer[columns]

    def settle(
        self,
        effects: int,
        billed: NDArray[np.float64],
        cash: NDArray[np.float64],
        deposit_interest: NDArray[np.float64],
        line_interest: NDArray[np.float64],
        credit_line: NDArray[np.float64],
        going: NDArray[np.bool_],
        margins: Margins | None,
    ) -> Settled:
        """Clear one period.

        Parameters
        ----------
        effects : int
            Program's code of `none`, `first_round` or `full`.
        billed : ndarray (F, P)
        cash, deposit_interest, line_interest : ndarray (N, P)
            Opening balance, and interest on it.
        credit_line : ndarray (N, 1)
        going : ndarray (N, P) of bool
            Who has not stopped: those alone pay and receive.
        """
        entities, paths = cash.shape
        due = self._dues(billed).reshape(entities, len(RANKS), paths).transpose(1, 0, 2) * going
        due[DEBT] += line_interest
        claims = Claims(
            own=np.maximum(0.0, cash + deposit_interest + credit_line),
            due=due,
            reserve=self._program.reserve[:, None],
            billed=self._receipts.arrange(billed),
            receives=going,
            path=np.arange(paths),
            margins=margins,
        )
        ratio = np.ones((len(RANKS), entities + 1, paths))
        short = np.zeros((entities, paths), dtype=bool)
        if effects == NO_EFFECTS:
            return Settled(ratio, short, self._received(claims, None), due.sum(axis=0), 0, 0)
        if effects == FIRST_ROUND:
            receipts = self._received(claims, None)
            ratio[:, :-1], short = self._update(claims, receipts)
            ratio[:, :-1] *= going  # without gates, it is here that who has stopped pays nothing
            return Settled(ratio, short, receipts, _paid(due, ratio), 0, paths)
        exact, updates = self._fixed_point(claims, ratio, short)
        return Settled(ratio, short, self._received(claims, ratio), _paid(due, ratio), exact, updates)

    def _received(self, claims: Claims, ratio: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Receipts (N, P) at the payers' ratios; None: everybody pays in full."""
        amounts = claims.billed
        if ratio is not None:
            amounts = amounts * ratio.reshape(-1, ratio.shape[2])[self._ratio_row]
        return self._receipts.add(amounts) * claims.receives

    def _update(
        self, claims: Claims, receipts: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Ratios (3, N, P) and who is short (N, P), given the receipts."""
        alpha, beta = self._program.default_costs
        liquid = claims.own + receipts
        due_senior = claims.due[OPERATING] + claims.due[DEBT]
        least = (1.0 - SHORT_TOLERANCE) * due_senior
        short = liquid < least
        if claims.margins is not None:
            claims.margins.note(liquid, least, due_senior > 0.0, paths=claims.path)
        funds = np.where(short, alpha * claims.own + beta * receipts, liquid)
        ratio = np.empty_like(claims.due)
        _share(funds, claims.due[OPERATING], out=ratio[OPERATING])
        left = np.maximum(0.0, funds - claims.due[OPERATING])
        _share(left, claims.due[DEBT], out=ratio[DEBT])
        left = np.maximum(0.0, left - claims.due[DEBT] - claims.reserve)
        _share(left, claims.due[DISCRETIONARY], out=ratio[DISCRETIONARY])
        return ratio, short

    def _fixed_point(
        self, claims: Claims, ratio: NDArray[np.float64], short: NDArray[np.bool_]
    ) -> tuple[int, int]:
        """Lower `ratio` to the greatest fixed point and set `short`; a path that rests is left as it is."""
        moving = np.ones(len(claims.path), dtype=bool)  # of the paths still computed, those not at rest
        now, updates = ratio.copy(), 0
        for update in range(PLAIN_UPDATES):
            receipts = self._received(claims, now if update > 0 else None)
            target, is_short = self._update(claims, receipts)
            lower = np.minimum(now[:, :-1], target, out=target)
            moves = moving & (now[:, :-1] - lower > RATIO_TOLERANCE).any(axis=(0, 1))
            updates += int(np.count_nonzero(moving))
            rests = np.flatnonzero(moving & ~moves)
            at_rest = claims.path[rests]
            ratio[:, :-1, at_rest], short[:, at_rest] = lower[:, :, rests], is_short[:, rests]
            moving, now[:, :-1] = moves, lower
            left = np.flatnonzero(moving)
            if len(left) == 0:
                return 0, updates
            if 2 * len(left) < len(moving):
                moving, claims = moving[left], claims.of(left)
                now, receipts, is_short = now[:, :, left], receipts[:, left], is_short[:, left]
        for column in np.flatnonzero(moving):
            path = claims.path[column]
            ratio[:, :-1, path], short[:, path] = finish_exactly(
                self._program,
                self._receipts,
                claims.of(np.array([column])),
                receipts[:, column],
                is_short[:, column],
            )
        return int(np.count_nonzero(moving)), updates


def without_rounding(
    cash: NDArray[np.float64], moved: NDArray[np.float64], credit_line: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Closing cash (N, P), 0 where it is no more than rounding, lest that decide who is solvent.

    Parameters
    ----------
    moved : ndarray (N, P)
        What the entity had or owed when the period began, and its receipts.
    credit_line : ndarray (N, 1)
    """
    residue = CASH_RESIDUE * moved + LINE_RESIDUE * credit_line
    return np.where(np.abs(cash) < residue, 0.0, cash) + 0.0  # one zero, not two


def _share(funds: NDArray[np.float64], due: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Paid / due from what there is: in full or pro rata, 1 where nothing is due."""
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(funds, due, out=out)
        np.fmin(1.0, out, out=out)  # x / 0 is infinite or not a number: fmin gives 1 for both


def _paid(due: NDArray[np.float64], ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Payments (N, P), the ranks added in order of seniority."""
    paid = due * ratio[:, :-1]
    return np.asarray(paid[OPERATING] + paid[DEBT] + paid[DISCRETIONARY])
