"""Who makes the tail: contributions that sum to the expected shortfall, and errors that mean what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpustress as gs
from build import entity, flow, scenario, small
from gpustress.errors import InputError
from gpustress.risk import expected_shortfall, losses
from gpustress.tail import contributions, entity_contributions, flow_contributions
from made import made_result, made_system, with_failures

PERIODS = 8  # of made_system


def total(table, column="contribution"):
    return sum(table[column].to_pylist())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.02, 0.98), st.floats(0.01, 0.9))
def test_contributions_sum_to_expected_shortfall(seed, level, failing):
    run = made_result(paths=60, seed=seed, failing=failing)
    expected = pytest.approx(float(expected_shortfall(losses(run)[0], level)), rel=1e-11, abs=1e-9)
    assert total(contributions(run, level=level)) == expected
    by_entity = entity_contributions(run, level=level)
    assert total(by_entity) == expected
    assert total(by_entity, "started") == expected


def test_contributions_hold_for_the_horizon_and_every_run():
    run = made_result(effects=("first_round", "full"), paths=400)
    table = contributions(run, level=0.9, horizon=1.0)
    expected = expected_shortfall(losses(run, horizon=1.0), 0.9).value
    for name, shortfall in zip(run.scenarios, expected, strict=True):
        rows = [row for row in table.to_pylist() if row["scenario"] == name]
        assert [row["position"] for row in rows] == ["p0", "p1", "p2"]
        assert sum(row["contribution"] for row in rows) == pytest.approx(shortfall, rel=1e-12)
        assert sum(row["share"] for row in rows) == pytest.approx(1.0)


def test_contributions_by_hand_where_paths_tie_at_the_value_at_risk():
    system = made_system(2, discount_rate=0.0)
    book = {"name": ["a", "b"], "entity": system.entity_names, "exposure": [10.0, 10.0]}
    # Losses 20, 10, 10, 10 and six times 0; the tail of 25 % is the first and 1.5 of the three that tie.
    failed_at = np.full((10, 2), PERIODS)
    failed_at[0] = failed_at[1, 0] = failed_at[2, 0] = failed_at[3, 1] = 0
    table = contributions(with_failures(failed_at, system), book, 0.75)
    assert table["contribution"].to_pylist() == pytest.approx(
        [(10 + 1.5 * 20 / 3) / 2.5, (10 + 1.5 * 10 / 3) / 2.5]
    )


def test_contributions_do_not_depend_on_the_order_of_the_paths():
    run = made_result(paths=500, failing=0.2)
    order = np.random.default_rng(0).permutation(500)
    again = contributions(with_failures(run.failed_at[0][order], run.system), level=0.9)
    first = contributions(with_failures(run.failed_at[0], run.system), level=0.9)
    assert again["contribution"].equals(first["contribution"])


def test_the_standard_error_of_a_contribution_is_its_spread_over_samples():
    system = made_system(4, periods=40, discount_rate=0.1)
    book = {"name": list("abcd"), "entity": system.entity_names, "exposure": [100.0, 60.0, 30.0, 10.0]}
    rng = np.random.default_rng(5)
    rows = []
    for _ in range(150):
        common = rng.normal(size=(1500, 1))
        drawn = (30.0 + 25.0 * (0.6 * common + 0.8 * rng.normal(size=(1500, 4)))).clip(0, 40)
        rows.append(contributions(with_failures(drawn.astype(np.int16), system), book, 0.9))
    values = np.array([table["contribution"].to_numpy() for table in rows])
    errors = np.array([table["standard_error"].to_numpy() for table in rows])
    assert errors.mean(axis=0) == pytest.approx(values.std(axis=0), rel=0.2)


def test_a_book_that_loses_nothing_has_no_shares():
    run = with_failures(np.full((20, 2), PERIODS))
    table = contributions(run)
    assert table["contribution"].to_pylist() == [0.0, 0.0]
    assert table["share"].null_count == 2


def test_contributions_of_an_empty_book_are_an_empty_table():
    assert contributions(made_result(), {"name": [], "entity": [], "exposure": []}).num_rows == 0


# --- entities ---


def test_an_entity_contributes_what_all_of_its_positions_do():
    run = made_result(paths=200, failing=0.3)
    names = [*run.entities, run.entities[1]]
    book = {"name": list("abcd"), "entity": names, "exposure": [100.0, 60.0, 30.0, 10.0]}
    by_position = contributions(run, book, 0.9)
    table = entity_contributions(run, book, 0.9)
    first, second, third, fourth = by_position["contribution"].to_pylist()
    assert table["contribution"].to_pylist() == pytest.approx([first, second + fourth, third])
    # Of an entity with one position the error is that position's.
    assert table["standard_error"][0].as_py() == pytest.approx(by_position["standard_error"][0].as_py())
    assert sum(table["share"].to_pylist()) == pytest.approx(1.0)
    assert sum(table["started_share"].to_pylist()) == pytest.approx(1.0)


def test_what_an_entity_starts_is_all_that_is_lost_where_it_fails_first():
    """Losses 20 (alpha, then beta), 10 (beta), 20 (both at once), and 17 times 0; a tail of three paths."""
    system = made_system(2, discount_rate=0.0)
    book = {"name": ["a", "b"], "entity": system.entity_names, "exposure": [10.0, 10.0]}
    failed_at = np.full((20, 2), PERIODS)
    failed_at[:3] = [[1, 2], [PERIODS, 3], [4, 4]]
    table = entity_contributions(with_failures(failed_at, system), book, 0.85)
    assert table["contribution"].to_pylist() == pytest.approx([20.0 / 3, 30.0 / 3])
    assert table["started"].to_pylist() == pytest.approx([(20.0 + 10.0) / 3, (10.0 + 10.0) / 3])


def test_the_standard_errors_of_entities_and_starters_are_their_spread_over_samples():
    system = made_system(3, periods=40, discount_rate=0.1)
    book = {"name": list("abcd"), "entity": [*system.entity_names, system.entity_names[0]],
            "exposure": [100.0, 60.0, 30.0, 20.0]}  # fmt: skip
    rng = np.random.default_rng(7)
    tables = []
    for _ in range(150):
        common = rng.normal(size=(1000, 1))
        drawn = (30.0 + 25.0 * (0.6 * common + 0.8 * rng.normal(size=(1000, 3)))).clip(0, 40)
        tables.append(entity_contributions(with_failures(drawn.astype(np.int16), system), book, 0.9))
    for value, error in (("contribution", "standard_error"), ("started", "started_error")):
        values, errors = (np.array([table[name].to_numpy() for table in tables]) for name in (value, error))
        assert errors.mean(axis=0) == pytest.approx(values.std(axis=0), rel=0.2)


# --- flows ---


def trade(**more):
    """Sales that follow demand, a rent, and a fee that counts twice."""
    tables = {
        "entities": [entity("shop", 3.0, hazard=0.1)],
        "factors": [{"name": "demand", "process": "gbm", "volatility": 0.4}],
        "flows": [flow("sales", None, "shop", 10.0, "revenue"), flow("rent", "shop", None, 6.0, "rent"),
                  flow("fee", "shop", None, 1.0)],
        "sensitivities": [{"target": "sales", "factor": "demand", "elasticity": 1.0}],
        "measures": [{"measure": "net", "flow": name, "weight": weight}
                     for name, weight in (("sales", 1.0), ("rent", -1.0), ("fee", -1.0), ("fee", -1.0))],
        "scenarios": scenario("base") + scenario("low", ("flow.sales.scale", "set", 0.8)),
    }  # fmt: skip
    return small(periods=5, discount_rate=0.07, **(tables | more))


RECORD = ["flow:sales", "flow:rent", "flow:fee"]


@pytest.mark.parametrize("figure", ["npv", "total"])
def test_flows_sum_to_the_measures_expected_shortfall_and_to_its_mean(figure):
    run = gs.simulate(trade(), paths=700, record=RECORD)
    table = flow_contributions(run, "net", 0.9, figure=figure).to_pylist()
    for place, name in enumerate(run.scenarios):
        rows = [row for row in table if row["scenario"] == name]
        assert [row["flow"] for row in rows] == ["sales", "rent", "fee"]
        values = getattr(run.measures["net"], figure)[place]
        lowest = -float(expected_shortfall(-values, 0.9))
        assert sum(row["contribution"] for row in rows) == pytest.approx(lowest, rel=1e-12)
        assert sum(row["mean"] for row in rows) == pytest.approx(values.mean(), rel=1e-12)


def test_the_standard_errors_of_flows_are_their_spread_over_samples():
    rows = []
    for seed in range(80):
        run = gs.simulate(trade(scenarios=[]), paths=500, seed=seed, record=RECORD)
        rows.append(flow_contributions(run, "net", 0.8))
    for value, error in (("contribution", "standard_error"), ("mean", "mean_error")):
        values, errors = (np.array([table[name].to_numpy() for table in rows]) for name in (value, error))
        assert errors.mean(axis=0) == pytest.approx(values.std(axis=0), rel=0.25)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"measure": "nothing"}, "names no measure"),
        ({"figure": "trough"}, "is no sum of flows"),
        ({"level": 1.0}, "strictly between 0 and 1"),
        ({"record": RECORD[:1]}, "flow:rent, flow:fee"),
    ],
)
def test_what_flows_can_not_tell_is_refused(more, message):
    run = gs.simulate(trade(), paths=5, record=more.pop("record", RECORD))
    with pytest.raises(InputError, match=message):
        flow_contributions(run, **({"measure": "net"} | more))


def test_a_measure_with_depreciation_is_refused():
    flows = [flow("plant", "shop", None, 3.0, "capex", life=2.0)]
    measures = [{"measure": "net", "flow": "plant:depreciation"}]
    run = gs.simulate(trade(flows=flows, measures=measures, sensitivities=[], scenarios=[]), paths=2)
    with pytest.raises(InputError, match="takes in depreciation or impairments"):
        flow_contributions(run, "net")
