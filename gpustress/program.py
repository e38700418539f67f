"""A system under its scenarios as dense arrays: all that a kernel sees."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from .draws import CONTRACT_VERSION
from .schema import EFFECTS

if TYPE_CHECKING:
    from numpy.typing import NDArray


NO_EFFECTS, FIRST_ROUND, FULL = range(len(EFFECTS))
IDENTITY, EXPONENTIAL, LOGISTIC = range(3)


# Arrays whose first axis is the scenarios.
_BY_SCENARIO: Final = (
    "constant_term", "persistence", "deviation", "shift", "value_scale", "value_add", "cholesky_of", "cash",
    "credit_line", "hazard", "fail_at", "scale",
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Sparse rows (CSR): row i holds the entries start[i] to start[i + 1] - 1.

    Attributes
    ----------
    start : ndarray (rows + 1,) of int32
    column : ndarray (entries,) of int32
        In each row in the order of the table that the entries come from: sums run in this order.
    """

    start: NDArray[np.int32]
    column: NDArray[np.int32]

    @staticmethod
    def group(row_of: NDArray[np.int32], rows: int) -> Rows:
        """Row i holds, in order, the places where `row_of` is i; negative entries are left out."""
        column = np.flatnonzero(row_of >= 0)
        ordered = column[np.argsort(row_of[column], kind="stable")].astype(np.int32)
        counts = np.bincount(row_of[row_of >= 0], minlength=rows)
        return Rows(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32), ordered)


@dataclass(frozen=True)
class Powers:
    """Distinct rows of sensitivities: many flows and hazards follow the factors alike.

    Attributes
    ----------
    start : ndarray (rows + 1,) of int32
        Row r holds the entries start[r] to start[r + 1] - 1 of the next two.
    factor, elasticity : ndarray (entries,)
    of_flow, of_hazard : ndarray (F,), (N,) of int32
        The row of each flow and of each entity's hazard; -1 for none.
    """

    start: NDArray[np.int32]
    factor: NDArray[np.int32]
    elasticity: NDArray[np.float64]
    of_flow: NDArray[np.int32]
    of_hazard: NDArray[np.int32]

    @staticmethod
    def of(program: Program) -> Powers:
        """Those of a program."""
        places: dict[tuple[bytes, bytes], int] = {}
        columns: list[NDArray[np.int32]] = []

        def place(row: NDArray[np.int32]) -> int:
            if not len(row):
                return -1
            key = program.sensitivity_factor[row].tobytes(), program.sensitivity_elasticity[row].tobytes()
            if key not in places:
                places[key] = len(columns)
                columns.append(row)
            return places[key]

        of_flow, of_hazard = (
            np.array([place(row) for row in np.split(rows.column, rows.start[1:-1])], dtype=np.int32)
            if len(rows.start) > 1
            else np.zeros(0, dtype=np.int32)
            for rows in (program.flow_sensitivities, program.hazard_sensitivities)
        )
        column = np.concatenate([*columns, np.zeros(0, dtype=np.int32)])
        return Powers(
            start=np.cumsum([0, *map(len, columns)]).astype(np.int32),
            factor=program.sensitivity_factor[column],
            elasticity=program.sensitivity_elasticity[column],
            of_flow=of_flow,
            of_hazard=of_hazard,
        )


