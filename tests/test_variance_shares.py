"""Sobol indices: shares with a formula, and the run's own factors made again from independent shocks."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

import gpustress as gs
from build import Row, entity, flow, scenario, small
from gpustress.answers.factor_shocks import draw_shocks, factor_table, factor_values
from gpustress.compilation import compile_program


def world(volatilities: tuple[float, ...], **more: Any) -> gs.System:
    """Revenue of 1, 2, ... a year, each times its own factor, over one year; nobody owes anything."""
    names = [f"f{i}" for i in range(len(volatilities))]
    tables: dict[str, list[Row]] = {
        "entities": [entity("firm", 1e6)],
        "factors": [
            {"name": n, "process": "gbm", "volatility": v} for n, v in zip(names, volatilities, strict=True)
        ],
        "flows": [flow(f"sales_{n}", None, "firm", 1.0 + i, "revenue") for i, n in enumerate(names)],
        "sensitivities": [{"target": f"sales_{n}", "factor": n, "elasticity": 1.0} for n in names],
        "measures": [{"measure": "net", "flow": f"sales_{n}"} for n in names],
    }
    return small(periods=1, **(tables | more))


def shares(system: gs.System, output: str = "npv:net", **more: Any) -> dict[str, dict[str, Any]]:
    found = gs.sobol_indices(system, **({"measures": ["net"], "paths": 4000, "seed": 4} | more))
    return {row["factor"]: row for row in found.to_pylist() if row["output"] == output}


def test_of_a_sum_of_independent_factors_first_and_total_are_shares_of_variance() -> None:
    volatilities = (0.3, 0.2, 0.0)
    found = shares(world(volatilities))
    variance = [(1.0 + i) ** 2 * math.expm1(v**2) for i, v in enumerate(volatilities)]
    for i, value in enumerate(variance):
        row = found[f"f{i}"]
        assert abs(row["first"] - value / sum(variance)) <= 4.0 * row["first_error"] + 1e-12
        assert abs(row["total"] - value / sum(variance)) <= 4.0 * row["total_error"] + 1e-12
    assert found["credit events"]["total"] == pytest.approx(0.0, abs=1e-12)


def test_of_a_product_the_total_holds_the_interaction() -> None:
    """Of X Y with E = 1 and variances v: first v / (2 v + v^2), total (v + v^2) / (2 v + v^2)."""
    both = [{"target": "sales_f0", "factor": name, "elasticity": 1.0} for name in ("f0", "f1")]
    system = world((0.8, 0.8), sensitivities=both, measures=[{"measure": "net", "flow": "sales_f0"}])
    v = math.expm1(0.8**2)
    for name in ("f0", "f1"):
        row = shares(system, paths=20_000)[name]
        assert abs(row["first"] - v / (2 * v + v**2)) <= 4.0 * row["first_error"]
        assert abs(row["total"] - (v + v**2) / (2 * v + v**2)) <= 4.0 * row["total_error"]


def test_correlated_twins_have_equal_shares_whatever_their_order() -> None:
    system = world((0.1, 0.1), correlations=[{"factor_a": "f0", "factor_b": "f1", "value": 0.8}],
                   flows=[flow(f"sales_f{i}", None, "firm", 1.0, "revenue") for i in (0, 1)])  # fmt: skip
    found = shares(system)
    for name in ("f0", "f1"):
        assert abs(found[name]["first"] - 0.5) <= 4.0 * found[name]["first_error"]


def test_failures_by_hazard_are_due_to_the_entities_own_draws() -> None:
    system = world((0.3,), entities=[entity("firm", 1e6, hazard=0.3), entity("safe", 1e6)])
    row = shares(system, "failure:firm")["credit events"]
    assert abs(row["first"] - 1.0) <= 4.0 * row["first_error"]
    assert row["total"] == pytest.approx(1.0, abs=4.0 * row["total_error"])
    assert shares(system, "failure:safe")["credit events"]["first"] is None


PROCESSES = [
    {"name": "a", "process": "gbm", "drift": 0.1, "volatility": 0.3, "jump_rate": 1.0, "jump_mean": -0.2,
     "jump_volatility": 0.1},
    {"name": "b", "process": "log_ou", "initial": 2.0, "mean": 1.5, "reversion": 0.5, "volatility": 0.2},
    {"name": "c", "process": "ou", "initial": 0.02, "reversion": 1.0, "volatility": 0.01, "floor": 0.01},
    {"name": "d", "process": "logit_ou", "initial": 0.3, "mean": 0.6, "reversion": 1.0, "volatility": 0.5},
]  # fmt: skip


def test_the_first_sample_is_that_of_a_run_with_the_same_seed() -> None:
    correlations = [{"factor_a": "a", "factor_b": "b", "value": 0.7}, {"factor_a": "c", "factor_b": "b", "value": -0.4},
                    {"factor_a": "d", "factor_b": "a", "value": 0.2}]  # fmt: skip
    rows = scenario("s", ("factor.a.shift", "set", 0.3, 2, 4), ("factor.b.value", "scale", 0.5),
                    ("factor.d.volatility", "set", 0.7), ("correlation.stress", "set", 0.2))  # fmt: skip
    system = small(
        periods=6, periods_per_year=2.0, factors=PROCESSES, correlations=correlations, scenarios=rows
    )
    record = [f"factor:{name}" for name in system.factor_names]
    run = gs.simulate(system, paths=50, seed=9, record=record)
    program = compile_program(system, run.scenario_table, ("full",))
    own = factor_table(system.factor_names, factor_values(program, 0, draw_shocks(program, 0, 9, 50)))
    again = gs.simulate(system, paths=50, seed=9, record=record, factors=own)
    for name in record:
        np.testing.assert_allclose(again.series[name], run.series[name], rtol=1e-11)


def test_perfect_correlation_leaves_the_run_what_it_is() -> None:
    system = world((0.3, 0.2), correlations=[{"factor_a": "f0", "factor_b": "f1", "value": 1.0}])
    program = compile_program(system, gs.simulate(system, paths=1).scenario_table, ("full",))
    own = factor_table(system.factor_names, factor_values(program, 0, draw_shocks(program, 0, 3, 40)))
    run = gs.simulate(system, paths=40, seed=3, record=["factor:f1"])
    np.testing.assert_allclose(own["f1"].to_numpy(), run.series["factor:f1"][0, :, 0], rtol=1e-9)


def test_the_same_seed_gives_the_same_shares_and_the_same_errors() -> None:
    assert shares(world((0.3, 0.2)), paths=300) == shares(world((0.3, 0.2)), paths=300)


def test_an_unknown_measure_is_named() -> None:
    with pytest.raises(gs.InputError, match="names no measure"):
        gs.sobol_indices(world((0.1,)), measures=["nothing"], paths=2)


def test_without_salib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SALib.analyze", None)
    with pytest.raises(gs.InputError, match=r"gpustress\[attribution\]"):
        gs.sobol_indices(world((0.1,)), paths=2)
