"""The likeliest point: distances with a formula, whether the boundary is flat, curved or a jump, and clear answers."""

from __future__ import annotations

import json
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import gpustress as gs
from build import Row, entity, flow, scenario, small

T = 4
DRIFT, VOLATILITY = 0.03, 0.4
RATES = [{"name": "short", "process": "ou", "initial": 0.05, "mean": 0.04, "reversion": 0.7, "volatility": 0.02},
         {"name": "long", "process": "ou", "initial": 0.06, "reversion": 0.1, "volatility": 0.01}]  # fmt: skip
SIMILAR = [{"factor_a": "short", "factor_b": "long", "value": 0.6}]


def shop(*, at: int = T - 1, cash: float = 0.0, **more: Any) -> gs.System:
    """Sales of 10 times demand against costs of 5, both in one period; who can't pay them fails."""
    tables: dict[str, list[Row]] = {
        "entities": [entity("shop", cash), entity("rival", 1e6)],
        "factors": [{"name": "demand", "process": "gbm", "drift": DRIFT, "volatility": VOLATILITY}],
        "flows": [flow("sales", None, "shop", 10.0, "revenue", start=at, end=at),
                  flow("costs", "shop", None, 5.0, "opex", start=at, end=at)],
        "sensitivities": [{"target": "sales", "factor": "demand", "elasticity": 1.0}],
        "measures": [{"measure": "net", "flow": "sales", "weight": 1.0},
                     {"measure": "net", "flow": "costs", "weight": -1.0}],
    }  # fmt: skip
    return small(periods=T, **(tables | more))


def distance_of(ratio: float, periods: int, elasticity: float = 1.0) -> float:
    """Standard deviations until X^elasticity is `ratio` after so many periods."""
    moved = math.log(ratio) / elasticity - (DRIFT - VOLATILITY**2 / 2) * periods
    return abs(moved) / (VOLATILITY * math.sqrt(periods))


@pytest.mark.parametrize("periods", [1, 2, T])
def test_of_one_lognormal_factor_it_is_the_move_of_its_logarithm(periods: int) -> None:
    found = gs.likeliest_point(shop(at=periods - 1, cash=9.0), measure="net", figure="total", target=-1.0)
    assert found.distance == pytest.approx(distance_of(0.4, periods), rel=1e-4)
    assert found.probability == pytest.approx(NormalDist().cdf(-found.distance))
    assert found.value == pytest.approx(-1.0, abs=1e-9)
    shocks = np.array(found.path["shock"].to_pylist())
    # The same in all periods until the payment, none after it.
    assert shocks[:periods] == pytest.approx(-found.distance / math.sqrt(periods), rel=0.02)
    assert shocks[periods:] == pytest.approx(0.0, abs=1e-3)


def test_a_failure_needs_no_value_to_be_found() -> None:
    """It happens or not: the boundary is that at which sales no longer pay the costs."""
    for at in (1, T - 1):
        found = gs.likeliest_point(shop(at=at), entity="shop")
        assert found.distance == pytest.approx(distance_of(0.5, at + 1), rel=1e-4)
        assert (found.central, found.value, found.period) == (0.0, 1.0, at)


def test_where_the_boundary_is_flat_the_probability_is_exact() -> None:
    found = gs.likeliest_point(shop(), entity="shop")
    share = (gs.simulate(shop(), paths=40_000).failed_at[0, :, 0] < T).mean()
    assert abs(share - found.probability) <= 4.0 * math.sqrt(share * (1 - share) / 40_000)


def test_of_correlated_factors_it_is_mahalanobis_distance() -> None:
    """A linear measure of two Ornstein-Uhlenbeck rates in the last period: the gap over its standard deviation."""
    weights = np.array([100.0, 300.0])
    flows = [flow(f"interest_{row['name']}", None, "shop", w, index=row["name"], start=T - 1)
             for row, w in zip(RATES, weights, strict=True)]  # fmt: skip
    system = shop(factors=RATES, correlations=SIMILAR, flows=flows, sensitivities=[],
                  measures=[{"measure": "net", "flow": one["name"]} for one in flows])  # fmt: skip
    kappa, sigma = (np.array([row[name] for row in RATES]) for name in ("reversion", "volatility"))
    start, mean = np.array([0.05, 0.06]), np.array([0.04, 0.06])
    b = np.exp(-kappa)
    s = sigma * np.sqrt((1 - b**2) / (2 * kappa))
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    back = np.arange(T)
    covariance = correlation * np.outer(s, s) * (np.outer(b, b)[..., None] ** back).sum(axis=-1)
    central = weights @ (mean + (start - mean) * b**T)
    deviation = math.sqrt(weights @ covariance @ weights)
    for gap in (4.0, -4.0):
        found = gs.likeliest_point(system, measure="net", figure="total", target=central + gap)
        assert found.central == pytest.approx(central)
        assert found.distance == pytest.approx(abs(gap) / deviation, rel=1e-4)
        # The likeliest shocks are those that the measure's own variance is made of: w(t) of C^(1/2) (weight s b^j).
        eigenvalues, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(eigenvalues) @ vectors.T
        likeliest = root @ (weights[:, None] * s[:, None] * b[:, None] ** back[::-1])
        share = np.square(likeliest).sum(axis=1) / np.square(likeliest).sum()
        assert found.factors["share"].to_pylist() == pytest.approx(share, abs=0.01)
        moves = covariance @ weights / deviation / np.sqrt(np.diag(covariance)) * gap / deviation
        assert found.factors["deviations"].to_pylist() == pytest.approx(moves, rel=0.01)