@dataclass(frozen=True)
class Program:
    """A system x scenarios, compiled.

    Sizes: S scenarios, T periods, N entities, K factors, F flows (those of the flows table, then those of the
    loans), L loans, C capex flows with a life, X exposures, M measures, U curves, Q correlation stresses.
    Index arrays are int32; an entity's index is N for `outside`, any other index is -1 for none.

    Attributes
    ----------
    scenarios, effects : tuple of str, length S
        Names, and "none", "first_round" or "full" (not seen by kernels but for `effect_codes`).
    periods, period_years : int, float
        T and D.
    default_costs : (float, float)
        alpha and beta of Rogers and Veraart (2013).
    discount : ndarray (T,)
        (1 + discount_rate)^-((t + 1) D).
    curves : ndarray (U, T)
        Distinct curves over time.
    factor_ids : ndarray (K,) of uint64
        Keys of the factors' draws.
    link : ndarray (K,) of int8
        0 identity, 1 exp, 2 logistic.
    initial, start, floor, cap : ndarray (K,)
        Initial value of X; y(-1); bounds of X, infinite where there are none.
    constant_term, persistence, deviation : ndarray (S, K)
        a, b and s of y(t) = a + b y(t-1) + s eps(t).
    jump_probability, jump_mean, jump_volatility : ndarray (K,)
        The probability is that of a jump in one period.
    shift, value_scale, value_add : ndarray (S, K)
        Rows of `curves`: X = clip(link(y + shift)) * value_scale + value_add.
    cholesky : ndarray (Q, K, K)
        Lower factors of the correlation matrices.
    cholesky_of : ndarray (S,)
        Which of them a scenario uses.
    entity_ids : ndarray (N,) of uint64
        Keys of the entities' draws.
    cash, credit_line, hazard : ndarray (S, N)
        Opening cash, credit line; hazard is a year.
    fail_at : ndarray (S, N)
        Period of an imposed failure, -1 for none.
    reserve, deposit_rate, line_rate, other_assets, other_debt : ndarray (N,)
        The two rates are per period.
    solvency_trigger : ndarray (N,) of bool
    payer, receiver, tenant : ndarray (F,)
        Entities; N for outside or none.
    rank : ndarray (F,) of int8
    amount : ndarray (F, T)
        The schedule A(t): currency, or a ratio where there is a driver.
    scale : ndarray (S, F)
        Row of `curves`.
    index, spread : ndarray (F,)
        Factor of a floating rate, and what is added to it.
    driver : ndarray (F,)
        Flow of whose billed amount this one is a share.
    driven : Rows
        Driven flows by depth: row i holds flows whose driver stands in an earlier row or has none.
    relet_lag, relet_price : ndarray (F,)
        Periods; share. 0 and 0 for the flows of loans.
    drawn_loan : ndarray (F,)
        Loan whose share drawn multiplies the flow.
    flow_sensitivities, hazard_sensitivities : Rows
        F and N rows of places in the next two arrays.
    sensitivity_factor, sensitivity_elasticity : ndarray (sensitivities,)
    capex : ndarray (C,)
        Flows whose payments are capitalised.
    capex_life, capex_opening_life : ndarray (C,)
        Periods.
    capex_opening_book : ndarray (C,)
    borrower, lender, principal_flow, draw_flow : ndarray (L,)
        The lender is N for outside.
    principal, opening_balance, loan_recovery : ndarray (L,)
        Currency; the opening balance is 0 for a loan that is drawn later.
    holder, issuer : ndarray (X,)
    exposure, exposure_recovery : ndarray (X,)
    exposure_is_loan : ndarray (X,) of bool
        Whether it is a liability of the issuer.
    measures : Rows
        M rows of places in the next two arrays.
    measure_line, measure_weight : ndarray (lines,)
        A line is a flow f, or F + c for the depreciation and F + C + c for the impairment of capex c.
    receipts, dues : Rows
        Flows by receiver (N rows) and by payer and rank (3 N rows, row 3 i + rank).
    """

    scenarios: tuple[str, ...]
    effects: tuple[str, ...]
    periods: int
    period_years: float
    default_costs: tuple[float, float]
    discount: NDArray[np.float64]
    curves: NDArray[np.float64]
    factor_ids: NDArray[np.uint64]
    link: NDArray[np.int8]
    initial: NDArray[np.float64]
    start: NDArray[np.float64]
    floor: NDArray[np.float64]
    cap: NDArray[np.float64]
    constant_term: NDArray[np.float64]
    persistence: NDArray[np.float64]
    deviation: NDArray[np.float64]
    jump_probability: NDArray[np.float64]
    jump_mean: NDArray[np.float64]
    jump_volatility: NDArray[np.float64]
    shift: NDArray[np.int32]
    value_scale: NDArray[np.int32]
    value_add: NDArray[np.int32]
    cholesky: NDArray[np.float64]
    cholesky_of: NDArray[np.int32]
    entity_ids: NDArray[np.uint64]
    cash: NDArray[np.float64]
    credit_line: NDArray[np.float64]
    hazard: NDArray[np.float64]
    fail_at: NDArray[np.int32]
    reserve: NDArray[np.float64]
    deposit_rate: NDArray[np.float64]
    line_rate: NDArray[np.float64]
    other_assets: NDArray[np.float64]
    other_debt: NDArray[np.float64]
    solvency_trigger: NDArray[np.bool_]
    payer: NDArray[np.int32]
    receiver: NDArray[np.int32]
    tenant: NDArray[np.int32]
    rank: NDArray[np.int8]
    amount: NDArray[np.float64]
    scale: NDArray[np.int32]
    index: NDArray[np.int32]
    spread: NDArray[np.float64]
    driver: NDArray[np.int32]
    driven: Rows
    relet_lag: NDArray[np.int32]
    relet_price: NDArray[np.float64]
    drawn_loan: NDArray[np.int32]
    flow_sensitivities: Rows
    hazard_sensitivities: Rows
    sensitivity_factor: NDArray[np.int32]
    sensitivity_elasticity: NDArray[np.float64]
    capex: NDArray[np.int32]
    capex_life: NDArray[np.int64]
    capex_opening_life: NDArray[np.int64]
    capex_opening_book: NDArray[np.float64]
    borrower: NDArray[np.int32]
    lender: NDArray[np.int32]
    principal_flow: NDArray[np.int32]
    draw_flow: NDArray[np.int32]
    principal: NDArray[np.float64]
    opening_balance: NDArray[np.float64]
    loan_recovery: NDArray[np.float64]
    holder: NDArray[np.int32]
    issuer: NDArray[np.int32]
    exposure: NDArray[np.float64]
    exposure_recovery: NDArray[np.float64]
    exposure_is_loan: NDArray[np.bool_]
    measures: Rows
    measure_line: NDArray[np.int32]
    measure_weight: NDArray[np.float64]
    receipts: Rows
    dues: Rows

    def __post_init__(self) -> None:
        for _, array in self._arrays():
            array.setflags(write=False)

    @property
    def entity_count(self) -> int:
        """N."""
        return len(self.entity_ids)

    @property
    def factor_count(self) -> int:
        """K."""
        return len(self.factor_ids)

    @property
    def flow_count(self) -> int:
        """F, loan flows included."""
        return len(self.payer)

    @property
    def measure_count(self) -> int:
        """M."""
        return len(self.measures.start) - 1

    def only(self, scenario: int) -> Program:
        """The same program with one of its scenarios alone."""
        one = slice(scenario, scenario + 1)
        return dataclasses.replace(
            self, scenarios=self.scenarios[one], effects=self.effects[one],
            **{name: getattr(self, name)[one] for name in _BY_SCENARIO},
        )  # fmt: skip

    @cached_property
    def powers(self) -> Powers:
        """The sensitivities, each distinct row once."""
        return Powers.of(self)

    @cached_property
    def digest(self) -> str:
        """32 hex digits that stand for every number above: equal digests, seeds and paths give equal results."""
        hasher = hashlib.blake2b(digest_size=16)
        head = (
            CONTRACT_VERSION,
            self.scenarios,
            self.effects,
            self.periods,
            self.period_years,
            self.default_costs,
        )
        hasher.update(repr(head).encode())
        for name, array in self._arrays():
            little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
            hasher.update(f"{name}:{little_endian.dtype.str}:{array.shape};".encode())
            hasher.update(np.ascontiguousarray(little_endian).tobytes())
        return hasher.hexdigest()

    def _arrays(self) -> list[tuple[str, NDArray[np.generic]]]:
        arrays: list[tuple[str, NDArray[np.generic]]] = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Rows):
                arrays += [(f"{field.name}.start", value.start), (f"{field.name}.column", value.column)]
            elif isinstance(value, np.ndarray):
                arrays.append((field.name, value))
        return arrays
