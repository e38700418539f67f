"""What a loop written by hand needs of a program: everything that no path changes, worked out once.

Both peers are written for one scenario under full effects without imposed failures, loans drawn later, and factor paths
or values of one's own: what the reference job has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from gpustress.program import FULL, Rows
from gpustress.schema import DISCRETIONARY, EFFECTS, RANKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpustress.program import Program

TOO_MANY_UPDATES: Final = "a settlement does not rest after 256 updates: the peers do not finish exactly"


class Loop(NamedTuple):
    """Arrays of one scenario; sparse rows are pairs of arrays NAME_start and NAME, as in Rows.

    An entity's index is N for `outside`, any other index is -1 for none. Lines are the F flows, then depreciation and
    impairment of the C capex flows.
    """

    default_costs: NDArray[np.float64]  # (2,)
    discount: NDArray[np.float64]  # (T,)
    # Factors. `mixing` is s L: y(t) = a + b y(t-1) + mixing z(t) + jump.
    link: NDArray[np.int64]
    start: NDArray[np.float64]
    constant: NDArray[np.float64]
    persistence: NDArray[np.float64]
    mixing: NDArray[np.float64]  # (K, K)
    shift: NDArray[np.float64]  # (T, K)
    floor: NDArray[np.float64]
    cap: NDArray[np.float64]
    initial: NDArray[np.float64]
    sensed: NDArray[np.bool_]  # whether a sensitivity names the factor
    jumping: NDArray[np.int64]  # (J,) factors that jump
    jump_probability: NDArray[np.float64]  # (J,)
    jump_mean: NDArray[np.float64]
    jump_volatility: NDArray[np.float64]
    # Distinct rows of sensitivities: many hazards have the same.
    power_start: NDArray[np.int64]
    power_factor: NDArray[np.int64]
    power_elasticity: NDArray[np.float64]
    # Entities.
    cash: NDArray[np.float64]
    credit_line: NDArray[np.float64]
    hazard: NDArray[np.float64]  # per period
    hazard_power: NDArray[np.int64]
    reserve: NDArray[np.float64]
    deposit_rate: NDArray[np.float64]
    line_rate: NDArray[np.float64]
    other_assets: NDArray[np.float64]
    other_liabilities: NDArray[np.float64]  # debt and issued claims
    triggered: NDArray[np.int64]  # entities that a solvency trigger fails
    # Flows.
    scheduled: NDArray[np.float64]  # (T, F)
    flow_power: NDArray[np.int64]
    billing_order: NDArray[np.int64]  # drivers first
    payer: NDArray[np.int64]
    receiver: NDArray[np.int64]
    tenant: NDArray[np.int64]
    discretionary: NDArray[np.bool_]
    relet_lag: NDArray[np.int64]
    relet_price: NDArray[np.float64]
    floating: NDArray[np.int64]  # factor of a floating rate
    spread: NDArray[np.float64]
    driver: NDArray[np.int64]
    # Settlement. A claim is everything that one entity owes another in one rank; ratio row 3 i + rank, `outside` last.
    due_start: NDArray[np.int64]  # (3 N + 1,)
    due: NDArray[np.int64]
    outside_start: NDArray[np.int64]  # flows from outside, by receiver
    outside: NDArray[np.int64]
    claim_start: NDArray[np.int64]  # claims by receiver
    claim_ratio: NDArray[np.int64]
    claim_flow_start: NDArray[np.int64]  # flows by claim
    claim_flow: NDArray[np.int64]
    flow_ratio: NDArray[np.int64]
    # Books.
    capex: NDArray[np.int64]
    life: NDArray[np.int64]
    opening_life: NDArray[np.int64]
    opening_book: NDArray[np.float64]
    book_start: NDArray[np.int64]  # capex by payer
    book: NDArray[np.int64]
    principal_flow: NDArray[np.int64]
    opening_balance: NDArray[np.float64]
    borrower: NDArray[np.int64]
    loan_recovery: NDArray[np.float64]
    lent_start: NDArray[np.int64]
    lent: NDArray[np.int64]
    borrowed_start: NDArray[np.int64]
    borrowed: NDArray[np.int64]
    held_start: NDArray[np.int64]
    held: NDArray[np.int64]
    issuer: NDArray[np.int64]
    exposure: NDArray[np.float64]
    exposure_left: NDArray[np.float64]  # once its issuer has failed
    # Measures: 2 M rows, of each first the lines that add, then those that take away, both as positive weights.
    measure_start: NDArray[np.int64]
    measure_line: NDArray[np.int64]
    measure_weight: NDArray[np.float64]

    @property
    def periods(self) -> int:
        """T."""
        return len(self.discount)

    @property
    def entities(self) -> int:
        """N."""
        return len(self.cash)

    @property
    def measures(self) -> int:
        """M."""
        return (len(self.measure_start) - 1) // 2


def prepare_loop(program: Program) -> Loop:
    """The arrays of a program's only scenario.

    Raises
    ------
    ValueError
        The program holds what the peers do not know.
    """
    _check(program)
    entities, flows = program.entity_count, program.flow_count
    curve = program.curves
    exponents = np.zeros((entities + flows, program.factor_count))
    for first, rows in ((0, program.hazard_sensitivities), (entities, program.flow_sensitivities)):
        for row in range(len(rows.start) - 1):
            for place in rows.column[rows.start[row] : rows.start[row + 1]]:
                exponents[first + row, program.sensitivity_factor[place]] = program.sensitivity_elasticity[
                    place
                ]
    distinct, power_of = np.unique(exponents, axis=0, return_inverse=True)
    power_row, power_factor = np.nonzero(distinct)

    ratio_row = len(RANKS) * program.payer.astype(np.int64) + program.rank
    ratio_row[program.payer == entities] = len(RANKS) * entities
    between = np.flatnonzero((program.payer < entities) & (program.receiver < entities))
    claims, claim_of = np.unique(
        np.stack([program.receiver[between], ratio_row[between]]), axis=1, return_inverse=True
    )
    claim_of_flow = np.full(flows, -1)
    claim_of_flow[between] = claim_of
    from_outside = np.where((program.payer == entities), program.receiver, entities)

    issued = np.zeros(entities)
    np.add.at(issued, program.issuer[program.exposure_is_loan], program.exposure[program.exposure_is_loan])
    measure_row = np.repeat(np.arange(program.measure_count), np.diff(program.measures.start))
    weight = program.measure_weight[program.measures.column]
    measure_start, by_sign = _rows(2 * measure_row + (weight < 0.0), 2 * program.measure_count)

    def by_entity(entity: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _rows(np.where(entity == entities, -1, entity), entities)

    due_start, due = program.dues.start, program.dues.column
    outside_start, outside = by_entity(from_outside)
    claim_flow_start, claim_flow = _rows(claim_of_flow, claims.shape[1])
    book_start, book = by_entity(program.payer[program.capex])
    lent_start, lent = by_entity(program.lender)
    borrowed_start, borrowed = by_entity(program.borrower)
    held_start, held = by_entity(program.holder)
    values: dict[str, Any] = {
        "default_costs": program.default_costs,
        "discount": program.discount,
        "link": program.link,
        "start": program.start,
        "constant": program.constant_term[0],
        "persistence": program.persistence[0],
        "mixing": program.deviation[0][:, None] * program.cholesky[program.cholesky_of[0]],
        "shift": curve[program.shift[0]].T,
        "floor": program.floor,
        "cap": program.cap,
        "initial": program.initial,
        "sensed": (distinct != 0.0).any(axis=0),
        "jumping": (jumping := np.flatnonzero(program.jump_probability > 0.0)),
        "jump_probability": program.jump_probability[jumping],
        "jump_mean": program.jump_mean[jumping],
        "jump_volatility": program.jump_volatility[jumping],
        "power_start": np.searchsorted(power_row, np.arange(len(distinct) + 1)),
        "power_factor": power_factor,
        "power_elasticity": distinct[power_row, power_factor],
        "cash": program.cash[0],
        "credit_line": program.credit_line[0],
        "hazard": program.hazard[0] * program.period_years,
        "hazard_power": power_of[:entities],
        "reserve": program.reserve,
        "deposit_rate": program.deposit_rate,
        "line_rate": program.line_rate,
        "other_assets": program.other_assets,
        "other_liabilities": program.other_debt + issued,
        "triggered": np.flatnonzero(program.solvency_trigger),
        "scheduled": (program.amount * curve[program.scale[0]]).T,
        "flow_power": power_of[entities:],
        "billing_order": np.concatenate([np.flatnonzero(program.driver < 0), program.driven.column]),
        "payer": program.payer,
        "receiver": program.receiver,
        "tenant": program.tenant,
        "discretionary": program.rank == DISCRETIONARY,
        "relet_lag": program.relet_lag,
        "relet_price": program.relet_price,
        "floating": program.index,
        "spread": program.spread,
        "driver": program.driver,
        "due_start": due_start,
        "due": due,
        "outside_start": outside_start,
        "outside": outside,
        "claim_start": np.searchsorted(claims[0], np.arange(entities + 1)),
        "claim_ratio": claims[1],
        "claim_flow_start": claim_flow_start,
        "claim_flow": claim_flow,
        "flow_ratio": ratio_row,
        "capex": program.capex,
        "life": program.capex_life,
        "opening_life": program.capex_opening_life,
        "opening_book": program.capex_opening_book,
        "book_start": book_start,
        "book": book,
        "principal_flow": program.principal_flow,
        "opening_balance": program.opening_balance,
        "borrower": program.borrower,
        "loan_recovery": program.loan_recovery,
        "lent_start": lent_start,
        "lent": lent,
        "borrowed_start": borrowed_start,
        "borrowed": borrowed,
        "held_start": held_start,
        "held": held,
        "issuer": program.issuer,
        "exposure": program.exposure,
        "exposure_left": program.exposure_recovery * program.exposure,
        "measure_start": measure_start,
        "measure_line": program.measure_line[program.measures.column][by_sign],
        "measure_weight": np.abs(weight)[by_sign],
    }
    return Loop(**{name: _plain(value) for name, value in values.items()})


def _plain(value: Any) -> NDArray[Any]:
    """Contiguous, of one of three types, and writable: Numba compiles for read-only arrays anew."""
    array = np.asarray(value)
    wanted = {"f": np.float64, "b": np.bool_}.get(array.dtype.kind, np.int64)
    return np.array(array, dtype=wanted, order="C")


def _rows(row_of: Any, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    grouped = Rows.group(np.asarray(row_of, dtype=np.int32), rows)
    return grouped.start.astype(np.int64), grouped.column.astype(np.int64)


def _check(program: Program) -> None:
    unknown: Sequence[tuple[str, bool]] = (
        ("several scenarios", len(program.scenarios) != 1),
        ("effects other than full", program.effects != (EFFECTS[FULL],)),
        ("imposed failures", bool((program.fail_at >= 0).any())),
        ("loans drawn later", bool((program.draw_flow >= 0).any())),
        ("values of a scenario's", bool((program.curves[program.value_scale] != 1.0).any())),
        ("values of a scenario's", bool((program.curves[program.value_add] != 0.0).any())),
    )
    for what, there in unknown:
        if there:
            raise ValueError(f"the peers do not know {what}")
