"""One period of one scenario on a block of paths: steps 1 to 7 in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ...program import NO_EFFECTS
from ...schema import CAUSES, EFFECTS
from . import billing, credit, factors
from .books import BalanceSheet, Books
from .measures import Measures
from .record import Record
from .rows import RowSums
from .settlement import Settlement, without_rounding
from .tilting import Tilting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from ..base import Block, Outcome, Series
    from .margins import Margins

NEVER: Final = np.int32(2**30)  # later than any period with any lag
CREDIT, LIQUIDITY, SOLVENCY, IMPOSED = (
    CAUSES.index(cause) for cause in ("credit", "liquidity", "solvency", "imposed")
)


class Plan:
    """What all blocks and scenarios of a program share: how its sparse rows are summed."""

    def __init__(self, program: Program):
        self.flow_power = factors.PowerProducts(program, program.flow_sensitivities)
        self.hazard_power = factors.PowerProducts(program, program.hazard_sensitivities)
        self.settlement = Settlement(program)
        self.balance_sheet = BalanceSheet(program)
        self.measure_sums = RowSums(program.measures)


class Simulation:
    """The state of one scenario on a block of paths."""

    def __init__(
        self,
        program: Program,
        plan: Plan,
        scenario: int,
        block: Block,
        drivers: factors.Drivers,
        limits: NDArray[np.float64],
        series: tuple[Series, ...],
        margins: Margins | None = None,
    ):
        entities, paths = program.entity_count, block.paths
        self._program, self._plan, self._scenario, self._block = program, plan, scenario, block
        self._effects = EFFECTS.index(program.effects[scenario])
        tilt = block.drawing.tilt
        self._tilting = None
        if tilt is not None:
            self._tilting = Tilting(tilt, scenario, block, drivers.normals, limits)
            drivers, limits = drivers.with_normals(self._tilting.normals), self._tilting.limits
        self._shocks = factors.shocks(program, scenario, drivers)
        self._jumps = drivers.jump
        self._limits = limits
        self._margins = margins
        self._books = Books(program, plan.balance_sheet, paths, margins)
        self._measures = Measures(program, plan.measure_sums, paths, margins)
        self._record = Record(program, paths, series)
        self._y = np.repeat(program.start[:, None], paths, axis=1)
        self._gathered = np.zeros((entities, paths))
        self._cash = np.repeat(program.cash[scenario][:, None], paths, axis=1)
        # Period from which an entity neither pays nor receives; the last row is `outside`.
        self._stops_at = np.full((entities + 1, paths), NEVER)
        self._exact = self._updates = 0
        self._last: dict[str, NDArray[np.generic]] = {}

    def period(self, t: int) -> None:
        """Do period t."""
        program, scenario, effects, books = self._program, self._scenario, self._effects, self._books
        record, plan = self._record, self._plan

        self._y = factors.step(program, scenario, self._y, self._shocks[:, t], self._jumps[:, t])
        observed = factors.observe(program, scenario, t, self._y, self._block)
        log_ratio = factors.log_ratios(program, observed)

        if effects != NO_EFFECTS:
            self._gathered = credit.gather(program, scenario, self._gathered, plan.hazard_power(log_ratio))
            alive = record.failed_at == program.periods
            imposed, by_credit = credit.events(
                program, scenario, t, self._gathered, self._limits, alive, self._margins, self._tilting
            )
            record.fail(t, imposed, IMPOSED)
            record.fail(t, by_credit, CREDIT)
            self._stops_at[:-1][imposed | by_credit] = t

        gates = billing.gate(program, effects, t, self._stops_at)
        billed = billing.bill(
            program, scenario, t, observed, plan.flow_power(log_ratio), books.share_drawn, gates
        )

        going = self._stops_at[:-1] > t
        opening = self._cash
        deposit_interest = program.deposit_rate[:, None] * np.maximum(opening, 0.0) * going
        line_interest = program.line_rate[:, None] * np.maximum(-opening, 0.0) * going
        line = program.credit_line[scenario][:, None]
        settled = plan.settlement.settle(
            effects, billed, opening, deposit_interest, line_interest, line, going, self._margins
        )
        self._exact += settled.exact
        self._updates += settled.updates
        paid = billed * settled.ratio[program.rank, program.payer]
        record.fail(t, settled.short, LIQUIDITY)
        self._stops_at[:-1][settled.short] = t + 1
        cash = opening + deposit_interest + settled.receipts - settled.payments
        if effects != NO_EFFECTS:
            cash = np.maximum(cash, -line)
        cash = without_rounding(cash, np.abs(opening) + settled.receipts, line)

        books.lend(t, effects, billed, paid)
        books.write_down(t)
        books.capitalise(t, paid)
        insolvent = books.write_off(t, effects, record.failed_at < program.periods, cash)
        record.fail(t, insolvent, SOLVENCY)
        self._stops_at[:-1][insolvent] = t + 1

        measured = self._measures.add(t, np.concatenate([paid, books.depreciation, books.impairment]))

        failed = record.failed_at < program.periods
        to_estate = np.where(record.failed_at == t, cash, 0.0)
        estate = np.zeros(cash.shape[1])
        for amounts in to_estate:
            estate += amounts
        self._cash = np.where(failed, 0.0, cash)
        record.liquidity(np.where(failed, 0.0, self._cash + line))
        series = {
            "cash": self._cash,
            "flow": paid,
            "measure": measured,
            "factor": observed,
            "estate": estate[None],
        }
        record.period(t, series)
        self._last = {
            "factor": observed,
            "billed": billed,
            "paid": paid,
            "opening_cash": opening,
            "deposit_interest": deposit_interest,
            "line_interest": line_interest,
            "receipts": settled.receipts,
            "payments": settled.payments,
            "ratio": settled.ratio[:, :-1],
            "measure": measured,
            "estate": estate,
        }

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Everything that happened in the last period, by name, with the paths as last axis."""
        books, record = self._books, self._record
        state: dict[str, NDArray[np.generic]] = {
            "y": self._y,
            "gathered_hazard": self._gathered,
            "closing_cash": self._cash,
            "balance": books.balance,
            "share_drawn": books.share_drawn,
            "book": books.book,
            "depreciation": books.depreciation,
            "impairment": books.impairment,
            "failed_at": record.failed_at,
            "cause": record.cause,
        }
        return {name: array.copy() for name, array in (self._last | state).items()}

    def write(self, outcome: Outcome) -> None:
        """Put what was recorded into the outcome."""
        self._record.write(outcome, self._scenario, self._cash, self._measures)
        outcome.exact_finishes[self._scenario] = self._exact
        outcome.updates[self._scenario] = self._updates
        if self._tilting is not None:
            outcome.weight[self._scenario, :, 0] = self._tilting.weights()
