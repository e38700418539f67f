"""Systems from (settings, tables of row dicts), the form that strategies.py gives and oracle.py takes."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

import gpustress
from gpustress import Replay, System
from gpustress.schema import REQUIRED, SCHEMAS

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def examples(count: int) -> hypothesis_settings:
    """Settings of a property that deserves `count` examples in CI; other profiles draw in proportion."""
    return hypothesis_settings(max_examples=max(1, count * hypothesis_settings.default.max_examples // 100))


def columns(table: str, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows as columns; a table without rows has its required columns."""
    required = [column.name for column in SCHEMAS[table].columns if column.default is REQUIRED]
    names = dict.fromkeys(name for row in rows for name in row) if rows else required
    return {name: [row.get(name) for row in rows] for name in names}


def system(settings: dict[str, Any], tables: Tables, package: ModuleType = gpustress) -> System:
    """A System of a package: of gpustress, or of a copy of it."""
    given = {"flows": [], **tables}
    made: System = package.System(
        **settings, **{name: columns(name, rows) for name, rows in given.items() if rows or name == "flows"}
    )
    return made


def small(
    *,
    periods: int = 1,
    periods_per_year: float = 1.0,
    discount_rate: float = 0.0,
    default_costs: tuple[float, float] = (1.0, 1.0),
    **tables: list[Row],
) -> System:
    """A system for an example worked by hand: years as periods, unless said otherwise."""
    settings = {
        "name": "by hand",
        "periods": periods,
        "periods_per_year": periods_per_year,
        "discount_rate": discount_rate,
        "default_costs": default_costs,
    }
    return system(settings, {"entities": [entity("anybody")], **tables})


def entity(name: str, cash: float = 0.0, **more: Any) -> Row:
    return {"name": name, "cash": cash, **more}


def flow(
    name: str, payer: str | None, receiver: str | None, amount: float, kind: str = "fee", **more: Any
) -> Row:
    return {"name": name, "payer": payer, "receiver": receiver, "kind": kind, "amount": amount, **more}


def scenario(name: str, *changes: tuple[str, str, float] | tuple[str, str, float, int, int]) -> list[Row]:
    """Rows of the scenarios table; a change is (parameter, op, value[, start, end])."""
    keys = ("parameter", "op", "value", "start", "end")
    return [{"scenario": name} | dict(zip(keys, change, strict=False)) for change in changes]


def crowd(count: int) -> System:
    """Entities in a ring of debts, each with a little cash and a factor that moves its revenue."""
    names = [f"bank_{i}" for i in range(count)]
    rows = [entity(name, cash=0.5 + i % 3, credit_line=float(i % 2)) for i, name in enumerate(names)]
    flows = [flow(f"sales_{i}", None, name, 10.0 + i % 4, kind="revenue") for i, name in enumerate(names)]
    flows += [flow(f"costs_{i}", name, None, 10.5, kind="opex") for i, name in enumerate(names)]
    if count > 1:
        flows += [
            flow(f"debt_{i}", name, names[(i + 1) % count], 30.0 + i % 5, kind="principal")
            for i, name in enumerate(names)
        ]
    return small(
        periods=8,
        periods_per_year=4,
        default_costs=(0.9, 0.95),
        entities=rows,
        flows=flows,
        factors=[{"name": "demand", "process": "gbm", "volatility": 0.3}],
        sensitivities=[
            {"target": f"sales_{i}", "factor": "demand", "elasticity": 0.5 + i % 2} for i in range(count)
        ],
        measures=[{"measure": "sales", "flow": "kind:revenue"}],
    )


def ring_of_the_short(leak: float) -> System:
    """Three without means owe each other in a circle; the less it leaks, the more updates it takes to settle."""
    names = ("a", "b", "c")
    return small(
        entities=[entity(name) for name in names],
        flows=[flow(f"from_{a}", a, b, 1.0) for a, b in zip(names, "bca", strict=True)]
        + [flow("leak", "a", None, leak), flow("income", None, "a", 0.4 * leak)],
        factors=[{"name": "demand", "process": "gbm", "volatility": 0.3}],
        sensitivities=[{"target": "income", "factor": "demand", "elasticity": 1.0}],
        measures=[{"measure": "income", "flow": "income"}],
    )


def pass_through() -> Tables:
    """Who keeps its line in reserve, or owns what its debt paid for: but for rounding all end at 0."""
    tables: Tables = {"entities": [], "flows": [], "loans": [], "sensitivities": []}
    tables["factors"] = [{"name": name, "process": "gbm", "volatility": 0.3} for name in ("a", "b")]
    for name, line in {"vehicle": 1e-3, "vehicle with a line": 5e6}.items():
        tables["entities"].append(entity(name, credit_line=line, reserve=line, solvency_trigger=True))
        for factor, amount in {"a": 10.0, "b": 7.0}.items():
            income = f"{factor} of {name}"
            tables["flows"] += [
                flow(income, None, name, amount),
                flow(f"{factor} out of {name}", name, None, 100.0 * amount, "dividend"),
            ]
            tables["sensitivities"].append({"target": income, "factor": factor, "elasticity": 1.0})
    for i, principal in enumerate((0.1, 0.3, 0.7, 1.1)):
        name = f"borrower_{i}"
        terms = {"principal": principal, "rate": 0.0, "years": 6.0, "amortisation": "linear"}
        tables["entities"].append(entity(name, solvency_trigger=True))
        tables["loans"].append({"name": f"loan_{i}", "borrower": name, **terms})
        tables["flows"] += [
            flow(f"sales_{i}", None, name, principal / 6.0, end=5),
            flow(f"plant_{i}", name, None, 0.0, "capex", life=6.0, opening_book=principal),
        ]
    return tables


def every_series(made: System) -> list[str]:
    """All that `record=` can name."""
    names = [f"cash:{name}" for name in made.entity_names] + [f"flow:{name}" for name in made.flow_names]
    names += [f"measure:{name}" for name in made.measure_names]
    return [*names, *(f"factor:{name}" for name in made.factor_names), "estate"]


def by_item(table: pa.Table, column: str) -> dict[str, list[Any]]:
    """A column of a replay's table as a list over periods, by item (the table's second column)."""
    values: dict[str, list[Any]] = {}
    for item, value in zip(table.column(1).to_pylist(), table[column].to_pylist(), strict=True):
        values.setdefault(item, []).append(value)
    return values


def matrix(table: pa.Table, column: str, periods: int) -> NDArray[Any]:
    """A column of a replay's table as an array (T, items)."""
    return np.asarray(table[column].to_numpy(zero_copy_only=False)).reshape(periods, -1)


def paid(replay: Replay) -> dict[str, list[float]]:
    """What each flow paid, over periods."""
    return by_item(replay.flows, "paid")


def cash(replay: Replay) -> dict[str, list[float]]:
    """Each entity's cash at the end of each period."""
    return by_item(replay.entities, "closing_cash")
