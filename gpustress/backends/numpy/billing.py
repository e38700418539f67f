"""Step 3: billing. What every flow should pay in a period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...program import FULL
from ...schema import DISCRETIONARY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program


def bill(
    program: Program,
    scenario: int,
    t: int,
    observed: NDArray[np.float64],
    power: NDArray[np.float64],
    share_drawn: NDArray[np.float64],
    gates: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Amounts billed in period t, shape (F, P).

    Parameters
    ----------
    program, scenario, t
        The scenario is an index into the program's.
    observed : ndarray (K, P)
        X.
    power : ndarray (F, P)
        Product of the sensitivities.
    share_drawn : ndarray (L, P)
        Share of a loan's principal that the borrower received.
    gates : ndarray (F, P) or None
        What is left of a flow once somebody has stopped; None where nobody has.
    """
    scheduled = program.curves[program.scale[scenario], t] * program.amount[:, t]
    billed: NDArray[np.float64] = scheduled[:, None] * power
    floating = np.flatnonzero(program.index >= 0)
    billed[floating] *= np.maximum(0.0, program.spread[floating, None] + observed[program.index[floating]])
    drawn = np.flatnonzero(program.drawn_loan >= 0)
    billed[drawn] *= share_drawn[program.drawn_loan[drawn]]
    if gates is not None:
        billed *= gates
    for depth in range(len(program.driven.start) - 1):
        flows = program.driven.column[program.driven.start[depth] : program.driven.start[depth + 1]]
        billed[flows] *= billed[program.driver[flows]]
    return billed


def gate(program: Program, effects: int, t: int, stops_at: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """What is left of each flow, shape (F, P): 1 while payer and receiver go on; None where all are 1.

    Parameters
    ----------
    stops_at : ndarray (N + 1, P)
        Period from which an entity neither pays nor receives; the last row is `outside`, which never stops.
    """
    going = (stops_at > t).astype(np.float64)
    if effects != FULL or going.all():
        return None
    left: NDArray[np.float64] = going[program.payer]
    discretionary = np.flatnonzero(program.rank == DISCRETIONARY)
    for party in (program.receiver, program.tenant):
        left[discretionary] *= going[party[discretionary]]
    let_again = np.flatnonzero((program.rank != DISCRETIONARY) & (program.relet_price > 0.0))
    relet = t >= stops_at[program.payer[let_again]] + program.relet_lag[let_again, None]
    left[let_again] = np.where(relet, program.relet_price[let_again, None], left[let_again])
    return left
