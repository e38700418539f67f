"""Tables of a result: estimates by hand and against numpy, with standard errors that are the true spread."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gpustress.errors import InputError
from gpustress.estimates import QUANTILES
from gpustress.result import Result
from gpustress.result_reference import result_tables_markdown
from gpustress.result_schema import RESULT_SCHEMAS
from gpustress.sampling import quantile_with_error
from gpustress.scenarios import Scenarios
from gpustress.schema import CAUSES
from made import made_result, made_system, with_failures

GRID = Scenarios.grid({"entity.alpha.cash": [5.0, 10.0], "flow.sales.scale": [1.0]})
SUMMARIES = ("failures", "failure_curve", "measure_summary")


def rows(table, **where):
    return [row for row in table.to_pylist() if where.items() <= row.items()]


def replaced(run, **fields):
    return Result(**{name: getattr(run, name) for name in run.__dataclass_fields__} | fields)


def two_effects(alone, full):
    """A result of first_round and full with these periods of failure, each (P, N)."""
    failed_at = np.array([alone, full], dtype=np.int16)
    made = made_result(effects=("first_round", "full"), paths=failed_at.shape[1])
    return replaced(made, failed_at=failed_at, cause=(failed_at < made.periods).astype(np.int8))


def test_failures_by_hand():
    made = with_failures([[0, 8, 8], [4, 8, 2], [2, 8, 2], [8, 8, 8]])
    cause = np.zeros((1, 4, 3), dtype=np.int8)
    cause[0, 0, 0] = CAUSES.index("credit")
    cause[0, 1:3, 0] = CAUSES.index("liquidity")
    cause[0, 1:3, 2] = CAUSES.index("solvency")
    table = replaced(made, cause=cause).failures()
    assert [row["cause"] for row in rows(table, entity="alpha")] == ["any", *CAUSES[1:]]
    (any_cause,) = rows(table, entity="alpha", cause="any")
    assert any_cause["probability"] == 0.75
    assert any_cause["standard_error"] == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert any_cause["mean_period"] == pytest.approx(2.0)
    assert rows(table, entity="alpha", cause="liquidity")[0]["mean_period"] == pytest.approx(3.0)
    assert rows(table, entity="gamma", cause="solvency")[0]["probability"] == 0.5
    (never,) = rows(table, entity="[bold]beta", cause="any")
    assert (never["probability"], never["standard_error"], never["mean_period"]) == (0.0, 0.0, None)


def test_causes_add_up_to_any():
    table = made_result(paths=200).failures().to_pandas()
    of_causes = table[table.cause != "any"].groupby("entity").probability.sum()
    whole = table[table.cause == "any"].set_index("entity").probability
    assert np.allclose(of_causes.sort_index(), whole.sort_index())


def test_failure_curve_rises_to_the_probability_of_failing():
    run = made_result(effects=("first_round", "full"), paths=300)
    curve, failures = run.failure_curve(), run.failures()
    for scenario in run.scenarios:
        for i, entity in enumerate(run.entities):
            points = rows(curve, scenario=scenario, entity=entity)
            assert [row["period"] for row in points] == list(range(run.periods))
            failed = run.failed_at[run.scenarios.index(scenario), :, i]
            assert [row["probability"] for row in points] == [
                (failed <= t).mean() for t in range(run.periods)
            ]
            last = rows(failures, scenario=scenario, entity=entity, cause="any")[0]
            assert points[-1]["probability"] == last["probability"]
            assert points[-1]["standard_error"] == last["standard_error"]


def test_counts_do_not_depend_on_how_many_are_counted_at_once(monkeypatch):
    run = made_result(paths=200, effects=("first_round", "full"))
    again = replaced(run)
    monkeypatch.setattr("gpustress.result.COUNTED_AT_ONCE", 7)
    assert np.array_equal(run.failure_counts, again.failure_counts)
    assert run.failure_counts.sum() == (run.failed_at < run.periods).sum()


def test_contagion_by_hand():
    alone = [[8, 8, 3], [8, 1, 8], [8, 8, 8], [8, 8, 8]]
    full = [[5, 8, 3], [5, 8, 8], [5, 8, 8], [8, 8, 8]]
    first, second, third = two_effects(alone, full).contagion().to_pylist()
    assert first["scenario"] == "base"
    names = ("first_round", "full", "difference", "added", "spared")
    assert [first[name] for name in names] == [0.0, 0.75, 0.75, 0.75, 0.0]
    assert [second[name] for name in names] == [0.25, 0.0, -0.25, 0.0, 0.25]
    assert [third[name] for name in names] == [0.25, 0.25, 0.0, 0.0, 0.0]
    assert first["standard_error"] == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert third["standard_error"] == 0.0


def test_the_standard_error_of_contagion_is_paired():
    run = made_result(effects=("first_round", "full"), paths=500)
    failed = (run.failed_at < run.periods).astype(float)
    difference = failed[1] - failed[0]
    table = run.contagion()
    assert table["difference"].to_pylist() == pytest.approx(difference.mean(axis=0))
    assert table["standard_error"].to_pylist() == pytest.approx(difference.std(axis=0) / 500**0.5)


def test_contagion_needs_both_effects():
    with pytest.raises(InputError, match="first_round"):
        made_result().contagion()


def test_contagion_pairs_the_runs_of_each_scenario():
    run = made_result(effects=("full", "none", "first_round"), scenarios=GRID)
    assert run.contagion_pairs() == [(2, 0), (5, 3)]
    assert run.contagion()["scenario"].to_pylist() == [name for name in GRID.names for _ in run.entities]


def test_measures_are_summed_up_as_numpy_does_it():
    run = made_result(paths=401)
    table = run.measure_summary()
    values = run.measures["net"].npv[0]
    found = {row["statistic"]: row for row in rows(table, measure="net", figure="npv")}
    assert list(found) == ["mean", *QUANTILES]
    assert found["mean"]["value"] == pytest.approx(values.mean())
    assert found["mean"]["standard_error"] == pytest.approx(values.std(ddof=1) / 401**0.5)
    for name, level in QUANTILES.items():
        assert found[name]["value"] == np.quantile(values, level, method="inverted_cdf")


def test_payback_is_summed_up_over_the_paths_that_pay_back():
    run = made_result(paths=10)
    payback = np.array([[2] * 4 + [4] * 2 + [8] * 4], dtype=np.int16)
    fields = {figure: getattr(run.measures["net"], figure) for figure in ("total", "npv", "trough")}
    run = replaced(run, measures={"net": type(run.measures["net"])(**fields, payback=payback)})
    found = {row["statistic"]: row for row in rows(run.measure_summary(), figure="payback")}
    assert found["mean"]["value"] == pytest.approx(16 / 6)
    assert found["q25"]["value"] == 2
    assert found["q50"]["value"] == 4
    assert found["q75"]["value"] == 8  # never
    assert found["share_never"]["value"] == 0.4
    assert found["share_never"]["standard_error"] == pytest.approx((0.4 * 0.6 / 10) ** 0.5)


def test_what_never_pays_back_has_no_mean_payback():
    run = made_result(paths=5)
    measure = run.measures["net"]
    fields = {figure: getattr(measure, figure) for figure in ("total", "npv", "trough")}
    never = type(measure)(**fields, payback=np.full((1, 5), 8))
    found = rows(replaced(run, measures={"net": never}).measure_summary(), figure="payback", statistic="mean")
    assert found[0]["value"] is None
    assert found[0]["standard_error"] is None


def test_one_path_has_no_standard_error():
    found = rows(made_result(paths=1).measure_summary(), figure="total")
    assert all(row["standard_error"] is None and row["value"] is not None for row in found)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_the_standard_error_of_a_quantile_is_its_spread_over_samples(level):
    samples = np.sort(np.random.default_rng(0).lognormal(size=(400, 1500)), axis=1)
    values, errors = np.array([quantile_with_error(sample, level) for sample in samples]).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)


def test_a_quantile_of_one_atom_is_sure():
    assert quantile_with_error(np.array([0.0] * 90 + [1.0] * 10), 0.5) == (0.0, 0.0)


def test_a_system_without_measures_has_an_empty_summary():
    run = made_result(made_system(measures=None))
    assert run.measure_summary().num_rows == 0


def test_grids_keep_their_coordinates_as_columns():
    run = made_result(effects=("first_round", "full"), scenarios=GRID)
    for name in (*SUMMARIES, "contagion"):
        table = getattr(run, name)()
        for row in table.to_pylist():
            assert row["entity.alpha.cash"] == (5.0 if "cash=5," in row["scenario"] else 10.0)
            assert row["flow.sales.scale"] == 1.0
        assert table.schema.equals(RESULT_SCHEMAS[name].arrow(GRID.coordinates.column_names[1:]))


def test_every_table_has_its_schema():
    run = made_result(effects=("first_round", "full"))
    for name in (*SUMMARIES, "contagion"):
        assert getattr(run, name)().schema.equals(RESULT_SCHEMAS[name].arrow())


def test_a_result_cannot_be_changed():
    run = made_result(record=["cash:alpha"])
    arrays = (
        run.failed_at,
        run.final_cash,
        run.series["cash:alpha"],
        run.measures["net"].npv,
        run.failure_counts,
    )
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        run.seed = 2


def test_names_are_those_of_runs_and_entities():
    run = made_result(effects=("first_round", "full"))
    assert run.scenarios == ("base/first_round", "base/full")
    assert run.entities == ("alpha", "[bold]beta", "gamma")
    assert "made" in repr(run)
    assert len(repr(run)) < 200


def test_the_reference_page_is_made_from_the_schemas():
    page = Path(__file__).parents[1] / "docs" / "results.md"
    assert page.read_text(encoding="utf-8") == result_tables_markdown(), (
        "write result_tables_markdown() there"
    )


def test_tables_go_to_other_libraries():
    polars, duckdb = pytest.importorskip("polars"), pytest.importorskip("duckdb")
    failures = made_result(scenarios=GRID).failures()
    assert isinstance(failures, pa.Table)
    assert polars.from_arrow(failures).shape == failures.shape
    assert duckdb.sql("select count(*) from failures").fetchall()[0][0] == failures.num_rows
