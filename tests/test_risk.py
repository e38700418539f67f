"""Losses of the book and risk measures: closed forms, coherence, and errors that mean what they say."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gpustress.errors import InputError
from gpustress.loans import opening_balances
from gpustress.risk import claims, expected_shortfall, losses, value_at_risk
from made import made_result, made_system, with_failures

PERIODS, D = 8, 0.25  # of made_system


def position(**more):
    columns = {"name": "p", "entity": "alpha", "exposure": 100.0} | more
    return pa.table({name: pa.array([value]) for name, value in columns.items()})


def loss_by_period(positions, horizon=None, system=None):
    """Loss of a book for a failure of the first entity in each period, and for none."""
    system = made_system(1, discount_rate=0.0) if system is None else system
    failed_at = np.arange(system.settings.periods + 1)[:, None].repeat(len(system.entity_names), axis=1)
    return losses(with_failures(failed_at, system), positions, horizon)[0]


def test_a_position_loses_what_is_not_recovered():
    assert loss_by_period(position(recovery=0.4)) == pytest.approx([60.0] * PERIODS + [0.0])


def test_losses_are_discounted_from_the_end_of_the_period():
    system = made_system(1, discount_rate=0.21)
    expected = [100.0 * 1.21 ** -((t + 1) * D) for t in range(PERIODS)]
    assert loss_by_period(position(), system=system) == pytest.approx([*expected, 0.0], rel=1e-14)


@pytest.mark.parametrize(
    ("maturity", "covered"), [(0.25, 1), (0.3, 1), (0.5, 2), (1.0, 4), (0.2, 0), (9.0, PERIODS)]
)
def test_a_failure_in_a_period_that_ends_by_maturity_is_a_loss(maturity, covered):
    expected = [100.0] * covered + [0.0] * (PERIODS + 1 - covered)
    assert loss_by_period(position(maturity=maturity)) == pytest.approx(expected)


def test_maturity_holds_to_the_period_where_its_length_is_no_double():
    system = made_system(1, periods=30, periods_per_year=10.0, discount_rate=0.0)
    assert (
        np.count_nonzero(loss_by_period(position(maturity=0.3), system=system)) == 3
    )  # 3 * 0.1 > 0.3 in doubles


@pytest.mark.parametrize(("horizon", "covered"), [(1.0, 4), (1.1, 4), (0.25, 1), (5.0, 6)])
def test_the_horizon_ends_what_counts(horizon, covered):
    assert np.count_nonzero(loss_by_period(position(maturity=1.5), horizon)) == covered


def test_a_linear_position_falls_to_nothing_at_maturity():
    loss = loss_by_period(position(maturity=1.0, amortisation="linear"))
    assert loss == pytest.approx([100.0, 75.0, 50.0, 25.0, 0.0, 0.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("maturity", "count"), [(0.625, 2), (0.875, 4)]
)  # 2.5 and 3.5 periods: halves to even
def test_the_instalments_of_a_linear_position_are_rounded_as_those_of_a_loan(maturity, count):
    loss = loss_by_period(position(maturity=maturity, amortisation="linear"))
    whole = int(maturity / D)
    assert loss[:whole] == pytest.approx([100.0 * max(count - t, 0) / count for t in range(whole)])
    assert not loss[whole:].any()


def test_protection_bought_takes_off_what_a_claim_loses():
    claim = {"name": "claim", "entity": "alpha", "exposure": 100.0}
    protection = {"name": "protection", "entity": "alpha", "exposure": -80.0, "maturity": 1.0}
    loss = loss_by_period(pa.Table.from_pylist([claim | {"maturity": None}, protection]))
    assert loss == pytest.approx([20.0] * 4 + [100.0] * 4 + [0.0])


positions_tables = st.lists(
    st.tuples(
        st.sampled_from(["alpha", "[bold]beta", "gamma"]),
        st.floats(-1e6, 1e6),
        st.none() | st.floats(0.01, 5.0),
        st.sampled_from(["bullet", "linear"]),
        st.floats(0.0, 1.0),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(positions_tables, st.none() | st.floats(0.1, 4.0), st.integers(0, 99))
def test_losses_are_the_sum_of_the_formula_over_positions(rows, horizon, seed):
    book = {name: [] for name in ("name", "entity", "exposure", "maturity", "amortisation", "recovery")}
    for i, (entity, exposure, maturity, amortisation, recovery) in enumerate(rows):
        amortisation = "bullet" if maturity is None else amortisation
        for column, value in zip(
            book, (f"p{i}", entity, exposure, maturity, amortisation, recovery), strict=True
        ):
            book[column].append(value)
    types = [pa.string() if name in ("name", "entity", "amortisation") else pa.float64() for name in book]
    table = pa.table(list(map(pa.array, book.values(), types)), names=list(book))
    run = made_result(paths=20, seed=seed)
    loss = losses(run, table, horizon)
    settings_ = run.system.settings
    for path in range(run.paths):
        expected = 0.0
        for row in table.to_pylist():
            t = int(run.failed_at[0, path, run.entities.index(row["entity"])])
            end = (t + 1) / settings_.periods_per_year
            last = math.inf if row["maturity"] is None else row["maturity"]
            if t == run.periods or end > last + 1e-9 or (horizon is not None and end > horizon + 1e-9):
                continue
            n = max(1, round(last * settings_.periods_per_year)) if row["amortisation"] == "linear" else 1
            share = max(n - t, 0) / n if row["amortisation"] == "linear" else 1.0
            expected += row["exposure"] * share * (1 - row["recovery"]) * 1.05**-end
        assert loss[0, path] == pytest.approx(expected, rel=1e-12, abs=1e-6)


def test_losses_do_not_depend_on_how_many_paths_are_looked_up_at_once(monkeypatch):
    run = made_result(paths=333)
    whole = losses(run)
    monkeypatch.setattr("gpustress.book.PATHS_AT_ONCE", 7)
    assert np.array_equal(losses(run), whole)


def test_the_systems_own_positions_are_the_default_book():
    run = made_result(paths=30)
    assert np.array_equal(losses(run), losses(run, run.system.positions))


@pytest.mark.parametrize(
    ("positions", "named"),
    [
        (position(entity="alhpa"), "alpha"),
        (position(amortisation="linear"), "maturity"),
        (position(maturity=-1.0), "maturity"),
        (position(exposure=math.nan), "exposure"),
        (position(exposur=1.0), "exposure"),
        (pa.concat_tables([position(), position()]), "name"),
        (position(amortisation="annuity"), "amortisation"),
    ],
)
def test_a_faulty_position_is_named(positions, named):
    with pytest.raises(InputError) as caught:
        losses(made_result(), positions)
    assert caught.value.problems[0].table == "positions"
    assert named in str(caught.value)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.nan, math.inf, "1", True])
def test_a_faulty_horizon_is_an_error(horizon):
    with pytest.raises(InputError, match="horizon"):
        losses(made_result(), horizon=horizon)


# --- value at risk and expected shortfall ---


@pytest.mark.parametrize(
    ("loss", "level", "var", "shortfall"),
    [
        (range(1, 101), 0.95, 95.0, 98.0),  # the mean of 96 to 100
        (range(1, 101), 0.955, 96.0, (97 + 98 + 99 + 100 + 0.5 * 96) / 4.5),
        ([0.0] * 90 + [100.0] * 10, 0.95, 100.0, 100.0),
        ([0.0] * 98 + [100.0] * 2, 0.95, 0.0, 40.0),  # 2 of 5 in the tail lose 100
        ([0.0] * 7 + [10.0] * 2 + [50.0], 0.75, 10.0, (50 + 1.5 * 10) / 2.5),
        ([3.0], 0.99, 3.0, 3.0),
        (range(1, 101), 0.07, 7.0, np.arange(8, 101).mean()),  # 0.07 * 100 is above 7 in doubles
    ],
)
def test_discrete_losses_by_hand(loss, level, var, shortfall):
    assert float(value_at_risk(list(loss), level)) == var
    assert float(expected_shortfall(list(loss), level)) == pytest.approx(shortfall, rel=1e-13)


def test_value_at_risk_is_the_inverse_of_the_distribution_function():
    loss = np.random.default_rng(1).normal(size=997)
    for level in (0.01, 0.5, 0.9, 0.99, 0.999):
        assert float(value_at_risk(loss, level)) == np.quantile(loss, level, method="inverted_cdf")


samples = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=60)
levels = st.floats(0.01, 0.995)


@given(samples, levels)
def test_expected_shortfall_is_subadditive(pairs, level):
    x, y = np.array(pairs, dtype=float).T
    together, apart = expected_shortfall(x + y, level), expected_shortfall([x, y], level)
    assert float(together) <= np.sum(apart) + 1e-9


def test_value_at_risk_is_not_subadditive():
    """Two independent bonds; after Artzner, Delbaen, Eber and Heath, Mathematical Finance 9 (1999)."""
    first, second = np.zeros(2500), np.zeros(2500)
    first[:100] = 1.0
    second[:4] = second[100:196] = 1.0
    assert value_at_risk([first, second], 0.95).value.tolist() == [0.0, 0.0]
    assert float(value_at_risk(first + second, 0.95)) == 1.0


@given(samples, levels, st.floats(0.1, 10.0), st.floats(-100.0, 100.0), st.randoms())
def test_risk_measures_move_with_the_losses(pairs, level, scale, shift, random):
    x, y = np.array(pairs, dtype=float).T
    shuffled = x.copy()
    random.shuffle(shuffled)
    for measure in (value_at_risk, expected_shortfall):
        risk = float(measure(x, level))
        assert float(measure(shuffled, level)) == risk
        assert float(measure(scale * x + shift, level)) == pytest.approx(scale * risk + shift, abs=1e-9)
        assert float(measure(np.maximum(x, y), level)) >= risk - 1e-9
    assert float(expected_shortfall(x, level)) >= float(value_at_risk(x, level))


@given(samples)
def test_expected_shortfall_rises_with_its_level(pairs):
    x, _ = np.array(pairs, dtype=float).T
    values = [float(expected_shortfall(x, level)) for level in (0.01, 0.1, 0.5, 0.9, 0.99)]
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(values))


def test_rows_are_scenarios_and_estimates_are_arrays():
    loss = np.random.default_rng(2).normal(size=(3, 500))
    for measure in (value_at_risk, expected_shortfall):
        estimate = measure(loss, 0.9)
        assert np.asarray(estimate).shape == (3,)
        for row, one in enumerate(loss):
            single = measure(one, 0.9)
            for field in ("value", "standard_error", "low", "high"):
                assert getattr(single, field) == getattr(estimate, field)[row]
                assert isinstance(getattr(single, field), float)


def test_the_interval_of_value_at_risk_covers_without_a_distribution():
    """Order statistics r and u cover the quantile with probability P(r <= B < u), B binomial."""
    for count, level in ((50, 0.5), (500, 0.95), (2000, 0.99)):
        ranks = value_at_risk(np.arange(1.0, count + 1), level)
        binomial = stats.binom(count, level)
        covered = binomial.cdf(ranks.high - 1) - binomial.cdf(ranks.low - 1)
        assert 0.95 <= covered < 0.98
        assert binomial.cdf(ranks.low - 1) < 0.025 <= binomial.cdf(ranks.low)  # no rank further in would do
        assert binomial.sf(ranks.high - 1) <= 0.025 < binomial.sf(ranks.high - 2)


def test_too_few_paths_leave_value_at_risk_unbounded_above():
    estimate = value_at_risk(np.arange(100.0), 0.99)
    assert estimate.high == math.inf
    assert math.isfinite(estimate.low)
    assert value_at_risk(np.arange(3.0), 0.01).low == -math.inf


def test_the_standard_error_of_value_at_risk_is_that_of_a_normal_quantile():
    loss = np.random.default_rng(3).normal(size=200_000)
    quantile = stats.norm.ppf(0.95)
    exact = math.sqrt(0.95 * 0.05 / 200_000) / stats.norm.pdf(quantile)
    assert value_at_risk(loss, 0.95).standard_error == pytest.approx(exact, rel=0.1)


def test_the_standard_error_of_expected_shortfall_is_its_spread_over_samples():
    rng = np.random.default_rng(4)
    estimate = expected_shortfall(rng.exponential(size=(600, 3000)), 0.95)
    assert np.mean(estimate.value) == pytest.approx(
        1 - math.log(0.05), rel=0.01
    )  # of the exponential distribution
    assert np.mean(estimate.standard_error) == pytest.approx(np.std(estimate.value), rel=0.1)
    exact = math.sqrt((1 + 0.95) / (0.05 * 3000))  # Var(X | tail) = 1, (ES - VaR)^2 = 1
    assert np.mean(estimate.standard_error) == pytest.approx(exact, rel=0.05)
    covered = (estimate.low <= 1 - math.log(0.05)) & (1 - math.log(0.05) <= estimate.high)
    assert 0.91 < covered.mean() < 0.98


def test_no_error_is_told_where_no_path_lies_beyond_the_value_at_risk():
    losses = np.random.default_rng(0).normal(size=200)
    for count, known in ((1, False), (20, False), (99, False), (101, True), (200, True)):
        found = expected_shortfall(losses[:count], 0.99)
        assert np.isfinite([found.standard_error, found.low, found.high]).all() == known


def test_the_standard_error_of_expected_shortfall_by_hand():
    estimate = expected_shortfall([1.0, 2.0, 3.0, 5.0, 9.0], 0.6)  # beyond 3: 2 and 6, of a tail of 2 paths
    assert float(estimate) == pytest.approx(7.0)
    spread = np.std([0.0, 0.0, 0.0, 2.0, 6.0], ddof=1)
    assert estimate.standard_error == pytest.approx(spread / math.sqrt(5) / 0.4)
    assert estimate.high - 7.0 == pytest.approx(1.959964 * estimate.standard_error)


def test_not_a_bit_depends_on_the_order_of_the_paths():
    rng = np.random.default_rng(6)
    loss = rng.lognormal(sigma=4.0, size=5000)
    shuffled = rng.permutation(loss)
    for measure in (value_at_risk, expected_shortfall):
        for field in ("value", "standard_error", "low", "high"):
            assert getattr(measure(loss, 0.9), field) == getattr(measure(shuffled, 0.9), field)


@pytest.mark.parametrize("measure", [value_at_risk, expected_shortfall])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"level": 0.0}, "level"),
        ({"level": 1.0}, "level"),
        ({"level": math.nan}, "level"),
        ({"level": "0.99"}, "level"),
        ({"confidence": 1.0}, "confidence"),
        ({"loss": []}, "loss"),
        ({"loss": 3.0}, "loss"),
        ({"loss": np.zeros((2, 2, 2))}, "loss"),
        ({"loss": [1.0, math.nan]}, "loss"),
        ({"loss": ["a"]}, "loss"),
    ],
)
def test_faulty_arguments_of_risk_measures_are_errors(measure, arguments, named):
    with pytest.raises(InputError, match=f"`{named}`"):
        measure(**{"loss": [1.0, 2.0]} | arguments)


# --- claims ---


def lending(**loan):
    columns = {
        "name": "term",
        "borrower": "alpha",
        "lender": "gamma",
        "principal": 90.0,
        "years": 1.0,
        "rate": 0.08,
        "recovery": 0.2,
    }
    exposures = {"holder": ["gamma", "alpha", "gamma"], "issuer": ["alpha", "gamma", "[bold]beta"]}
    exposures |= {"amount": [5.0, 6.0, 7.0], "recovery": [0.0, 0.0, 0.5]}
    loans = pa.Table.from_pylist([columns | loan])
    return made_system(discount_rate=0.0, periods=12, loans=loans, exposures=exposures)


@pytest.mark.parametrize("amortisation", ["bullet", "linear", "annuity"])
@pytest.mark.parametrize("draw", [None, 0, 3])
@pytest.mark.parametrize("years", [0.1, 1.0, 1.5, 7.0])
def test_claims_lose_the_scheduled_opening_balance_of_the_period(amortisation, draw, years):
    system = lending(amortisation=amortisation, draw=draw, years=years, rate=0.08)
    book = claims(system, "gamma")
    book = book.filter(pa.compute.starts_with(book["name"], "term"))
    first = 0 if draw is None else draw + 1
    count = max(1, round(years * 4))
    balance = np.zeros(13)
    paying = min(count, 12 - first)
    balance[first : first + paying] = opening_balances(90.0, 0.02, count, amortisation, count)[:paying]
    assert loss_by_period(book, system=system) == pytest.approx(0.8 * balance, abs=1e-11)


def test_claims_are_the_exposures_too_and_nobody_elses():
    system = lending()
    book = claims(system, "gamma").to_pylist()
    assert [(row["name"], row["entity"], row["exposure"], row["recovery"]) for row in book] == [
        ("exposure[0] to alpha", "alpha", 5.0, 0.0),
        ("exposure[2] to [bold]beta", "[bold]beta", 7.0, 0.5),
        ("term", "alpha", 90.0, 0.2),
    ]
    assert [row["entity"] for row in claims(system, "alpha").to_pylist()] == ["gamma"]
    assert claims(system, "[bold]beta").num_rows == 0
    assert losses(with_failures([[0, 0, 0]], system), claims(system, "gamma"))[0, 0] == pytest.approx(
        5 + 3.5 + 72
    )


def test_an_instalment_is_named_by_the_period_in_which_it_is_due():
    names = claims(lending(amortisation="linear", draw=2), "gamma")["name"].to_pylist()
    assert names[2:] == ["term[3]", "term[4]", "term[5]", "term[6]", "term[undrawn]"]


def test_claims_of_nobody_are_an_error():
    with pytest.raises(InputError, match="gamma"):
        claims(lending(), "gama")


@pytest.mark.parametrize("confidence", [1 - 1e-16, 1 - 2e-16, 1e-300])
def test_a_confidence_next_to_its_bounds_is_taken(confidence):
    loss = np.arange(1000.0)
    for measure in (value_at_risk, expected_shortfall):
        estimate = measure(loss, 0.9, confidence=confidence)
        assert estimate.low <= estimate.value <= estimate.high
        assert not math.isnan(estimate.low + estimate.high)
