"""Small systems, and results with made-up numbers, for tests of what comes after the simulation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from gpustress.compilation import compile_program
from gpustress.estimates import ScenarioRun
from gpustress.result import MeasureResult, Result
from gpustress.scenarios import Scenarios
from gpustress.schema import CAUSES, EFFECTS
from gpustress.system import System

NAMES = ("alpha", "[bold]beta", "gamma", "delta")


def made_system(count=3, periods=8, periods_per_year=4.0, discount_rate=0.05, **more):
    """A system whose entities owe each other a little; `more` are settings and tables."""
    names = NAMES[:count]
    tables = {
        "entities": {"name": names, "cash": [10.0] * count, "hazard": [0.1] * count},
        "flows": {
            "name": ["sales", "rent"],
            "receiver": [names[0], names[-1] if count > 1 else None],
            "payer": [None, names[0]],
            "kind": ["revenue", "rent"],
            "amount": [8.0, 4.0],
        },
        "measures": {
            "measure": ["net", "net", "gross"],
            "flow": ["sales", "rent", "sales"],
            "weight": [1.0, -1.0, 1.0],
        },
        "positions": {
            "name": [f"p{i}" for i in range(count)],
            "entity": names,
            "exposure": [100.0] * count,
        },
    }
    settings = {"name": "made", "currency": "EUR", "start": "2026-01-01"}
    settings |= {"periods": periods, "periods_per_year": periods_per_year, "discount_rate": discount_rate}
    return System(**(settings | tables | more))


def made_result(system=None, *, scenarios=None, effects=("full",), paths=50, seed=0, record=(), failing=0.5):
    """A result of the right shape and dtypes with random contents; its digest is the true one."""
    system = made_system() if system is None else system
    scenarios = Scenarios(pa.table({"scenario": ["base"]})) if scenarios is None else scenarios
    program = compile_program(system, scenarios.table, effects)
    several = len(effects) > 1
    runs = tuple(
        ScenarioRun(name, name.rsplit("/", 1)[0] if several else name, effect)
        for name, effect in zip(program.scenarios, program.effects, strict=True)
    )
    rng = np.random.default_rng(seed)
    periods, shape = system.settings.periods, (len(runs), paths)
    by_entity = (*shape, len(system.entity_names))
    failed_at = rng.integers(0, periods, by_entity).astype(np.int16)
    cause = rng.integers(1, len(CAUSES), by_entity).astype(np.int8)
    survives = rng.random(by_entity) >= failing
    failed_at[survives], cause[survives] = periods, 0
    assert set(effects) <= set(EFFECTS)
    measures = {
        name: MeasureResult(
            total=rng.normal(size=shape) * 1e9,
            npv=rng.normal(size=shape) * 1e9,
            trough=-rng.random(shape) * 1e9,
            payback=rng.integers(0, periods + 1, shape).astype(np.int16),
        )
        for name in system.measure_names
    }
    return Result(
        system=system,
        scenario_table=scenarios.table,
        coordinates=scenarios.coordinates,
        runs=runs,
        seed=seed,
        paths=paths,
        backend="numpy",
        digest=program.digest,
        factors_digest="",
        failed_at=failed_at,
        cause=cause,
        lowest_liquidity=rng.normal(size=by_entity),
        final_cash=rng.normal(size=by_entity),
        measures=measures,
        series={name: rng.normal(size=(*shape, periods)) for name in record},
        exact_finishes=rng.integers(0, 5, len(runs)),
    )


def with_failures(failed_at, system=None):
    """A result of one run with these periods of failure (P, N)."""
    failed_at = np.asarray(failed_at, dtype=np.int16)
    system = made_system(failed_at.shape[1]) if system is None else system
    made = made_result(system, paths=len(failed_at))
    cause = np.where(failed_at < system.settings.periods, CAUSES.index("liquidity"), 0)
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return Result(**fields | {"failed_at": failed_at[None], "cause": cause[None].astype(np.int8)})
