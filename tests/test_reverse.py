"""Reverse stress: roots with a formula, intervals that cover, and clear answers where there is no root."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import gpustress as gs
from build import columns, entity, flow, scenario, small
from gpustress.answers.root_search import Search
from gpustress.answers.statistic import Estimate, estimate_of, paired_error

YEARS, DRIFT, VOLATILITY = 5, 0.03, 0.4


def business(*, volatility: float = VOLATILITY, elasticity: float = 1.0, **more: Any) -> gs.System:
    """Revenue of 10 a year times a factor, against costs of 30 a year."""
    tables: dict[str, Any] = {
        "entities": [entity("firm", 1e6), entity("other", 1e6)],
        "factors": [{"name": "demand", "process": "gbm", "drift": DRIFT, "volatility": volatility}],
        "flows": [flow("sales", None, "firm", 10.0, "revenue"), flow("costs", "firm", None, 30.0, "opex")],
        "sensitivities": [{"target": "sales", "factor": "demand", "elasticity": elasticity}],
        "measures": [
            {"measure": "net", "flow": "sales", "weight": 1.0},
            {"measure": "net", "flow": "costs", "weight": -1.0},
        ],
    }
    return small(periods=YEARS, **(tables | more))


def expected_root() -> float:
    """Scale at which the mean of the total is 0: E[demand(t)] = exp(drift (t + 1))."""
    return 30.0 * YEARS / sum(10.0 * math.exp(DRIFT * (t + 1)) for t in range(YEARS))


def solve(system: gs.System, parameter: Any = "flow.sales.scale", **more: Any) -> gs.ReverseStress:
    given = {"bounds": (0.0, 8.0), "measure": "net", "figure": "total", "target": 0.0, "paths": 200}
    return gs.reverse_stress(system, parameter, **(given | more))


def test_the_root_of_a_measure_without_noise_is_exact() -> None:
    found = solve(business(volatility=0.0), paths=2)
    assert found.root == pytest.approx(expected_root(), rel=1e-8)
    assert found.change == pytest.approx(expected_root() - 1.0, rel=1e-8)
    assert (found.low, found.high) == pytest.approx((found.root, found.root), rel=1e-7)
    assert found.monotone
    assert found.unstressed_value == pytest.approx(150.0 / expected_root() - 150.0)


def test_the_interval_covers_the_closed_form_as_often_as_it_says() -> None:
    system, root = business(), expected_root()
    found = [solve(system, seed=seed, points=3) for seed in range(60)]
    covered = sum(one.low <= root <= one.high for one in found)
    assert 51 <= covered <= 60  # of 60 at 95 %: fewer than 51 in 1 of 2,000 suites
    spread = np.std([one.root for one in found], ddof=1)
    assert np.median([one.standard_error for one in found]) == pytest.approx(spread, rel=0.3)


def test_the_hazard_that_gives_a_probability_of_failure_is_that_of_the_exponential_law() -> None:
    system = business(entities=[entity("firm", 1e6, hazard=0.01)])
    found = solve(system, "entity.firm.hazard", bounds=(0.0, 0.5), measure=None, entity="firm",
                  statistic="failure_probability", target=0.3, paths=4000)  # fmt: skip
    exact = -math.log(0.7) / YEARS
    assert found.low < exact < found.high
    assert found.value == pytest.approx(0.3, abs=1e-3)
    within = solve(system, "entity.firm.hazard", bounds=(0.0, 0.5), measure=None, horizon=2.0, paths=4000,
                   statistic="failure_probability", target=0.3)  # fmt: skip
    assert within.low < -math.log(0.7) / 2.0 < within.high


@pytest.mark.parametrize(
    ("statistic", "level"), [("mean", 0.5), ("quantile", 0.1), ("expected_shortfall", 0.9)]
)
def test_every_statistic_of_a_measure_meets_its_target(statistic: str, level: float) -> None:
    system = business()
    found = solve(system, statistic=statistic, level=level, paths=500, bounds=(0.0, 20.0))
    row = scenario("there", ("flow.sales.scale", "set", found.root))
    total = np.sort(
        gs.simulate(system, gs.Scenarios(columns("scenarios", row)), paths=500).measures["net"].total[0]
    )
    again = {"mean": total.mean(), "quantile": total[49], "expected_shortfall": total[:50].mean()}[statistic]
    assert again == pytest.approx(found.value, rel=1e-9)
    assert abs(found.value) <= found.value_error


def test_losses_of_a_book_meet_a_target() -> None:
    positions = [{"name": "loan", "entity": "firm", "exposure": 100.0, "recovery": 0.4}]
    system = business(entities=[entity("firm", 1e6, hazard=0.01)], positions=positions)
    found = solve(system, "entity.firm.hazard", bounds=(0.0, 1.0), measure=None, target=30.0, paths=4000)
    assert found.low < -math.log(0.5) / YEARS < found.high


def test_a_direction_moves_all_of_its_parameters() -> None:
    system = business(volatility=0.0)
    both = solve(system, {"flow.sales.scale": 1.0, "flow.costs.scale": -0.1}, bounds=(0.0, 5.0), paths=2)
    revenue = 150.0 / expected_root()
    assert both.root == pytest.approx((150.0 - revenue) / (revenue + 15.0), rel=1e-7)
    assert both.unstressed == 0.0
    scaled = solve(
        system, {"flow.sales.scale": 1.0, "flow.costs.scale": -0.1}, op="scale", bounds=(0.0, 5.0), paths=2
    )
    assert scaled.root == pytest.approx(both.root)


def test_without_a_root_the_answer_names_the_side_and_the_values_at_both_ends() -> None:
    found = solve(business(volatility=0.0), bounds=(0.5, 2.0), paths=2)
    assert (found.root, found.low, found.high, found.standard_error, found.brackets) == (
        None,
        None,
        None,
        None,
        (),
    )
    ends = found.evaluations.to_pylist()
    assert [ends[0]["point"], ends[-1]["point"]] == [0.5, 2.0]
    for number in (ends[0]["value"], ends[-1]["value"]):
        assert f"{number:.6g}" in found.answer
    assert "below the target at every point" in found.answer


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((0.0, 0.5), "% interval 0.0"),
        ((0.055, 0.5), "% interval up to 0."),
        ((0.0, 0.07), "up, open above"),
        ((0.055, 0.07), "so few paths bound it on neither side"),
    ],
)
def test_an_interval_that_is_open_says_so(bounds: tuple[float, float], words: str) -> None:
    system = business(entities=[entity("firm", 1e6, hazard=0.01)])
    found = solve(system, "entity.firm.hazard", bounds=bounds, measure=None, entity="firm",
                  statistic="failure_probability", target=0.3, paths=400)  # fmt: skip
    assert words in found.answer
    assert "inf" not in found.answer


def test_of_several_roots_the_one_nearest_to_the_unstressed_value_is_taken_and_all_are_told() -> None:
    """A e^s - B e^2s - C has two roots in s; the least change from s = 0 is the answer."""
    flows = [flow("up", None, "firm", 5.0, "revenue"), flow("down", "firm", None, 1.0, "opex"),
             flow("fixed", "firm", None, 2.0, "rent")]  # fmt: skip
    system = business(
        volatility=0.0,
        factors=[{"name": "demand", "process": "gbm", "drift": 0.0}],
        flows=flows,
        sensitivities=[{"target": "up", "factor": "demand", "elasticity": 1.0},
                       {"target": "down", "factor": "demand", "elasticity": 2.0}],
        measures=[{"measure": "net", "flow": "up", "weight": 1.0}]
        + [{"measure": "net", "flow": name, "weight": -1.0} for name in ("down", "fixed")],
    )  # fmt: skip
    roots = sorted(math.log((5.0 + sign * math.sqrt(17.0)) / 2.0) for sign in (-1.0, 1.0))
    found = solve(system, "factor.demand.shift", bounds=(-3.0, 2.0), points=11, paths=2)
    assert found.root == pytest.approx(roots[0], rel=1e-6)  # -0.82; the other is 1.52
    assert not found.monotone
    assert [low < root < high for (low, high), root in zip(found.brackets, roots, strict=True)] == [
        True,
        True,
    ]
    assert "crossed 2 times" in found.answer


def test_a_jump_ends_on_the_side_on_which_the_target_is_met() -> None:
    """The payback falls by whole periods: least scale at which an outlay of 40 comes back by period 2."""
    system = business(
        volatility=0.0,
        sensitivities=[],
        flows=[
            flow("sales", None, "firm", 10.0, "revenue"),
            flow("costs", "firm", None, 40.0, "opex", end=0),
        ],
    )
    found = solve(system, figure="payback", statistic="quantile", level=0.5, target=2.0, paths=2)
    assert found.root == pytest.approx(4.0 / 3.0, rel=1e-6)
    assert found.value == 2.0


def test_a_date_of_failure_is_a_whole_period() -> None:
    """The firm pays the other until it fails; the later, the better for the other."""
    system = business(
        volatility=0.0,
        sensitivities=[],
        flows=[flow("rent", "firm", "other", 10.0, "rent")],
        measures=[{"measure": "net", "flow": "rent"}],
    )
    found = solve(system, "entity.firm.fail_at", bounds=(0, 4), target=25.0, paths=2)
    assert (found.root, found.value) == (2.0, 20.0)  # the latest at which no more than 25 is paid
    assert found.unstressed is None
    dated = solve(
        system,
        "entity.firm.fail_at",
        bounds=(0, 4),
        target=25.0,
        paths=2,
        scenarios=pa.Table.from_pylist(scenario("early", ("entity.firm.fail_at", "set", 1))),
    )
    assert (dated.unstressed, dated.root, dated.change) == (1.0, 3.0, 2.0)


@pytest.mark.parametrize("target", [0.5, 1.0])
def test_the_latest_failure_that_takes_another_along_is_found(target: float) -> None:
    """Worked by hand in examples/three_firms: in period 4 nothing is due to the bank any more."""
    system = gs.read_system(Path(__file__).parents[1] / "examples" / "three_firms")
    asked = {"entity": "bank", "statistic": "failure_probability", "scenario": "better_sales"}
    found = gs.reverse_stress(system, "entity.lab.fail_at", bounds=(0, 4), target=target, paths=8, **asked)
    assert (found.root, found.value, found.high) == (3.0, 1.0, 3.0)
    assert found.low == (3.0 if target < 1.0 else -math.inf)  # all failures before are as sure


def test_the_interval_of_a_date_holds_whole_periods() -> None:
    system = business(
        sensitivities=[{"target": "rent", "factor": "demand", "elasticity": 1.0}],
        flows=[flow("rent", "firm", "other", 10.0, "rent")],
        measures=[{"measure": "net", "flow": "rent"}],
    )
    found = solve(system, "entity.firm.fail_at", bounds=(0, 4), target=20.9, paths=8)
    estimates = found.evaluations.to_pylist()
    holds = [row["point"] for row in estimates if row["low"] <= 20.9 <= row["high"]]
    assert (found.root, holds) == (1.0, [2.0, 3.0])  # the root is where no more than the target is met
    assert (found.low, found.high) == (1.0, 3.0)
    assert found.standard_error == pytest.approx(1.0 / 1.959964, rel=1e-6)


@pytest.mark.parametrize(
    ("parameter", "op", "told"),
    [
        ("flow.sales.scale", "set", "at flow.sales.scale = "),
        ("flow.sales.scale", "scale", "at multiple of flow.sales.scale = "),
        ("flow.sales.scale", "add", "at amount added to flow.sales.scale = "),
        ({"flow.sales.scale": 1.0}, "add", "at amount along +1 x flow.sales.scale = "),
        (
            {"flow.sales.scale": 1.0},
            "scale",
            "at amount along +1 x flow.sales.scale, as shares of what they are = ",
        ),
    ],
)
def test_the_words_say_what_is_moved(parameter: Any, op: str, told: str) -> None:
    half = scenario("half", ("flow.sales.scale", "set", 0.5))
    found = solve(business(volatility=0.0, scenarios=half), parameter, op=op, scenario="half", paths=2)
    assert told in found.answer
    assert f"at {found.moved} = " == told
    nowhere = solve(business(volatility=0.0), parameter, op=op, target=1e9, paths=2)
    assert f"for {nowhere.moved} from 0 to 8" in nowhere.answer


def test_the_change_comes_on_top_of_the_scenario_in_question() -> None:
    system = business(volatility=0.0, scenarios=scenario("half", ("flow.sales.scale", "set", 0.5)))
    found = solve(system, op="scale", scenario="half", paths=2)
    assert found.root == pytest.approx(2.0 * expected_root(), rel=1e-6)
    assert solve(system, scenario="half", paths=2).unstressed == 0.5


ASKED: dict[str, Callable[..., float | None]] = {
    "reverse_stress": lambda system, **more: solve(system, op="scale", paths=2, **more).root,
    "sensitivities": lambda system, **more: gs.sensitivities(
        system, ["flow.costs.scale"], measure="net", paths=2, **more
    ).value,
    "likeliest_point": lambda system, **more: gs.likeliest_point(
        system, measure="net", figure="total", target=-120.0, **more
    ).distance,
    "sobol_indices": lambda system, **more: gs.sobol_indices(
        system, measures=["net"], paths=64, **more
    )["total"][-2].as_py(),
}  # fmt: skip


@pytest.mark.parametrize("asked", list(ASKED.values()), ids=list(ASKED))
def test_scenarios_that_are_given_are_asked_or_refused(asked: Callable[..., float | None]) -> None:
    """One needs no name, of several one has to be named; nobody is answered about the system as it is."""
    half = scenario("half", ("flow.sales.scale", "set", 0.5))
    several = half + scenario(
        "double", ("flow.sales.scale", "set", 2.0), ("factor.demand.volatility", "set", 0.7)
    )
    system = business()
    answers = [
        asked(system, scenarios=pa.Table.from_pylist(several), scenario=name) for name in ("half", "double")
    ]
    assert asked(system, scenarios=pa.Table.from_pylist(half)) == answers[0] != answers[1]
    with pytest.raises(gs.InputError, match=r"`scenario`: does not say which of 2 .*`half`, `double`"):
        asked(system, scenarios=pa.Table.from_pylist(several))
    assert asked(business(scenarios=several)) == asked(system) not in answers


def test_the_unstressed_value_is_the_systems_own() -> None:
    system = business(entities=[entity("firm", 70.0, credit_line=3.0, hazard=0.02)])
    given = {"measure": None, "statistic": "failure_probability", "target": 0.9, "paths": 20, "points": 2}
    for address, bounds, own in (
        ("entity.firm.cash", (0.0, 5.0), 70.0),
        ("entity.firm.credit_line", (0.0, 5.0), 3.0),
        ("entity.firm.hazard", (0.0, 0.01), 0.02),
        ("factor.demand.shift", (0.0, 1.0), 0.0),
        ("factor.demand.value", (0.5, 2.0), 1.0),
        ("factor.demand.volatility", (0.1, 0.2), VOLATILITY),
        ("flow.kind:opex.scale", (0.5, 1.0), 1.0),
        ("correlation.stress", (0.0, 0.5), 0.0),
    ):
        assert solve(system, address, bounds=bounds, **given).unstressed == own, address


def test_what_fits_into_memory_only_in_parts_gives_the_same_bits() -> None:
    system = business()
    whole = solve(system, paths=300)
    parts = solve(system, paths=300, memory=200_000)
    assert whole.evaluations.equals(parts.evaluations)
    assert whole.root == parts.root


@pytest.mark.parametrize(
    ("more", "argument"),
    [
        ({"bounds": (2.0, 1.0)}, "bounds"),
        ({"bounds": (-1.0, 1.0)}, "bounds"),
        ({"parameter": "flow.nothing.scale"}, "parameter"),
        ({"parameter": ""}, "parameter"),
        ({"parameter": "\ud800"}, "parameter"),
        ({"parameter": {"": 1.0}}, "parameter"),
        ({"parameter": {7: 1.0}}, "parameter"),
        ({"parameter": {"flow.sales.scale": 1.0, "flow.nothing.scale": 1.0}}, "parameter"),
        ({"parameter": {"flow.sales.scale": 0.0, "flow.kind:revenue.scale": -0.0}}, "parameter"),
        ({"parameter": {"entity.firm.fail_at": 1.0}}, "op"),
        ({"parameter": "entity.firm.fail_at", "bounds": (0.2, 0.8)}, "bounds"),
        ({"parameter": "entity.firm.fail_at", "bounds": (0.0, 1e300)}, "bounds"),
        ({"start": "x"}, "start"),
        ({"start": -1}, "start"),
        ({"start": 1.0}, "start"),
        ({"start": True}, "start"),
        ({"start": np.array([1])}, "start"),
        ({"end": 10**30}, "end"),
        ({"end": math.nan}, "end"),
        ({"start": 2, "end": 1}, "end"),
        ({"memory": np.array([1, 2])}, "memory"),
        ({"parameter": {}}, "parameter"),
        ({"parameter": {"flow.sales.scale": math.nan}}, "parameter"),
        ({"parameter": {"flow.sales.scale": 1.0}, "op": "set"}, "op"),
        ({"op": "subtract"}, "op"),
        ({"target": math.inf}, "target"),
        ({"points": 1}, "points"),
        ({"confidence": 1.0}, "confidence"),
        ({"statistic": "median"}, "statistic"),
        ({"statistic": "quantile", "level": 1.0}, "level"),
        ({"measure": "nothing"}, "measure"),
        ({"figure": "nothing"}, "figure"),
        ({"measure": None, "statistic": "failure_probability", "figure": "nothing"}, "figure"),
        ({"figure": "payback"}, "statistic"),
        ({"entity": "firm"}, "entity"),
        ({"measure": None}, "positions"),
        ({"positions": {"name": ["loan"], "entity": ["firm"], "exposure": [1.0]}}, "positions"),
        ({"horizon": 1.0}, "horizon"),
        ({"measure": None, "statistic": "failure_probability", "entity": "nobody"}, "entity"),
        ({"statistic": "failure_probability"}, "measure"),
        ({"scenario": "nothing"}, "scenario"),
        ({"effects": "some"}, "effects"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(more: dict[str, Any], argument: str) -> None:
    with pytest.raises(gs.InputError) as caught:
        solve(business(), **({"parameter": "flow.sales.scale"} | more))
    assert caught.value.problems[0].table == argument


# ------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize(
    ("name", "level"),
    [("mean", 0.5), ("quantile", 0.8), ("expected_shortfall", 0.8), ("failure_probability", 0.5)],
)
def test_influences_give_the_error_of_a_difference_on_the_same_paths(name: str, level: float) -> None:
    """Against the spread of 400 differences; alone they give the statistic's own error."""
    rng = np.random.default_rng(5)
    differences, errors = [], []
    for _ in range(400):
        x = rng.normal(size=1000)
        y = 1.2 * x + 0.3 * rng.normal(size=1000)
        if name == "failure_probability":
            x, y = np.greater(x, 1.0).astype(float), np.greater(y, 1.0).astype(float)
        first, second = (estimate_of(name, values, level, 0.95, False) for values in (x, y))
        differences.append(second.value - first.value)
        errors.append(paired_error(first, second))
        alone = np.std(first.influence) / math.sqrt(1000)
        assert alone == pytest.approx(first.standard_error, rel=2e-3)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.15)


def test_the_expected_shortfall_of_what_is_better_high_is_the_mean_of_the_lowest() -> None:
    values = np.arange(100.0)
    low = estimate_of("expected_shortfall", values, 0.9, 0.95, True)
    assert low.value == pytest.approx(4.5)
    assert low.low < low.value < low.high


def test_an_interval_that_holds_the_target_up_to_a_bound_is_open_there() -> None:
    def evaluate(points: list[float]) -> list[Estimate]:
        return [Estimate(x, 1.0, x - 2.0, x + 2.0, np.array([-1.0, 1.0])) for x in points]

    found = Search(evaluate, 0.0, (-1.0, 10.0)).run(5, 5.0)
    assert found.root == pytest.approx(0.0, abs=0.05)
    assert found.low == -math.inf
    assert found.high == pytest.approx(2.0, abs=0.05)
