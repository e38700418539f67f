"""A backend shows that it computes, as the reference does: a path of a small system, and small networks."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np
from scipy import sparse

from ..compilation import compile_program
from ..exposures import EquityShocks, Exposures
from ..obligations import ACCURACY, Obligations
from ..system import System
from .base import Block, ClearsNetworks, Outcome, Rule, Series, SpreadsLosses
from .numpy import NumpyBackend

if TYPE_CHECKING:
    from ..program import Program
    from .base import Backend

AMOUNTS: Final = 1e-9  # relative to the largest amount of all
BLOCK: Final = Block(seed=0, first_path=3, paths=1)
SERIES: Final = (Series("factor", 0), Series("estate", 0))

# Every cause of failure, jumps, a floating rate, an impairment, and a ring so
# slow that it is finished exactly.
_TABLES: Final[dict[str, Any]] = {
    "entities": {
        "name": ["lab", "host", "bank", "utility", "fund", "north", "south", "state"],
        "cash": [3.0, 0.4, 4.0, 2.0, 1.0, 0.0, 0.0, 9.0],
        "credit_line": [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "reserve": [0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0],
        "line_rate": [0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "cash_rate": [0.0, 0.0, 0.04, 0.0, 0.0, 0.0, 0.0, 0.02],
        "other_debt": [0.0, 0.0, 14.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "hazard": [0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0],
        "solvency_trigger": [False, False, True, False, False, False, False, False],
    },
    "factors": {
        "name": ["demand", "rate", "usage"],
        "process": ["gbm", "ou", "logit_ou"],
        "initial": [1.0, 0.05, 0.6],
        "volatility": [0.3, 0.01, 0.4],
        "reversion": [None, 0.5, 1.0],
        "jump_rate": [2.0, 0.0, 0.0],
        "jump_mean": [-0.2, 0.0, 0.0],
        "jump_volatility": [0.1, 0.0, 0.0],
    },
    "correlations": {"factor_a": ["demand"], "factor_b": ["rate"], "value": [-0.4]},
    "flows": {
        "name": ["sales", "compute", "power", "site", "turnover", "there", "back", "leak", "drip"],
        "payer": ["state", "lab", "host", "host", None, "north", "south", "north", None],
        "receiver": ["lab", "host", "utility", "bank", "host", "south", "north", None, "south"],
        "kind": ["revenue", "fee", "power", "capex", "revenue", "rent", "rent", "rent", "fee"],
        "amount": [8.0, 12.0, 0.3, 2.0, 5.0, 40.0, 40.0, 0.04, 0.016],
        "driver": [None, None, "compute", None, None, None, None, None, None],
        "relet_lag": [0, 1, 0, 0, 0, 0, 0, 0, 0],
        "relet_price": [0.0, 0.5, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0],
        "life": [None, None, None, 2.0, None, None, None, None, None],
        "opening_book": [0.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        "tenant": [None, None, None, "lab", None, None, None, None, None],
    },
    "sensitivities": {
        "target": ["sales", "turnover", "utility"],
        "factor": ["demand", "usage", "demand"],
        "elasticity": [1.0, 0.5, -1.0],
    },
    "loans": {
        "name": ["term"],
        "borrower": ["host"],
        "lender": ["bank"],
        "principal": [6.0],
        "index": ["rate"],
        "spread": [0.02],
        "years": [1.5],
        "amortisation": ["linear"],
        "recovery": [0.4],
    },
    "exposures": {"holder": ["bank"], "issuer": ["lab"], "amount": [5.0], "recovery": [0.2]},
    "measures": {
        "measure": ["income", "income", "worn", "worn"],
        "flow": ["kind:fee", "kind:power", "site:depreciation", "site:impairment"],
        "weight": [1.0, -1.0, -1.0, -1.0],
    },
    "scenarios": {"scenario": ["base"], "parameter": ["entity.fund.fail_at"], "op": ["set"], "value": [4]},
}


@functools.cache
def program() -> Program:
    """The small system, compiled."""
    system = System(
        name="self test",
        periods=6,
        periods_per_year=4.0,
        discount_rate=0.06,
        default_costs=(0.9, 0.95),
        **_TABLES,
    )
    return compile_program(system, system.scenarios, ("full",))


@functools.cache
def expected() -> Outcome:
    """What the reference gives."""
    return NumpyBackend().simulate(program(), BLOCK, SERIES)


def fault(backend: Backend) -> str:
    """What is wrong with the numbers that a backend gives; "" where nothing is."""
    ours = backend.simulate(program(), BLOCK, SERIES)
    largest = max(np.abs(array).max() for array in (expected().series, expected().total))
    for field in dataclasses.fields(Outcome):
        if field.name == "updates":  # how often a backend looks is its own affair
            continue
        given, right = getattr(ours, field.name), getattr(expected(), field.name)
        tolerance = AMOUNTS * largest if right.dtype == np.float64 else 0
        if given.shape != right.shape or not (np.abs(given - right) <= tolerance).all():
            return f"in its self test {field.name} is {given.tolist()} instead of {right.tolist()}"
    wrong = _fault_of_clearing(backend) if isinstance(backend, ClearsNetworks) else ""
    return wrong or (_fault_of_spreading(backend) if isinstance(backend, SpreadsLosses) else "")


def _fault_of_clearing(backend: ClearsNetworks) -> str:
    """The same of a network with ranks, a circle and default costs, under a few shocks."""
    owed = Obligations.of(
        debtor=np.array([0, 1, 2, 0, 2]),
        creditor=np.array([1, 2, 0, 3, 3]),
        amount=np.array([4.0, 5.0, 3.0, 2.0, 1.0]),
        rank=np.array([0, 1, 0, 1, 1]),
        external_liabilities=np.array([1.0, 1.0, 0.0, 2.0]),
        external_rank=np.zeros(4, dtype=np.int64),
    )
    shocks = np.array([[9.0, 9.0, 9.0, 9.0], [1.0, 2.0, 0.5, 0.0], [5.0, 0.0, 0.0, 1.0]])
    ours, right = (
        one.clear(owed, shocks, (0.8, 0.9), "greatest", 1 << 24) for one in (backend, NumpyBackend())
    )
    for name in ("payments", "equity", "round", "rounds"):
        given, wanted = getattr(ours, name), getattr(right, name)
        if given.shape != wanted.shape or not (np.abs(given - wanted) <= 10 * ACCURACY * owed.largest).all():
            return f"in its self test {name} of a clearing is {given.tolist()} instead of {wanted.tolist()}"
    return ""


def _fault_of_spreading(backend: SpreadsLosses) -> str:
    """The same of losses that go round a circle of claims and out of it, by every rule."""
    debts = np.array([[0.0, 3.0, 1.0, 0.0], [0.0, 0.0, 4.0, 0.0], [2.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 0.0]])
    exposures = Exposures.of(sparse.csr_array(debts.T), np.array([2.0, 2.5, 3.5, 9.0]), np.full(4, 0.9))
    shocks = EquityShocks.of(sparse.csr_array([[2.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.1, 0.0], [0.0] * 4]))
    for rule in get_args(Rule):
        ours, right = (
            one.spread(exposures, shocks, rule, 9, 1 << 24, 1 << 24) for one in (backend, NumpyBackend())
        )
        for name in ("start", "node", "value", "other", "moving"):
            given, wanted = getattr(ours, name), getattr(right, name)
            if given.shape != wanted.shape or not np.allclose(given, wanted, rtol=AMOUNTS, atol=0.0):
                shown = f"{given.tolist()} instead of {wanted.tolist()}"
                return f"in its self test {name} of losses that spread by the rule {rule} is {shown}"
    return ""