def test_on_a_curved_boundary_it_is_the_nearest_point_of_a_fine_scan() -> None:
    """X + 2 Y = 0.9 of two lognormal factors over one period."""
    factors = [{"name": name, "process": "gbm", "volatility": v} for name, v in (("x", 0.5), ("y", 0.9))]
    flows = [flow(name, None, "shop", amount, "revenue") for name, amount in (("of_x", 1.0), ("of_y", 2.0))]
    system = small(periods=1, entities=[entity("shop")], factors=factors, flows=flows,
                   sensitivities=[{"target": f"of_{n}", "factor": n, "elasticity": 1.0} for n in "xy"],
                   measures=[{"measure": "net", "flow": f"of_{n}"} for n in "xy"])  # fmt: skip
    found = gs.likeliest_point(system, measure="net", figure="total", target=0.9)
    y = np.linspace(-6.0, 6.0, 2_000_001)
    rest = 0.9 - 2.0 * np.exp(-0.405 + 0.9 * y)
    x = (np.log(rest[rest > 0.0]) + 0.125) / 0.5
    assert found.distance == pytest.approx(np.hypot(x, y[rest > 0.0]).min(), rel=1e-4)


def test_of_several_ways_to_fail_the_likeliest_is_taken() -> None:
    """The rival fails if demand is high: one factor, a boundary on either side."""
    flows = [flow("sales", None, "shop", 10.0, "revenue", start=1, end=1),
             flow("costs", "shop", None, 5.0, "opex", start=1, end=1),
             flow("wages", "rival", None, 10.0, "opex", start=1, end=1)]  # fmt: skip
    sensitive = [{"target": name, "factor": "demand", "elasticity": 1.0} for name in ("sales", "wages")]
    for cash, low in ((30.0, True), (14.0, False)):
        system = shop(entities=[entity("shop"), entity("rival", cash)], flows=flows, sensitivities=sensitive)
        found = gs.likeliest_point(system, entity="any")
        assert found.distance == pytest.approx(distance_of(0.5 if low else cash / 10.0, 2), rel=1e-4)
        assert (found.factors["deviations"][0].as_py() < 0.0) is low
        assert found.event == "somebody fails"
        who = "shop" if low else "rival"
        assert found.failed == ((who, 1),)
        assert f"in period 1 ({who})" in found.answer


def test_losses_of_a_book_rise_to_a_target() -> None:
    positions = [{"name": "loan", "entity": "shop", "exposure": 100.0, "recovery": 0.4}]
    found = gs.likeliest_point(shop(positions=positions), target=50.0)
    assert found.distance == pytest.approx(distance_of(0.5, T), rel=1e-4)
    assert found.value == pytest.approx(60.0)


def test_credit_events_and_jumps_do_not_happen_on_the_way() -> None:
    jumpy = [{"name": "demand", "process": "gbm", "drift": DRIFT, "volatility": VOLATILITY, "jump_rate": 5.0,
              "jump_mean": -2.0}]  # fmt: skip
    system = shop(entities=[entity("shop", hazard=9.0), entity("rival", 1e6, hazard=9.0)], factors=jumpy)
    found = gs.likeliest_point(system, entity="shop")
    assert found.distance == pytest.approx(distance_of(0.5, T), rel=1e-4)
    again = gs.replay(system, found.scenarios, path=1, factors=found.factor_paths)
    assert again.events.to_pylist() == [{"period": T - 1, "entity": "shop", "cause": "liquidity"}]


def test_who_fails_before_is_told() -> None:
    """The rival lives on a fee of the shop's, which ends with it."""
    flows = [flow("sales", None, "shop", 10.0, "revenue"), flow("costs", "shop", None, 5.0, "opex"),
             flow("fee", "shop", "rival", 1.0), flow("wages", "rival", None, 1.0, "opex")]  # fmt: skip
    system = shop(entities=[entity("shop"), entity("rival", 0.5)], flows=flows)
    found = gs.likeliest_point(system, entity="rival")
    assert [name for name, _ in found.failed] == ["shop", "rival"]
    assert found.failed[1][1] == found.period > found.failed[0][1]
    assert f"in period {found.period}, after shop fails in period {found.failed[0][1]}. " in found.answer


def test_the_scenario_in_question_comes_first() -> None:
    rows = scenario("low", ("factor.demand.shift", "set", math.log(0.8)))
    found = gs.likeliest_point(shop(scenarios=rows), entity="shop", scenario="low")
    assert found.distance == pytest.approx(distance_of(0.5 / 0.8, T), rel=1e-4)


