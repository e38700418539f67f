"""The reference job: one generator, one system, for every timing.

32 entities, 8 factors, 128 flows (those of loans included), 40 quarters, 1 scenario, effects full. Each entity has
revenue that follows factors, costs that follow revenue, rents and dividends to the next (so that they run in circles),
capex with tenants, funding that stops when somebody stops, and every second one a loan.
"""

from __future__ import annotations

import random
from typing import Any

from gpustress import System

ENTITIES, FACTORS, FLOWS, PERIODS, PER_YEAR = 32, 8, 128, 40, 4
LOANS = 16  # each gives two flows
PATHS = 100_000
SEED = 7
Rows = list[dict[str, Any]]


def reference_system(seed: int = 1) -> System:
    """The reference system; the same seed gives the same system."""
    return system_of(reference_tables(seed))


def reference_tables(seed: int = 1) -> dict[str, Rows]:
    """The tables of the reference system."""
    choose = random.Random(seed)
    names = [f"firm_{i:02d}" for i in range(ENTITIES)]
    flows, sensitivities = _flows(choose, names)
    return {
        "entities": _entities(choose, names),
        "factors": _factors(),
        "correlations": [
            {"factor_a": f"factor_{i}", "factor_b": f"factor_{j}", "value": 0.3}
            for i in range(FACTORS) for j in range(i)
        ],
        "flows": flows,
        "sensitivities": sensitivities,
        "loans": _loans(choose, names),
        "exposures": [
            {"holder": name, "issuer": names[(i + 5) % ENTITIES], "amount": 6.0, "recovery": 0.4}
            for i, name in enumerate(names)
        ],
        "measures": [
            {"measure": measure, "flow": f"kind:{kind}", "weight": weight}
            for measure, kinds in (("income", ("revenue", "opex")), ("debt_service", ("interest", "principal")))
            for kind, weight in zip(kinds, (1.0, -1.0), strict=True)
        ] + [{"measure": "free_cash", "flow": f"kind:{kind}", "weight": weight}
             for kind, weight in (("revenue", 1.0), ("opex", -1.0), ("rent", -1.0), ("capex", -1.0))],
    }  # fmt: skip


def system_of(tables: dict[str, Rows], periods: int = PERIODS) -> System:
    """A system of such tables."""
    return System(
        name="reference",
        periods=periods,
        periods_per_year=PER_YEAR,
        discount_rate=0.06,
        default_costs=(0.9, 0.95),
        **{name: columns(rows) for name, rows in tables.items()},  # type: ignore[arg-type]
    )


def columns(rows: Rows) -> dict[str, list[Any]]:
    """Rows as columns; what a row leaves out is null."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _factors() -> Rows:
    processes = ("gbm", "gbm", "log_ou", "log_ou", "ou", "ou", "logit_ou", "gbm")
    rows: Rows = []
    for i, process in enumerate(processes):
        row: dict[str, Any] = {"name": f"factor_{i}", "process": process, "initial": 1.0, "volatility": 0.2}
        if process == "gbm":
            row["drift"] = 0.01
        else:
            row["reversion"] = 0.5
        if process == "ou":
            row |= {"initial": 0.04, "volatility": 0.01}
        if process == "logit_ou":
            row |= {"initial": 0.6, "volatility": 0.3}
        if i == 7:
            row |= {"jump_rate": 0.2, "jump_mean": -0.1, "jump_volatility": 0.1}
        rows.append(row)
    return rows


def _entities(choose: random.Random, names: list[str]) -> Rows:
    return [
        {
            "name": name,
            "cash": choose.uniform(3.0, 14.0),
            "credit_line": choose.choice((0.0, 0.0, 6.0)),
            "reserve": choose.choice((2.0, 4.0, 6.0)),
            "cash_rate": 0.01,
            "line_rate": 0.08,
            "other_assets": choose.uniform(30.0, 90.0),
            "other_debt": choose.uniform(10.0, 40.0),
            "hazard": choose.uniform(0.002, 0.02),
            "solvency_trigger": i % 2 == 0,
        }
        for i, name in enumerate(names)
    ]


def _flows(choose: random.Random, names: list[str]) -> tuple[Rows, Rows]:
    """Revenue and costs of each entity, then rents in a circle, capex with tenants and funding."""
    flows: Rows = []
    sensitivities: Rows = []
    count = FLOWS - 2 * LOANS
    for i, name in enumerate(names):
        amount = choose.uniform(16.0, 26.0)
        flows.append({"name": f"revenue_{i:02d}", "receiver": name, "kind": "revenue", "amount": amount})
        first = choose.randrange(4)
        for factor, elasticity in ((first, choose.uniform(0.5, 1.0)), (7 if i % 4 == 0 else 6, 0.5)):
            sensitivities.append(
                {"target": f"revenue_{i:02d}", "factor": f"factor_{factor}", "elasticity": elasticity}
            )
        sensitivities.append({"target": name, "factor": f"factor_{first}", "elasticity": -1.0})
        flows.append({"name": f"opex_{i:02d}", "payer": name, "kind": "opex", "driver": f"revenue_{i:02d}",
                      "amount": choose.uniform(0.74, 0.86)})  # fmt: skip
    for i in range(count - 2 * ENTITIES):
        payer = names[i % ENTITIES]
        other = names[(i + 1 + i // 8) % ENTITIES]
        kind = ("rent", "capex", "dividend", "rent", "funding", "dividend", "rent", "dividend")[i % 8]
        amount = choose.uniform(*{"rent": (8.0, 20.0), "dividend": (20.0, 40.0)}.get(kind, (2.0, 7.0)))
        row: dict[str, Any] = {"name": f"{kind}_{i:02d}", "payer": payer, "receiver": other, "kind": kind,
                               "amount": amount}  # fmt: skip
        if kind == "rent":
            row |= {"relet_lag": 2, "relet_price": 0.5}
        if kind == "capex":
            row |= {
                "life": 5.0,
                "opening_book": 12.0,
                "tenant": names[(i + 9) % ENTITIES],
                "relet_price": 0.4,
            }
        flows.append(row)
    return flows, sensitivities


def _loans(choose: random.Random, names: list[str]) -> Rows:
    rows: Rows = []
    for i in range(LOANS):
        borrower, lender = names[2 * i], names[(2 * i + 3) % ENTITIES]
        row: dict[str, Any] = {"name": f"loan_{i:02d}", "borrower": borrower, "lender": lender,
                               "principal": choose.uniform(12.0, 30.0), "years": 4.0 + i % 5, "recovery": 0.4,
                               "amortisation": ("bullet", "linear", "annuity")[i % 3]}  # fmt: skip
        rows.append(row | ({"rate": 0.06} if i % 3 == 2 else {"index": "factor_4", "spread": 0.02}))
    return rows
