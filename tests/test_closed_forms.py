"""What has a formula: laws of the factors and of failures, schedules of loans, figures of measures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logit

import gpustress as gs
from build import Row, by_item, entity, flow, paid, scenario, small

PATHS = 40_000
ERRORS = 5.0  # standard errors that an estimate may be off


def factor_values(backend: str, *rows: Row, periods: int = 8, **more: Any) -> list[NDArray[np.float64]]:
    """Observed values of factors, (P, T) each."""
    made = small(periods=periods, periods_per_year=4.0, factors=list(rows), **more)
    names = [f"factor:{row['name']}" for row in rows]
    run = gs.simulate(made, paths=PATHS, seed=11, backend=backend, record=names, effects="none")
    return [run.series[name][0] for name in names]


def assert_moments(sample: NDArray[np.float64], mean: float, variance: float) -> None:
    """Mean and variance of a normal sample."""
    assert abs(sample.mean() - mean) <= ERRORS * math.sqrt(variance / sample.size)
    assert abs(sample.var(ddof=1) - variance) <= ERRORS * variance * math.sqrt(2.0 / sample.size)


# -------------------------------------------------------------------------------- factors


def test_gbm_is_lognormal_with_its_drift_as_mean(backend: str) -> None:
    mu, sigma = 0.07, 0.3
    (x,) = factor_values(
        backend, {"name": "x", "process": "gbm", "initial": 100.0, "drift": mu, "volatility": sigma}
    )
    for t in (0, 3, 7):
        years = (t + 1) / 4
        assert_moments(np.log(x[:, t]), math.log(100.0) + (mu - sigma**2 / 2) * years, sigma**2 * years)
        mean = 100.0 * math.exp(mu * years)
        deviation = mean * math.sqrt(math.expm1(sigma**2 * years))
        assert abs(x[:, t].mean() - mean) <= ERRORS * deviation / math.sqrt(PATHS)


@pytest.mark.parametrize(
    ("process", "inverse", "initial", "mean"),
    [("ou", np.asarray, 0.02, 0.05), ("log_ou", np.log, 2.0, 0.5), ("logit_ou", logit, 0.2, 0.7)],
)
def test_reverting_factors_have_the_moments_of_ornstein_and_uhlenbeck(
    backend: str, process: str, inverse: Any, initial: float, mean: float
) -> None:
    """Exact at any step, not an Euler scheme: kappa D is 0.75 here."""
    kappa, sigma = 3.0, 0.4
    row = {
        "name": "x",
        "process": process,
        "initial": initial,
        "mean": mean,
        "reversion": kappa,
        "volatility": sigma,
    }
    (x,) = factor_values(backend, row)
    y, start, target = inverse(x), float(inverse(initial)), float(inverse(mean))

    def variance(years: float) -> float:
        return -(sigma**2) * math.expm1(-2 * kappa * years) / (2 * kappa)

    for t in (0, 1, 7):
        years = (t + 1) / 4
        assert_moments(y[:, t], target + (start - target) * math.exp(-kappa * years), variance(years))
    covariance = np.cov(y[:, 1], y[:, 3])[0, 1]
    expected = variance(0.5) * math.exp(-kappa * 0.5)
    error = math.sqrt((variance(0.5) * variance(1.0) + expected**2) / PATHS)
    assert abs(covariance - expected) <= ERRORS * error


def test_a_mean_that_is_not_given_is_the_initial_value(backend: str) -> None:
    row = {"name": "x", "process": "log_ou", "initial": 3.0, "reversion": 0.5, "volatility": 0.0}
    (x,) = factor_values(backend, row)
    np.testing.assert_allclose(x, 3.0, rtol=1e-15)


def test_jumps_come_at_their_rate_and_with_their_law(backend: str) -> None:
    rate, mean, deviation = 1.5, 0.4, 0.2
    row = {"name": "x", "process": "ou", "initial": 0.0, "mean": 0.0, "reversion": 2.0}
    row |= {"jump_rate": rate, "jump_mean": mean, "jump_volatility": deviation}
    (x,) = factor_values(backend, row)
    shock = x - np.exp(-2.0 / 4) * np.hstack(
        [np.zeros((PATHS, 1)), x[:, :-1]]
    )  # jumps revert as all shocks do
    jumped = np.abs(shock) > 1e-12
    probability = -math.expm1(-rate / 4)
    error = math.sqrt(probability * (1 - probability) / jumped.size)
    assert abs(jumped.mean() - probability) <= ERRORS * error
    assert_moments(shock[jumped], mean, deviation**2)


def test_shocks_have_the_correlations_of_the_table(backend: str) -> None:
    names = ("a", "b", "c")
    rows = [{"name": name, "process": "gbm", "volatility": 0.3} for name in names]
    table = {("a", "b"): 0.6, ("c", "a"): -0.5, ("b", "c"): 0.1}
    correlations = [{"factor_a": a, "factor_b": b, "value": value} for (a, b), value in table.items()]
    values = factor_values(backend, *rows, correlations=correlations)
    shocks = [np.diff(np.log(x), axis=1).ravel() for x in values]
    sample = np.corrcoef(shocks)
    for (a, b), value in table.items():
        error = (1 - value**2) / math.sqrt(shocks[0].size)
        assert abs(sample[names.index(a), names.index(b)] - value) <= ERRORS * error


def test_perfect_correlation_makes_one_factor_of_two(backend: str) -> None:
    rows = [{"name": name, "process": "gbm", "volatility": 0.3} for name in ("a", "b", "c")]
    table = {("a", "b"): 1.0, ("a", "c"): -1.0, ("b", "c"): -1.0}
    correlations = [{"factor_a": a, "factor_b": b, "value": value} for (a, b), value in table.items()]
    a, b, c = factor_values(backend, *rows, correlations=correlations)
    assert (a == b).all()
    drift = -(0.3**2) / 2 * np.arange(0.25, 2.1, 0.25)
    np.testing.assert_allclose(np.log(a) + np.log(c), np.tile(2 * drift, (PATHS, 1)), atol=1e-13)


@pytest.mark.parametrize("stress", [0.0, 0.3, 1.0])
def test_stress_moves_every_correlation_towards_1(backend: str, stress: float) -> None:
    """c becomes c + s (1 - c), of the pairs that the table does not name as well."""
    rows = [{"name": name, "process": "gbm", "volatility": 0.3} for name in ("a", "b", "c")]
    correlations = [{"factor_a": "a", "factor_b": "b", "value": -0.5}]
    values = factor_values(
        backend,
        *rows,
        correlations=correlations,
        scenarios=scenario("s", ("correlation.stress", "set", stress)),
    )
    sample = np.corrcoef([np.diff(np.log(x), axis=1).ravel() for x in values])
    for i, j, c in ((0, 1, -0.5), (0, 2, 0.0), (1, 2, 0.0)):
        expected = c + stress * (1 - c)
        error = (1 - expected**2) / math.sqrt(PATHS * 7)
        assert abs(sample[i, j] - expected) <= ERRORS * error + 1e-12


def test_clip_and_shift_act_on_what_is_observed_alone(backend: str) -> None:
    """The process goes on below its floor, and comes back to where it would have been without."""
    row = {"name": "x", "process": "gbm", "drift": 0.4, "initial": 1.0, "cap": 1.15}
    made = small(
        periods=4, periods_per_year=4.0, factors=[row],
        scenarios=[*scenario("as it is", ("factor.x.drift", "add", 0.0)),
                   *scenario("shifted", ("factor.x.shift", "set", -0.2, 2, 2))],
    )  # fmt: skip
    run = gs.simulate(made, paths=1, backend=backend, record=["factor:x"])
    free = np.exp(0.1 * np.arange(1, 5))
    np.testing.assert_allclose(run.series["factor:x"][0, 0], np.minimum(free, 1.15), rtol=1e-15)
    shifted = [free[0], 1.15, free[2] * math.exp(-0.2), 1.15]
    np.testing.assert_allclose(run.series["factor:x"][1, 0], shifted, rtol=1e-15)


def test_a_scenarios_value_acts_last_and_in_the_order_of_its_rows(backend: str) -> None:
    row = {"name": "x", "process": "constant", "initial": 2.0, "cap": 1.5}
    changes = [
        ("factor.x.value", "scale", 3.0, 0, 1),  # after the cap: 4.5
        ("factor.x.value", "add", 0.5, 1, 2),
        ("factor.x.value", "set", 7.0, 3, 3),
        ("factor.x.value", "scale", 2.0, 3, 3),
    ]
    made = small(periods=5, factors=[row], scenarios=scenario("s", *changes))
    run = gs.simulate(made, paths=1, backend=backend, record=["factor:x"])
    assert run.series["factor:x"][0, 0].tolist() == [4.5, 5.0, 2.0, 14.0, 1.5]


# ------------------------------------------------------------------------------- failures


def test_a_constant_hazard_gives_the_exponential_failure_curve(backend: str) -> None:
    hazard, periods = 0.3, 20
    made = small(periods=periods, periods_per_year=4.0, entities=[entity("e", 1.0, hazard=hazard)])
    run = gs.simulate(made, paths=PATHS, seed=2, backend=backend)
    for t in range(periods):
        expected = -math.expm1(-hazard * (t + 1) / 4)
        share = (run.failed_at[0, :, 0] <= t).mean()
        assert abs(share - expected) <= ERRORS * math.sqrt(expected * (1 - expected) / PATHS)
    assert set(np.unique(run.cause)) == {0, 1}


def test_a_hazard_follows_its_factors(backend: str) -> None:
    """h times (X / initial)^gamma: four times as high once X has doubled, with an elasticity of 2."""
    made = small(
        periods=8, periods_per_year=4.0, entities=[entity("e", 1.0, hazard=0.1)],
        factors=[{"name": "x", "process": "constant", "initial": 5.0}],
        sensitivities=[{"target": "e", "factor": "x", "elasticity": 2.0}],
        scenarios=scenario("s", ("factor.x.value", "scale", 2.0, 4, 7)),
    )  # fmt: skip
    run = gs.simulate(made, paths=PATHS, seed=3, backend=backend)
    for t in range(8):
        gathered = 0.1 / 4 * (min(t + 1, 4) + 4 * max(t - 3, 0))
        expected = -math.expm1(-gathered)
        share = (run.failed_at[0, :, 0] <= t).mean()
        assert abs(share - expected) <= ERRORS * math.sqrt(expected * (1 - expected) / PATHS)


# ---------------------------------------------------------------------------------- flows


def test_an_amount_is_a_year_and_grows_by_the_year(backend: str) -> None:
    flows = [
        flow("grows", None, None, 400.0, growth=0.1, start=2, end=4),
        flow("ratio", None, None, 0.5, growth=0.1, driver="grows"),
    ]
    made = small(
        periods=6, periods_per_year=4.0, flows=flows,
        schedules=[{"flow": "grows", "period": 0, "amount": 7.0},
                   {"flow": "grows", "period": 3, "amount": 0.0}],
    )  # fmt: skip
    amounts = paid(gs.replay(made, path=0, backend=backend))
    grown = [1.1 ** (t / 4) for t in range(6)]
    expected = [7.0, 0.0, 100 * grown[2], 0.0, 100 * grown[4], 0.0]
    np.testing.assert_allclose(amounts["grows"], expected, rtol=1e-14)
    # A ratio is no amount a year: D is left out. It grows all the same.
    np.testing.assert_allclose(amounts["ratio"], 0.5 * np.multiply(expected, grown), rtol=1e-14)


def test_a_floating_rate_is_index_and_spread_and_never_negative(backend: str) -> None:
    rates = [("factor.r.value", "set", value, t, t) for t, value in enumerate((0.05, 0.02, -0.10))]
    made = small(
        periods=3, periods_per_year=4.0, factors=[{"name": "r", "process": "constant"}],
        flows=[flow("interest", None, None, 100.0, "interest", index="r", spread=0.01)],
        scenarios=scenario("s", *rates),
    )  # fmt: skip
    amounts = paid(gs.replay(made, path=0, backend=backend))
    np.testing.assert_allclose(amounts["interest"], [1.5, 0.75, 0.0], rtol=1e-14)


def test_sensitivities_multiply_powers_of_factors_over_their_initial_values(backend: str) -> None:
    factors = [{"name": name, "process": "constant", "initial": 4.0} for name in ("x", "y")]
    made = small(
        factors=factors, flows=[flow("f", None, None, 10.0)],
        sensitivities=[{"target": "f", "factor": "x", "elasticity": 0.5},
                       {"target": "f", "factor": "y", "elasticity": -2.0}],
        scenarios=scenario("s", ("factor.x.value", "set", 9.0), ("factor.y.value", "set", 2.0)),
    )  # fmt: skip
    assert paid(gs.replay(made, path=0, backend=backend))["f"] == pytest.approx([10 * 1.5 * 4], rel=1e-14)


# ---------------------------------------------------------------------------------- loans


def loan_payments(
    backend: str, periods: int, periods_per_year: float = 1.0, **loan: Any
) -> tuple[list[float], list[float]]:
    """Interest and principal of a loan of 1,000 to somebody rich."""
    row = {"name": "l", "borrower": "rich", "principal": 1000.0} | loan
    made = small(
        periods=periods, periods_per_year=periods_per_year, entities=[entity("rich", 1e6)], loans=[row]
    )
    amounts = paid(gs.replay(made, path=0, backend=backend))
    return amounts["l.interest"], amounts["l.principal"]


def test_an_annuity_pays_the_same_in_every_period_and_ends_at_zero(backend: str) -> None:
    """P r / (1 - (1 + r)^-n), of which interest is r times the balance."""
    n, rate = 12, 0.08 / 4
    interest, principal = loan_payments(backend, 14, 4.0, rate=0.08, years=3.0, amortisation="annuity")
    level = 1000.0 * rate / (1 - (1 + rate) ** -n)
    np.testing.assert_allclose(np.add(interest, principal), [level] * n + [0.0, 0.0], rtol=1e-12)
    balance = 1000.0 - np.cumsum([0.0, *principal])
    np.testing.assert_allclose(interest, rate * balance[:-1], atol=1e-9)
    assert sum(principal) == pytest.approx(1000.0, rel=1e-13)


def test_an_annuity_without_interest_is_linear(backend: str) -> None:
    interest, principal = loan_payments(backend, 5, rate=0.0, years=4.0, amortisation="annuity")
    assert interest == [0.0] * 5
    np.testing.assert_allclose(principal, [250.0] * 4 + [0.0], rtol=1e-14)


def test_linear_and_bullet_loans(backend: str) -> None:
    interest, principal = loan_payments(backend, 5, rate=0.1, years=4.0, amortisation="linear")
    np.testing.assert_allclose(principal, [250.0] * 4 + [0.0], rtol=1e-14)
    np.testing.assert_allclose(interest, [100.0, 75.0, 50.0, 25.0, 0.0], rtol=1e-14)
    interest, principal = loan_payments(backend, 4, rate=0.1, years=3.0)
    np.testing.assert_allclose(interest, [100.0, 100.0, 100.0, 0.0], rtol=1e-14)
    assert principal == [0.0, 0.0, 1000.0, 0.0]


@pytest.mark.parametrize(("years", "payments"), [(0.1, 1), (1.25, 2), (0.625, 2), (0.875, 4), (0.5, 2)])
def test_terms_round_to_whole_periods_halves_to_even_and_at_least_one(
    backend: str, years: float, payments: int
) -> None:
    per_year = 4.0 if years != 1.25 else 2.0  # 2.5, 2.5 and 3.5 periods are halves
    _, principal = loan_payments(backend, 6, per_year, rate=0.0, years=years, amortisation="linear")
    np.testing.assert_allclose(principal, [1000.0 / payments] * payments + [0.0] * (6 - payments), rtol=1e-14)


# ------------------------------------------------------------------------------- measures


def invested(
    backend: str, capital: float, income: float, periods: int, discount_rate: float = 0.0
) -> gs.MeasureResult:
    """Capital spent in the first period, a level income in all of them."""
    made = small(
        periods=periods, discount_rate=discount_rate,
        flows=[flow("capital", None, None, 0.0, "capex"), flow("income", None, None, income, "revenue")],
        schedules=[{"flow": "capital", "period": 0, "amount": capital}],
        measures=[{"measure": "m", "flow": "capital", "weight": -1.0}, {"measure": "m", "flow": "income"}],
    )  # fmt: skip
    return gs.simulate(made, paths=1, backend=backend).measures["m"]


@pytest.mark.parametrize(
    ("capital", "payback"),
    [(100.0, 3), (90.0, 2), (90.1, 3), (30.0, 0), (0.0, 0), (300.0, 9), (301.0, 10)],
)
def test_a_level_income_pays_back_in_the_period_in_which_it_has_earned_the_capital(
    backend: str, capital: float, payback: int
) -> None:
    """In period ceil(capital / income) - 1; after ten periods, never."""
    assert invested(backend, capital, 30.0, 10).payback[0, 0] == payback


def test_rounding_does_not_put_payback_off(backend: str) -> None:
    """0.1 - 0.4 + 0.1 + 0.1 + 0.1 is -2.8e-17 in doubles."""
    assert invested(backend, 0.4, 0.1, 5).payback[0, 0] == 3
    assert invested(backend, 8.8, 1.1, 9).payback[0, 0] == 7


def test_total_value_and_trough_of_an_investment(backend: str) -> None:
    rate, periods = 0.08, 10
    measure = invested(backend, 100.0, 30.0, periods, rate)
    annuity = (1 - (1 + rate) ** -periods) / rate
    assert measure.total[0, 0] == pytest.approx(200.0)
    assert measure.npv[0, 0] == pytest.approx(30.0 * annuity - 100.0 / 1.08, rel=1e-13)
    assert measure.trough[0, 0] == pytest.approx(-70.0)


def test_the_trough_of_what_never_loses_is_its_first_period(backend: str) -> None:
    assert invested(backend, 10.0, 30.0, 4).trough[0, 0] == 20.0


def test_what_turns_negative_again_has_not_paid_back(backend: str) -> None:
    made = small(
        periods=5, flows=[flow("m", None, None, 10.0), flow("late", None, None, 0.0)],
        schedules=[{"flow": "late", "period": 3, "amount": 45.0}],
        measures=[{"measure": "m", "flow": "m"}, {"measure": "m", "flow": "late", "weight": -1.0}],
    )  # fmt: skip
    run = gs.simulate(made, paths=1, backend=backend, record=["measure:m"])
    assert run.series["measure:m"][0, 0].tolist() == [10.0, 10.0, 10.0, -35.0, 10.0]
    assert run.measures["m"].payback[0, 0] == 4


def test_lines_of_a_measure_add_up_as_often_as_they_are_named(backend: str) -> None:
    """A flow named twice counts twice; a kind takes in loans; the non-cash lines of an expense are empty."""
    made = small(
        entities=[entity("a", 1e3)],
        flows=[flow("fee", "a", None, 3.0), flow("build", "a", None, 7.0, "capex")],
        loans=[{"name": "l", "borrower": "a", "principal": 100.0, "rate": 0.1, "years": 1.0}],
        measures=[
            {"measure": "twice", "flow": "fee"}, {"measure": "twice", "flow": "fee", "weight": -0.5},
            {"measure": "kinds", "flow": "kind:interest"},
            {"measure": "kinds", "flow": "kind:principal", "weight": 2.0},
            {"measure": "kinds", "flow": "kind:dividend"},
            {"measure": "expense", "flow": "build:depreciation"},
            {"measure": "expense", "flow": "build:impairment"},
        ],
    )  # fmt: skip
    replay = gs.replay(made, path=0, backend=backend)
    assert by_item(replay.measures, "value") == {"twice": [1.5], "kinds": [210.0], "expense": [0.0]}