def test_the_point_is_a_path_that_simulate_takes() -> None:
    found = gs.likeliest_point(shop(at=2), entity="shop")
    run = gs.simulate(shop(at=2), factors=found.factor_paths, record=["factor:demand"])
    assert run.failed_at[0, :, 0].tolist() == [T, 2]
    assert run.series["factor:demand"][0, 1] == pytest.approx(found.path["value"].to_pylist())
    assert run.series["factor:demand"][0, 0] == pytest.approx(found.path["central"].to_pylist())


def test_every_value_on_the_way_is_told() -> None:
    found = gs.likeliest_point(shop(cash=9.0), measure="net", figure="total", target=-1.0)
    ray = found.ray.to_pylist()
    assert ray[0]["value"] == found.central
    there = next(row for row in ray if row["distance"] == pytest.approx(found.distance))
    assert there["value"] == pytest.approx(-1.0)
    assert ray[-1]["distance"] == pytest.approx(1.25 * found.distance)
    first = [row["distance"] for row in found.steps.to_pylist() if row["start"] == 0]
    assert first == sorted(first, reverse=True)
    assert min(found.steps["distance"].to_pylist()) == found.distance
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert plain["factors"][0]["share"] == pytest.approx(1.0)
    assert "demand" in found.answer
    assert f"At {found.distance:.3g} standard deviations" in found.answer
    assert ", net's total falls to -1. It takes " in found.answer  # a name's letters are as they are


def test_out_of_reach_there_is_none_and_the_answer_says_what_was_seen() -> None:
    exact = distance_of(0.5, T)
    found = gs.likeliest_point(shop(), entity="shop", reach=0.8 * exact)
    assert (found.distance, found.probability, found.value, found.period) == (None,) * 4
    assert found.path.num_rows == found.ray.num_rows == 0
    assert f"Farther off there is one, at {exact:.3g}." in found.answer
    never = gs.likeliest_point(shop(), entity="rival", reach=2.0)
    assert "No path was found within 2 standard deviations on which rival fails" in never.answer
    net = gs.likeliest_point(shop(cash=9.0), measure="net", figure="total", target=-5.5)
    assert net.distance is None
    assert "falls to -5.5" in net.answer
    assert "the nearest seen is -4.9" in net.answer


def test_what_happens_without_a_shock_is_at_a_distance_of_0() -> None:
    found = gs.likeliest_point(shop(cash=9.0), measure="net", figure="total", target=5.0, scenario=None)
    assert found.distance > 0.0
    at = gs.likeliest_point(shop(cash=9.0), measure="net", figure="total", target=found.central)
    assert (at.distance, at.probability) == (0.0, None)
    assert at.answer == f"Without any shock net's total falls to {found.central:.6g}."
    assert at.factors["share"].to_pylist() == [None]


def test_backends_agree_on_the_point() -> None:
    names = [info.name for info in gs.backends() if info.works and info.name in ("numpy", "native")]
    found = [gs.likeliest_point(shop(), entity="shop", backend=name) for name in names]
    assert [one.distance for one in found] == pytest.approx([found[0].distance] * len(found), rel=1e-6)
    assert [one.backend for one in found] == names


def test_a_memory_in_which_only_some_paths_fit_changes_nothing() -> None:
    whole = gs.likeliest_point(shop(), entity="shop")
    assert gs.likeliest_point(shop(), entity="shop", memory=500_000).steps.equals(whole.steps)


@pytest.mark.parametrize(
    ("more", "argument"),
    [
        ({}, "target"),
        ({"measure": "net", "target": math.nan}, "target"),
        ({"entity": "shop", "target": 1.0}, "target"),
        ({"entity": "shop", "measure": "net"}, "measure"),
        ({"entity": "nobody"}, "entity"),
        ({"entity": "shop", "figure": "bad"}, "figure"),
        ({"entity": 5}, "entity"),
        ({"measure": "nothing", "target": 0.0}, "measure"),
        ({"target": 1.0}, "positions"),
        ({"entity": "shop", "reach": 0.0}, "reach"),
        ({"entity": "shop", "reach": 1e6}, "reach"),
        ({"entity": "shop", "effects": ["none", "full"]}, "effects"),
        ({"entity": "shop", "scenario": "nothing"}, "scenario"),
        ({"entity": "shop", "horizon": -1.0}, "horizon"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(more: dict[str, Any], argument: str) -> None:
    with pytest.raises(gs.InputError) as caught:
        gs.likeliest_point(shop(), **more)
    assert caught.value.problems[0].table == argument


def test_what_is_no_system_is_refused() -> None:
    folder: Any = "examples/three_firms"
    with pytest.raises(gs.InputError, match=r"system.*is no System"):
        gs.likeliest_point(folder, entity="shop")


def test_without_a_factor_that_moves_there_is_no_point() -> None:
    still = shop(factors=[{"name": "demand", "process": "gbm"}])
    with pytest.raises(gs.InputError, match="has no factor that moves"):
        gs.likeliest_point(still, entity="shop")
