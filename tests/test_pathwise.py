"""Pathwise derivatives: closed forms, what differences of the same paths tend to, and a refusal where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import gpustress as gs
from build import Row, entity, flow, scenario, small
from gpustress.answers.experiment import Experiment, RunOptions
from gpustress.answers.pathwise import path_derivatives
from gpustress.answers.statistic import read_statistic
from gpustress.tail import Tail

YEARS, RATE = 5, 0.08
FACTORS = [
    {"name": "demand", "process": "gbm", "drift": 0.05, "volatility": 0.3, "jump_rate": 0.5, "jump_mean": -0.1,
     "jump_volatility": 0.1, "floor": 0.2},
    {"name": "price", "process": "log_ou", "initial": 2.0, "mean": 1.5, "reversion": 0.5, "volatility": 0.4,
     "floor": 0.5, "cap": 2.5},
    {"name": "rate", "process": "ou", "initial": 0.04, "mean": 0.03, "reversion": 0.8, "volatility": 0.02},
    {"name": "appetite", "process": "logit_ou", "initial": 0.4, "mean": 0.6, "reversion": 0.9, "volatility": 0.5},
]  # fmt: skip
SIMILAR = [{"factor_a": "demand", "factor_b": "price", "value": 0.6},
           {"factor_a": "rate", "factor_b": "appetite", "value": -0.5}]  # fmt: skip


def world(**more: Any) -> gs.System:
    """Every way in which a flow follows a factor: powers, an index, a driver of a driver, a loan drawn, a book."""
    tables: dict[str, list[Row]] = {
        "entities": [entity("firm", 5.0, hazard=0.2), entity("bank", 50.0)],
        "factors": FACTORS,
        "correlations": SIMILAR,
        "flows": [
            flow("use", None, None, 10.0, "fee", growth=0.1),
            flow("sales", None, "firm", 0.8, "revenue", driver="use"),
            flow("tax", "firm", None, 0.2, "tax", driver="sales"),
            flow("rent", "firm", None, 30.0, "rent", index="rate", spread=-0.01),
            flow("plant", "firm", None, 6.0, "capex", life=2.0, opening_book=4.0),
        ],
        "sensitivities": [
            {"target": "use", "factor": "demand", "elasticity": 1.5},
            {"target": "sales", "factor": "price", "elasticity": 0.7},
            {"target": "plant", "factor": "appetite", "elasticity": 2.0},
            {"target": "plant", "factor": "demand", "elasticity": -0.3},
        ],
        "loans": [{"name": "loan", "borrower": "firm", "lender": "bank", "principal": 9.0, "index": "rate",
                   "spread": 0.03, "draw": 1, "years": 3.0, "amortisation": "linear"}],
        "measures": [
            {"measure": "net", "flow": line, "weight": weight}
            for line, weight in (("sales", 1.0), ("tax", -1.0), ("rent", -1.0), ("plant", -1.0), ("loan.draw", 1.0),
                                 ("loan.interest", -1.0), ("loan.principal", -1.0))
        ] + [{"measure": "profit", "flow": line, "weight": weight}
             for line, weight in (("sales", 1.0), ("plant:depreciation", -1.0), ("plant:impairment", -1.0))],
        "scenarios": scenario("asked", ("flow.sales.scale", "set", 0.7), ("factor.price.value", "scale", 1.2, 1, 3),
                              ("factor.rate.shift", "add", 0.005), ("flow.loan.draw.scale", "set", 0.8, 1, 1),
                              ("correlation.stress", "set", 0.1)),
    }  # fmt: skip
    return small(periods=YEARS, discount_rate=RATE, **(tables | more))


ADDRESSES = [
    *(f"flow.{name}.scale" for name in ("use", "sales", "kind:tax", "loan.draw", "loan.interest", "plant")),
    *(f"factor.demand.{field}" for field in ("shift", "drift", "volatility", "value")),
    *(f"factor.price.{field}" for field in ("shift", "mean", "volatility", "value")),
    *(f"factor.rate.{field}" for field in ("shift", "mean", "value")),
    *(f"factor.appetite.{field}" for field in ("shift", "mean", "volatility", "drift")),
]


def derivatives(system: gs.System, names: Any, method: str, **more: Any) -> dict[str, dict[str, Any]]:
    given = {"measure": "net", "effects": "none", "paths": 400, "seed": 5, "scenario": "asked"} | more
    found = gs.sensitivities(system, names, method=method, **given)
    return {row["parameter"]: row for row in found.table.to_pylist()}


@pytest.mark.parametrize(
    ("measure", "figure", "statistic"),
    [("net", "npv", "mean"), ("net", "total", "expected_shortfall"), ("net", "trough", "mean"),
     ("profit", "npv", "mean")],
)  # fmt: skip
def test_they_are_what_small_differences_of_the_same_paths_are(
    measure: str, figure: str, statistic: str
) -> None:
    asked = {"measure": measure, "figure": figure, "statistic": statistic, "level": 0.8}
    pathwise = derivatives(world(), ADDRESSES, "pathwise", **asked)
    small_steps = derivatives(world(), dict.fromkeys(ADDRESSES, 1e-6), "differences", **asked)
    assert sum(abs(row["derivative"]) > 1e-3 for row in pathwise.values()) >= (
        10 if measure == "profit" else 18
    )
    for name in ADDRESSES:
        own, difference = pathwise[name], small_steps[name]
        # So small that no path crosses a kink (cap, floor of an index, lowest period, edge of the tail) within it.
        assert own["derivative"] == pytest.approx(difference["derivative"], rel=1e-5, abs=1e-6), name
        if statistic == "mean":
            assert own["standard_error"] == pytest.approx(difference["standard_error"], rel=0.01, abs=1e-6), (
                name
            )
        assert own["unstressed"] == difference["unstressed"]
        assert (own["scheme"], own["bias"], own["step"]) == ("pathwise", 0.0, None)


def test_the_standard_error_of_a_tails_derivative_is_its_spread_over_samples() -> None:
    """250 samples of 400 paths, cut from one run; that of `sensitivities` is the first of them."""
    names, size = ["factor.demand.shift", "flow.sales.scale"], 400
    system, asked = world(), {"statistic": "expected_shortfall", "level": 0.8}
    of = read_statistic(
        system, measure="net", figure="npv", positions=None, entity=None, horizon=None, **asked
    )
    options = RunOptions(250 * size, 5, "none", "auto", None, None, None, None)
    values, slopes = path_derivatives(
        Experiment(system, None, "asked", of, options, 0.95), "net", "npv", names
    )
    found, errors = [], []
    for first in range(0, len(values), size):
        part = slopes[:, first : first + size].T
        one, error = Tail(-values[first : first + size], 0.8).contributions(part.__getitem__)
        found.append(one)
        errors.append(error)
    assert np.mean(errors, axis=0) == pytest.approx(np.std(found, axis=0, ddof=1), rel=0.2)
    told = derivatives(system, names, "pathwise", **asked)
    for place, name in enumerate(names):
        assert told[name]["derivative"] == pytest.approx(found[0][place], rel=1e-12)
        assert told[name]["standard_error"] == pytest.approx(errors[0][place], rel=1e-9)


def test_of_a_lognormal_factor_they_are_those_of_the_closed_form() -> None:
    """E[X(t)^2] = exp((2 mu + sigma^2) (t + 1)), and its derivatives."""
    system = small(
        periods=YEARS, discount_rate=RATE, entities=[entity("firm")],
        factors=[{"name": "demand", "process": "gbm", "drift": 0.05, "volatility": 0.2}],
        flows=[flow("sales", None, "firm", 10.0, "revenue")], measures=[{"measure": "net", "flow": "sales"}],
        sensitivities=[{"target": "sales", "factor": "demand", "elasticity": 2.0}],
    )  # fmt: skip
    t = np.arange(1, YEARS + 1)
    sales = 10.0 * np.exp((0.1 + 0.04) * t) * (1 + RATE) ** -t
    exact = {"factor.demand.shift": 2 * sales.sum(), "factor.demand.drift": (2 * t * sales).sum(),
             "factor.demand.volatility": (0.4 * t * sales).sum(), "flow.sales.scale": sales.sum()}  # fmt: skip
    found = derivatives(system, list(exact), "pathwise", paths=20_000, scenario=None)
    for name, value in exact.items():
        assert abs(found[name]["derivative"] - value) <= 4.0 * found[name]["standard_error"]
        assert found[name]["standard_error"] < 0.05 * abs(value)


def test_where_factors_are_given_their_processes_are_not_asked() -> None:
    own = {
        "path": np.repeat([0, 1], YEARS),
        "period": np.tile(np.arange(YEARS), 2),
        "demand": np.linspace(0.5, 1.5, 2 * YEARS),
    }
    names = ["factor.demand.shift", "factor.demand.volatility", "factor.demand.value"]
    found = derivatives(world(), names, "pathwise", factors=pa.table(own), paths=2)
    assert [found[name]["derivative"] == 0.0 for name in names] == [True, True, False]


def test_few_bytes_change_no_derivative() -> None:
    whole = derivatives(world(), ADDRESSES, "pathwise")
    assert derivatives(world(), ADDRESSES, "pathwise", memory=600_000) == whole


@pytest.mark.parametrize(
    ("names", "more", "argument", "message"),
    [
        (ADDRESSES, {"effects": "full"}, "effects", "a failure is a jump"),
        (ADDRESSES, {"figure": "payback", "statistic": "quantile"}, "figure", "whole periods jump"),
        (ADDRESSES, {"statistic": "quantile"}, "statistic", "no mean over paths"),
        (
            ADDRESSES,
            {"measure": None, "statistic": "failure_probability"},
            "measure",
            "failures and losses jump",
        ),
        (ADDRESSES, {"method": "adjoint"}, "method", "is no method"),
        (["entity.firm.cash"], {}, "parameters", "has no pathwise derivative"),
        (["factor.rate.reversion"], {}, "parameters", "has no pathwise derivative"),
        (["correlation.stress"], {}, "parameters", "has no pathwise derivative"),
        ({"flow.sales.scale": 0.1}, {}, "parameters", "pathwise there is none"),
        (["flow.nothing.scale"], {}, "parameters", "nothing"),
    ],
)
def test_what_has_none_is_refused(names: Any, more: dict[str, Any], argument: str, message: str) -> None:
    given = {"method": "pathwise"} | more
    with pytest.raises(gs.InputError, match=message) as caught:
        derivatives(world(), names, given.pop("method"), **given)
    assert caught.value.problems[0].table == argument


def test_at_the_end_of_a_parameters_range_differences_are_asked_for() -> None:
    still = world(factors=[{**row, "volatility": 0.0} for row in FACTORS],
                  scenarios=scenario("asked", ("flow.sales.scale", "set", 0.0, 2, 3)))  # fmt: skip
    with pytest.raises(gs.InputError) as caught:
        derivatives(still, ["factor.demand.volatility", "flow.sales.scale"], "pathwise")
    assert [problem.message.split(",")[0] for problem in caught.value.problems] == [
        "is 0",
        "is 0 in some period",
    ]
    assert math.isfinite(
        derivatives(still, ["factor.demand.drift"], "pathwise")["factor.demand.drift"]["derivative"]
    )
