"""Compile a system under its scenarios: tables to the dense arrays of a Program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .check import check_periods
from .draws import name_id
from .errors import InputError, Problem
from .evaluation import evaluate
from .factor_ranges import linked_inverse
from .lines import expand_lines
from .loans import opening_balances, whole_periods
from .parameters import Flows
from .program import EXPONENTIAL, IDENTITY, LOGISTIC, Program, Rows
from .schema import DEBT, DISCRETIONARY, LOAN_CLAIM, RANK_OF_KIND, RANKS
from .tables import booleans, floats, integers, places, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .parameters import Parameters
    from .system import System

LINKS: Final = {
    "constant": IDENTITY,
    "gbm": EXPONENTIAL,
    "ou": IDENTITY,
    "log_ou": EXPONENTIAL,
    "logit_ou": LOGISTIC,
}
SINGULAR_PIVOT: Final = 1e-12  # a Cholesky pivot of at most this gives a zero column


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
    repeated = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if repeated:
        raise InputError(
            [Problem("scenarios", None, "scenario", repr(name), "two runs would have this name", "Rename a scenario.")
             for name in repeated]
        )  # fmt: skip
    return (
        names,
        tuple(effects) * len(parameters.names),
        np.repeat(np.arange(len(parameters.names)), len(effects)),
    )


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
        table, parameters, source, years = (
            self._tables["factors"],
            self._parameters,
            self._source,
            self._settings.period_years,
        )
        process = np.array(strings(table, "process"), dtype=object)
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
                reverting,
                target * -np.expm1(-kappa * years),
                np.where(gbm, (drift - volatility**2 / 2.0) * years, 0.0),
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
            left = matrix[k:, k].copy()
            for j in range(k):  # one by one: a matrix product rounds as its size and the processor suggest
                left -= lower[k:, j] * lower[k, j]
            if left[0] > SINGULAR_PIVOT:
                lower[k, k] = math.sqrt(left[0])
                lower[k + 1 :, k] = left[1:] / lower[k, k]
        return lower

    def entities(self) -> dict[str, Any]:
        table, parameters, source, years = (
            self._tables["entities"],
            self._parameters,
            self._source,
            self._settings.period_years,
        )
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
        for loan in self._loans:
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

    @cached_property
    def _loans(self) -> list[_Loan]:
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
            "sensitivity_factor": np.array(
                [self._factor[str(name)] for name in strings(table, "factor")], dtype=np.int32
            ),
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
        loans = self._loans
        first = np.array([loan.first_flow for loan in loans], dtype=np.int32)
        drawn = np.array([loan.draw >= 0 for loan in loans], dtype=bool)
        principal = np.array([loan.principal for loan in loans], dtype=np.float64)
        return {
            "borrower": np.array([loan.borrower for loan in loans], dtype=np.int32),
            "lender": np.array([loan.lender for loan in loans], dtype=np.int32),
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
