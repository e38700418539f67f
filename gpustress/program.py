"""A system under its scenarios as dense arrays: all that a kernel sees."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .bounds import linked_inverse
from .check import check_periods
from .draws import CONTRACT_VERSION, name_id
from .errors import InputError, Problem
from .loans import opening_balances, whole_periods
from .parameters import Flows, evaluate
from .schema import DEBT, DISCRETIONARY, EFFECTS, LOAN_CLAIM, PROCESSES, RANK_OF_KIND, RANKS
from .tables import booleans, floats, integers, places, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .parameters import Parameters
    from .system import System

NO_EFFECTS, FIRST_ROUND, FULL = range(len(EFFECTS))
IDENTITY, EXPONENTIAL, LOGISTIC = range(3)
LINKS: Final = {"constant": IDENTITY, "gbm": EXPONENTIAL, "ou": IDENTITY, "log_ou": EXPONENTIAL, "logit_ou": LOGISTIC}
SINGULAR_PIVOT: Final = 1e-12  # a Cholesky pivot of at most this gives a zero column


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
    borrower, lender, interest_flow, principal_flow, draw_flow : ndarray (L,)
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
    interest_flow: NDArray[np.int32]
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
    def digest(self) -> str:
        """32 hex digits that stand for every number above: equal digests, seeds and paths give equal results."""
        hasher = hashlib.blake2b(digest_size=16)
        head = (CONTRACT_VERSION, self.scenarios, self.effects, self.periods, self.period_years, self.default_costs)
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


def compile_program(system: System, scenarios: pa.Table, effects: Sequence[str] = ("full",)) -> Program:
    """Turn a system under its scenarios into a Program.

    Parameters
    ----------
    system : System
    scenarios : pyarrow.Table
        Of a Scenarios; without rows, the system as it is, named ``base``.
    effects : sequence of str
        One: the run's effects, unless a scenario names its own. Several: every scenario runs under each of them, in
        that order, as NAME/EFFECTS.

    Raises
    ------
    InputError
        A scenario breaks a rule of the model, or an effect is unknown.
    """
    problems: list[Problem] = []
    check_periods("scenarios", scenarios, system.settings, problems)
    parameters = None if problems else evaluate(system.settings, system.tables, scenarios, problems)
    if parameters is None:
        raise InputError(problems)
    names, run_effects, source = _runs(parameters, effects)
    compiler = _Compiler(system, parameters, source)
    return Program(
        scenarios=names,
        effects=run_effects,
        periods=system.settings.periods,
        period_years=system.settings.period_years,
        default_costs=system.settings.default_costs,
        **compiler.time(),
        **compiler.factors(),
        **compiler.entities(),
        **compiler.flows(),
        **compiler.sensitivities(),
        **compiler.capex(),
        **compiler.loans(),
        **compiler.exposures(),
        **compiler.measures(),
    )


def _runs(
    parameters: Parameters, effects: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.intp]]:
    """Name and effects of each run, and which scenario of `parameters` it runs."""
    if len(effects) == 1:
        chosen = tuple(own or effects[0] for own in parameters.effects)
        return parameters.names, chosen, np.arange(len(chosen))
    names = tuple(f"{name}/{effect}" for name in parameters.names for effect in effects)
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise InputError(
            [Problem("scenarios", None, "scenario", repr(name), "two runs would have this name", "Rename a scenario.")
             for name in repeated]
        )  # fmt: skip
    return names, tuple(effects) * len(parameters.names), np.repeat(np.arange(len(parameters.names)), len(effects))


class _Compiler:
    """The parts of a program, table by table: fields of Program by name."""

    def __init__(self, system: System, parameters: Parameters, source: NDArray[np.intp]):
        self._settings = system.settings
        self._tables = system.tables
        self._parameters = parameters
        self._source = source
        self._flows = Flows(system.tables)
        self._entity = {name: i for i, name in enumerate(strings(system.tables["entities"], "name"))}
        self._factor = {name: i for i, name in enumerate(strings(system.tables["factors"], "name"))}
        flows = system.tables["flows"]
        has_life = ~np.isnan(floats(flows, "life"))
        self._capex = np.flatnonzero(has_life).astype(np.int32)

    def _entities(self, table: str, column: str) -> NDArray[np.int32]:
        """Indices of a column of names; N where it is null."""
        outside = len(self._entity)
        names = strings(self._tables[table], column)
        return np.array([self._entity.get(name, outside) for name in names], dtype=np.int32)

    def _factors(self, table: str, column: str) -> NDArray[np.int32]:
        names = strings(self._tables[table], column)
        return np.array([self._factor.get(name, -1) for name in names], dtype=np.int32)

    def time(self) -> dict[str, Any]:
        settings = self._settings
        end = (np.arange(settings.periods) + 1.0) * settings.period_years
        return {"discount": (1.0 + settings.discount_rate) ** -end, "curves": self._parameters.curves}

    def factors(self) -> dict[str, Any]:
        table, parameters, source, years = self._tables["factors"], self._parameters, self._source, self._settings.period_years
        process = np.array(strings(table, "process"), dtype=object)
        assert set(process) <= set(PROCESSES)
        initial, floor, cap = floats(table, "initial"), floats(table, "floor"), floats(table, "cap")
        drift, volatility = parameters.drift[source], parameters.volatility[source]
        kappa = np.where(np.isnan(parameters.reversion), 1.0, parameters.reversion)[source]
        persistence = np.exp(-kappa * years)
        reverting, gbm = np.isin(process, ("ou", "log_ou", "logit_ou")), process == "gbm"
        target = linked_inverse(process, parameters.mean[source])
        spread = volatility * np.sqrt(-np.expm1(-2.0 * kappa * years) / (2.0 * kappa))
        stresses, cholesky_of = np.unique(parameters.stress, return_inverse=True)
        return {
            "factor_ids": np.array([name_id(str(name)) for name in self._factor], dtype=np.uint64),
            "link": np.array([LINKS[str(name)] for name in process], dtype=np.int8),
            "initial": initial,
            "start": linked_inverse(process, initial),
            "floor": np.where(np.isnan(floor), -np.inf, floor),
            "cap": np.where(np.isnan(cap), np.inf, cap),
            "constant_term": np.where(
                reverting, target * -np.expm1(-kappa * years), np.where(gbm, (drift - volatility**2 / 2.0) * years, 0.0)
            ),
            "persistence": np.where(reverting, persistence, 1.0),
            "deviation": np.where(reverting, spread, np.where(gbm, volatility * math.sqrt(years), 0.0)),
            "jump_probability": -np.expm1(-floats(table, "jump_rate") * years),
            "jump_mean": floats(table, "jump_mean"),
            "jump_volatility": floats(table, "jump_volatility"),
            "shift": parameters.shift[source],
            "value_scale": parameters.value_scale[source],
            "value_add": parameters.value_add[source],
            "cholesky": np.stack([self._cholesky(float(stress)) for stress in stresses]),
            "cholesky_of": cholesky_of[source].astype(np.int32),
        }

    def _cholesky(self, stress: float) -> NDArray[np.float64]:
        """Lower factor of the stressed correlation matrix; a singular pivot gives a zero column."""
        table, size = self._tables["correlations"], len(self._factor)
        matrix = np.eye(size)
        a, b = self._factors("correlations", "factor_a"), self._factors("correlations", "factor_b")
        matrix[a, b] = matrix[b, a] = floats(table, "value")
        matrix += stress * (1.0 - matrix)
        lower = np.zeros((size, size))
        for k in range(size):
            pivot = matrix[k, k] - lower[k, :k] @ lower[k, :k]
            if pivot > SINGULAR_PIVOT:
                lower[k, k] = math.sqrt(pivot)
                lower[k + 1 :, k] = (matrix[k + 1 :, k] - lower[k + 1 :, :k] @ lower[k, :k]) / lower[k, k]
        return lower

    def entities(self) -> dict[str, Any]:
        table, parameters, source, years = self._tables["entities"], self._parameters, self._source, self._settings.period_years
        return {
            "entity_ids": np.array([name_id(str(name)) for name in self._entity], dtype=np.uint64),
            "cash": parameters.cash[source],
            "credit_line": parameters.credit_line[source],
            "hazard": parameters.hazard[source],
            "fail_at": parameters.fail_at[source],
            "reserve": floats(table, "reserve"),
            "deposit_rate": floats(table, "cash_rate") * years,
            "line_rate": floats(table, "line_rate") * years,
            "other_assets": floats(table, "other_assets"),
            "other_debt": floats(table, "other_debt"),
            "solvency_trigger": booleans(table, "solvency_trigger"),
        }

    def flows(self) -> dict[str, Any]:
        table, flows = self._tables["flows"], self._flows
        own, count, periods = flows.own, len(flows.names), self._settings.periods
        outside = len(self._entity)
        payer, receiver, tenant = (np.full(count, outside, dtype=np.int32) for _ in range(3))
        payer[:own], receiver[:own] = self._entities("flows", "payer"), self._entities("flows", "receiver")
        tenant[:own] = self._entities("flows", "tenant")
        ranks = [rank or RANK_OF_KIND[str(kind)] for rank, kind in
                 zip(strings(table, "rank"), strings(table, "kind"), strict=True)]  # fmt: skip
        rank = np.full(count, DEBT, dtype=np.int8)
        rank[:own] = [RANKS.index(name) for name in ranks]
        index, spread = np.full(count, -1, dtype=np.int32), np.zeros(count)
        index[:own], spread[:own] = self._factors("flows", "index"), floats(table, "spread")
        relet_lag, relet_price = np.zeros(count, dtype=np.int32), np.zeros(count)
        relet_lag[:own] = np.minimum(integers(table, "relet_lag"), periods)
        relet_price[:own] = floats(table, "relet_price")
        amount, drawn_loan = np.zeros((count, periods)), np.full(count, -1, dtype=np.int32)
        amount[:own] = self._own_amounts()
        for loan in self._loan_rows():
            f = loan.first_flow
            payer[f], receiver[f] = payer[f + 1], receiver[f + 1] = loan.borrower, loan.lender
            index[f], spread[f] = loan.index, loan.spread
            amount[f], amount[f + 1] = loan.interest, loan.principal_payments
            if loan.draw >= 0:
                drawn_loan[f : f + 2] = loan.number
                payer[f + 2], receiver[f + 2], rank[f + 2] = loan.lender, loan.borrower, DISCRETIONARY
                amount[f + 2, loan.draw] = loan.principal
        depth = np.array([sum(1 for _ in flows.drivers_of(i)) - 1 for i in range(count)], dtype=np.int32)
        by_rank = np.where(payer == outside, -1, payer * len(RANKS) + rank)
        return {
            "payer": payer,
            "receiver": receiver,
            "tenant": tenant,
            "rank": rank,
            "amount": amount,
            "scale": self._parameters.scale[self._source],
            "index": index,
            "spread": spread,
            "driver": flows.driver,
            "driven": Rows.group(depth, int(depth.max(initial=-1)) + 1),
            "relet_lag": relet_lag,
            "relet_price": relet_price,
            "drawn_loan": drawn_loan,
            "receipts": Rows.group(np.where(receiver == outside, -1, receiver), outside),
            "dues": Rows.group(by_rank, outside * len(RANKS)),
        }

    def _own_amounts(self) -> NDArray[np.float64]:
        """A(t) of the flows of the flows table, shape (own flows, T)."""
        table, periods, years = self._tables["flows"], self._settings.periods, self._settings.period_years
        t = np.arange(periods)
        end = integers(table, "end", null=periods - 1)
        driven = self._flows.driver[: self._flows.own] >= 0
        yearly = np.where(driven, 1.0, years) * floats(table, "amount")
        growth = (1.0 + floats(table, "growth"))[:, None] ** (t * years)
        runs = (integers(table, "start")[:, None] <= t) & (t <= end[:, None])
        amount = np.where(runs, yearly[:, None] * growth, 0.0)
        schedules = self._tables["schedules"]
        scheduled = places(schedules, "flow", self._flows.names)
        amount[scheduled, integers(schedules, "period")] = floats(schedules, "amount")
        return amount

    def _loan_rows(self) -> list[_Loan]:
        table, settings = self._tables["loans"], self._settings
        columns = {name: floats(table, name) for name in ("principal", "rate", "spread", "years", "recovery")}
        borrower, lender = self._entities("loans", "borrower"), self._entities("loans", "lender")
        index, draw = self._factors("loans", "index"), integers(table, "draw")
        amortisation = strings(table, "amortisation")
        loans, flow = [], self._flows.own
        for i in range(table.num_rows):
            rate = 1.0 if index[i] >= 0 else float(columns["rate"][i])
            loans.append(
                _Loan(i, flow, int(borrower[i]), int(lender[i]), int(index[i]), float(columns["spread"][i]),
                      float(columns["principal"][i]), int(draw[i]), float(columns["recovery"][i]),
                      *_loan_payments(float(columns["principal"][i]), rate * settings.period_years,
                                      whole_periods(float(columns["years"][i]), settings.periods_per_year),
                                      str(amortisation[i]), int(draw[i]), settings.periods))
            )  # fmt: skip
            flow += 3 if draw[i] >= 0 else 2
        return loans

    def sensitivities(self) -> dict[str, Any]:
        table = self._tables["sensitivities"]
        # An elasticity of 0 has no effect, but 0 * ln 0 would have one.
        table = table.filter(floats(table, "elasticity") != 0.0)
        targets = strings(table, "target")
        flow_of = np.array([self._flows.index.get(str(name), -1) for name in targets], dtype=np.int32)
        entity_of = np.array([self._entity.get(name, -1) for name in targets], dtype=np.int32)
        return {
            "flow_sensitivities": Rows.group(flow_of, len(self._flows.names)),
            "hazard_sensitivities": Rows.group(entity_of, len(self._entity)),
            "sensitivity_factor": np.array([self._factor[str(name)] for name in strings(table, "factor")], dtype=np.int32),
            "sensitivity_elasticity": floats(table, "elasticity"),
        }

    def capex(self) -> dict[str, Any]:
        table, per_year = self._tables["flows"], self._settings.periods_per_year
        life, opening = floats(table, "life"), floats(table, "opening_life")
        opening = np.where(np.isnan(opening), life, opening)
        periods = [np.array([whole_periods(float(years), per_year) for years in column[self._capex]], dtype=np.int64)
                   for column in (life, opening)]  # fmt: skip
        return {
            "capex": self._capex,
            "capex_life": periods[0],
            "capex_opening_life": periods[1],
            "capex_opening_book": floats(table, "opening_book")[self._capex],
        }

    def loans(self) -> dict[str, Any]:
        loans = self._loan_rows()
        first = np.array([loan.first_flow for loan in loans], dtype=np.int32)
        drawn = np.array([loan.draw >= 0 for loan in loans], dtype=bool)
        principal = np.array([loan.principal for loan in loans], dtype=np.float64)
        return {
            "borrower": np.array([loan.borrower for loan in loans], dtype=np.int32),
            "lender": np.array([loan.lender for loan in loans], dtype=np.int32),
            "interest_flow": first,
            "principal_flow": first + np.int32(1),
            "draw_flow": np.where(drawn, first + 2, -1).astype(np.int32),
            "principal": principal,
            "opening_balance": np.where(drawn, 0.0, principal),
            "loan_recovery": np.array([loan.recovery for loan in loans], dtype=np.float64),
        }

    def exposures(self) -> dict[str, Any]:
        table = self._tables["exposures"]
        return {
            "holder": self._entities("exposures", "holder"),
            "issuer": self._entities("exposures", "issuer"),
            "exposure": floats(table, "amount"),
            "exposure_recovery": floats(table, "recovery"),
            "exposure_is_loan": np.array([kind == LOAN_CLAIM for kind in strings(table, "kind")], dtype=bool),
        }

    def measures(self) -> dict[str, Any]:
        from .lines import expand_lines

        rows = expand_lines(self._tables["measures"], self._flows, self._capex)
        return {
            "measures": Rows.group(rows.measure, rows.count),
            "measure_line": rows.line,
            "measure_weight": rows.weight,
        }


@dataclass(frozen=True)
class _Loan:
    """One row of the loans table with the amounts of its flows."""

    number: int
    first_flow: int
    borrower: int
    lender: int
    index: int
    spread: float
    principal: float
    draw: int
    recovery: float
    interest: NDArray[np.float64]
    principal_payments: NDArray[np.float64]


def _loan_payments(
    principal: float, rate: float, payments: int, amortisation: str, draw: int, periods: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interest (balance x `rate` per period) and principal by period of the system, each of shape (T,)."""
    first = draw + 1 if draw >= 0 else 0
    count = min(payments, periods - first)
    balances = opening_balances(principal, rate, payments, amortisation, count)
    interest, repaid = np.zeros(periods), np.zeros(periods)
    interest[first : first + count] = balances[:-1] * rate
    repaid[first : first + count] = balances[:-1] - balances[1:]
    return interest, repaid
