"""Sensitivities: derivatives with a formula, pathwise derivatives, and the rule by which the step is chosen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import gpustress as gs
from build import entity, flow, small
from gpustress.answers.difference_quotients import Quotient, bias_at, chosen_step, is_settled

YEARS, DRIFT, RATE = 4, 0.05, 0.08


def business(**more: Any) -> gs.System:
    """Revenue of 10 a year times a factor squared, against costs of 30 a year."""
    tables: dict[str, Any] = {
        "entities": [entity("firm", 1e6, hazard=0.05)],
        "factors": [{"name": "demand", "process": "gbm", "drift": DRIFT, "volatility": 0.2}],
        "flows": [flow("sales", None, "firm", 10.0, "revenue"), flow("costs", "firm", None, 30.0, "opex")],
        "sensitivities": [{"target": "sales", "factor": "demand", "elasticity": 2.0}],
        "measures": [
            {"measure": "net", "flow": "sales", "weight": 1.0},
            {"measure": "net", "flow": "costs", "weight": -1.0},
        ],
    }
    return small(periods=YEARS, discount_rate=RATE, **(tables | more))


def by_name(found: gs.Sensitivities) -> dict[str, dict[str, Any]]:
    return {row["parameter"]: row for row in found.table.to_pylist()}


SMOOTH = {"measure": "net", "effects": "none", "paths": 2000}


def test_derivatives_of_a_mean_are_those_of_the_closed_form() -> None:
    """E[X(t)^2] = exp((2 mu + sigma^2) (t + 1)), and its derivatives by shift, drift, volatility and scale."""
    names = ["factor.demand.shift", "factor.demand.drift", "factor.demand.volatility", "flow.sales.scale",
             "flow.costs.scale"]  # fmt: skip
    found = by_name(gs.sensitivities(business(), names, seed=3, **{**SMOOTH, "paths": 20_000}))
    t = np.arange(1, YEARS + 1)
    discount = (1 + RATE) ** -t
    sales = 10.0 * np.exp((2 * DRIFT + 0.2**2) * t) * discount
    expected = {
        "factor.demand.shift": 2 * sales.sum(),
        "factor.demand.drift": (2 * t * sales).sum(),
        "factor.demand.volatility": (2 * 0.2 * t * sales).sum(),
        "flow.sales.scale": sales.sum(),
        "flow.costs.scale": -30.0 * discount.sum(),
    }
    for name, value in expected.items():
        row = found[name]
        assert abs(row["derivative"] - value) <= 4.0 * row["standard_error"] + 2.0 * row["bias"] + 1e-9 * abs(
            value
        )
    assert found["flow.costs.scale"]["standard_error"] == pytest.approx(0.0, abs=1e-9)


def test_the_derivative_of_a_probability_of_failure_is_that_of_the_exponential_law() -> None:
    found = gs.sensitivities(
        business(), ["entity.firm.hazard"], statistic="failure_probability", paths=20_000
    )
    row = by_name(found)["entity.firm.hazard"]
    exact = YEARS * math.exp(-0.05 * YEARS)
    assert abs(row["derivative"] - exact) <= 4.0 * row["standard_error"] + row["bias"]
    assert row["step"] == 0.025  # the largest: smaller ones are noisier and tell nothing else
    assert found.value == pytest.approx(-math.expm1(-0.05 * YEARS), abs=0.015)


@pytest.mark.parametrize(("statistic", "level"), [("quantile", 0.3), ("expected_shortfall", 0.8)])
def test_derivatives_of_the_tail_are_those_of_the_lognormal_law(statistic: str, level: float) -> None:
    """By the scale of one lognormal payment: the quantile, and the mean of the lowest, are linear in it."""
    system = business(flows=[flow("sales", None, "firm", 10.0, "revenue", start=0, end=0)],
                      measures=[{"measure": "net", "flow": "sales"}])  # fmt: skip
    found = gs.sensitivities(system, ["flow.sales.scale"], statistic=statistic, level=level,
                             **{**SMOOTH, "figure": "total"})  # fmt: skip
    row = by_name(found)["flow.sales.scale"]
    assert row["derivative"] == pytest.approx(found.value, rel=1e-9)
    assert row["standard_error"] == pytest.approx(found.standard_error, rel=1e-3)


def test_a_hazard_of_0_gets_forward_differences() -> None:
    system = business(entities=[entity("firm", 1e6, hazard=0.0)])
    found = gs.sensitivities(system, ["entity.firm.hazard"], statistic="failure_probability", paths=20_000)
    row = by_name(found)["entity.firm.hazard"]
    assert row["scheme"] == "forward"
    assert abs(row["derivative"] - YEARS) <= 4.0 * row["standard_error"] + 2.0 * row["bias"]


def quotient(step: float, value: float, noise: float) -> Quotient:
    influence = noise * np.resize([-1.0, 1.0], 100) * (1.0 + np.arange(100) % 7)
    return Quotient(step, value, float(np.std(influence, ddof=1) / 10), 0.0, 1.0, influence)


@pytest.mark.parametrize("order", [1, 2])
def test_the_bias_of_every_step_is_told_exactly_where_it_is_of_the_schemes_order(order: int) -> None:
    """Of 1 + 5 h^order the bias is 5 h^order, whether the next step tells it or, of the least, the one before."""
    steps = [quotient(step, 1.0 + 5.0 * step**order, 0.0) for step in (0.4, 0.2, 0.1, 0.05)]
    told = [bias_at(steps, place, order) for place in range(len(steps))]
    assert told == pytest.approx([5.0 * one.step**order for one in steps], rel=1e-12)


def test_the_largest_step_whose_bias_does_not_show_is_taken() -> None:
    steps = [quotient(step, 1.0 + 5.0 * step**2, 0.04 / math.sqrt(step)) for step in (0.4, 0.2, 0.1, 0.05)]
    assert chosen_step(steps, 1.0) == 2
    assert chosen_step([quotient(step, 1.0, 0.01) for step in (0.4, 0.2, 0.1)], 1.0) == 0
    biased = [quotient(step, 1.0 + 5.0 * step**2, 0.0) for step in (0.4, 0.2, 0.1)]
    assert chosen_step(biased, 1.0) == 2


def test_a_step_at_which_hardly_a_path_moves_does_not_decide() -> None:
    def few(step: float, count: int) -> Quotient:
        moved = (np.arange(1000) < count) / step / 2
        return Quotient(
            step, float(moved.mean()), float(np.std(moved) / 31.6), 0.0, 0.0, moved - moved.mean()
        )

    assert chosen_step([few(0.4, 40), few(0.2, 3), few(0.1, 0)], 0.5) == 0
    assert chosen_step([few(0.4, 4), few(0.2, 3), few(0.1, 0)], 0.5) == 0


@pytest.mark.parametrize(
    ("values", "noise", "settled"),
    [
        ([1.0, 1.0, 1.0], 0.01, True),
        ([1.8, 1.2, 1.05, 1.0125], 0.0, True),  # 1 + 5 h^2: no two agree, and each is nearer
        ([3.0, 2.0, 1.5, 1.25], 0.0, True),  # 1 + 5 h
        ([0.015, 0.018, 0.024, 0.046], 0.0005, False),  # a jump of the same height
        ([1.0, 2.0, 4.0, 8.0], 0.0, False),
        ([0.0, 0.0, 0.0], 0.0, True),
    ],
)
def test_a_derivative_that_no_smaller_step_bears_out_is_not_settled(
    values: list[float], noise: float, settled: bool
) -> None:
    steps = [quotient(0.4 / 2**k, value, noise) for k, value in enumerate(values)]
    assert is_settled(steps, chosen_step(steps, 1.0)) is settled


def test_a_jump_of_the_statistic_is_not_taken_for_a_slope() -> None:
    """Who owes 40 and has 40 fails with any cash less: half of the paths, those on which it gets nothing else."""
    jumps = small(
        periods=1,
        entities=[entity("firm", 40.0), entity("other", 0.0)],
        factors=[{"name": "luck", "process": "ou", "mean": 0.0, "initial": 0.0, "reversion": 1.0,
                  "volatility": 1.0, "floor": 0.0}],
        flows=[flow("debt", "firm", "other", 40.0, "rent"), flow("gain", None, "firm", 10.0, "revenue", index="luck")],
    )  # fmt: skip
    asked = {"entity": "firm", "statistic": "failure_probability", "paths": 400}
    row = by_name(gs.sensitivities(jumps, ["entity.firm.cash"], **asked))["entity.firm.cash"]
    assert not row["settled"]
    assert row["up"] - row["down"] == pytest.approx(-0.5, abs=0.1)


def test_steps_of_ones_own_are_taken_and_all_are_told() -> None:
    found = gs.sensitivities(business(), {"factor.demand.shift": 0.5, "flow.sales.scale": None}, **SMOOTH)
    told = [row["step"] for row in found.steps.to_pylist()]
    assert told == [0.5 / 2**k for k in range(5)] + [0.2 / 2**k for k in range(5)]


@pytest.mark.parametrize(
    "parameters",
    [
        "factor.demand.shift",
        [],
        ["factor.demand.nothing"],
        [""],
        ["\ud800"],
        [None],
        ["flow.sales.scale", "flow.sales.scale"],
        b"flow.sales.scale",
        {"factor.demand.shift": math.nan},
        {"factor.demand.shift": 5e-324},
        {"flow.sales.scale": 1e-17},
        {"factor.demand.shift": 0.0},
        {"flow.sales.scale": 2.0},
    ],
)
def test_bad_parameters_are_named(parameters: Any) -> None:
    with pytest.raises(gs.InputError) as caught:
        gs.sensitivities(business(), parameters, **SMOOTH)
    assert caught.value.problems[0].table == "parameters"


def test_without_noise_the_bias_that_is_told_is_the_error() -> None:
    """Of e^2s; the least step is taken, and two steps tell what it misses."""
    still = business(factors=[{"name": "demand", "process": "gbm", "drift": DRIFT}])
    row = by_name(gs.sensitivities(still, ["factor.demand.shift"], **SMOOTH))["factor.demand.shift"]
    t = np.arange(1, YEARS + 1)
    exact = 2.0 * (10.0 * np.exp(2 * DRIFT * t) * (1 + RATE) ** -t).sum()
    assert row["derivative"] - exact == pytest.approx(row["bias"], rel=0.01)
