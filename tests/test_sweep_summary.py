"""A sweep's tables are a result's on the same paths: counts to the bit, the others within the errors they state."""

from pathlib import Path

import numpy as np
import pytest

import gpustress as gs
from gpustress.backends import get_backend
from gpustress.book import read_book
from gpustress.errors import InputError
from gpustress.job import parse_record, prepare
from gpustress.result_schema import RESULT_SCHEMAS
from gpustress.sweeps.combination import combine
from gpustress.sweeps.summary import check_figure
from gpustress.sweeps.tally import Tally

EXAMPLES = Path(__file__).parents[1] / "examples"
EFFECTS = ["first_round", "full"]
PATHS, SHARD, SEED = 5000, 2000, 3
TWO_SCENARIOS = {"three_firms": None, "ai_buildout": ["base", "demand_slump"]}
KEY = {"statistic", "measure", "figure", "scenario"}


@pytest.fixture(scope="module", params=list(TWO_SCENARIOS))
def both(request):
    """A result and a sweep of the same paths."""
    system = gs.read_system(EXAMPLES / request.param)
    names = TWO_SCENARIOS[request.param]
    table = system.scenarios.to_pandas()
    scenarios = None if names is None else table[table.scenario.isin(names)]
    record = [f"cash:{system.entity_names[0]}"]
    run = gs.simulate(system, scenarios, paths=PATHS, seed=SEED, effects=EFFECTS, record=record)
    job, backend = prepare(system, scenarios, EFFECTS, None), get_backend("auto")
    books, series = {"own": read_book(system)}, parse_record(system, record)
    shards = []
    for first in range(0, PATHS, SHARD):
        counted = Tally(job, books, first, record)
        for start in range(first, min(first + SHARD, PATHS), 700):
            count = min(700, first + SHARD - start, PATHS - start)
            counted.add(backend.simulate(job.program, job.block(SEED, start, count), tuple(series.values())))
        shards.append(counted.tables())
    summary = combine(
        shards,
        system=system,
        runs=job.runs,
        coordinates=job.coordinates,
        paths=PATHS,
        books=books,
        series=record,
    )
    return run, summary


def test_failures_and_contagion_are_the_same(both):
    run, summary = both
    for name in ("failures", "failure_curve", "contagion"):
        assert getattr(summary, name)().equals(getattr(run, name)())
    assert np.array_equal(summary.exact_finishes, run.exact_finishes)


def test_measures_are_the_same_within_the_sketchs_error(both):
    run, summary = both
    expected, found = run.measure_summary().to_pylist(), summary.measure_summary().to_pylist()
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert {ours[key] == theirs[key] for key in KEY} == {True}
        exact = ours["statistic"] in ("mean", "share_never") or ours["figure"] == "payback"
        if ours["value"] is None:
            assert theirs["value"] is None
            continue
        rounding = 1e-13 * abs(theirs["value"])
        assert abs(ours["value"] - theirs["value"]) <= ours["sketch_error"] + rounding
        assert (ours["sketch_error"] == 0.0) >= exact
        assert ours["sketch_error"] <= 2.0**-9 * abs(theirs["value"])
        if exact:
            assert ours["standard_error"] == pytest.approx(
                theirs["standard_error"], rel=1e-9, abs=1e-13 * abs(theirs["value"]), nan_ok=True
            )


def test_losses_are_the_same_within_the_sketchs_error(both):
    run, summary = both
    loss = gs.losses(run)
    rows = iter(summary.loss_summary([0.9, 0.99]).to_pylist())
    for of_run in loss:
        mean = next(rows)
        assert mean["value"] == pytest.approx(of_run.mean(), rel=1e-12)
        assert mean["standard_error"] == pytest.approx(of_run.std(ddof=1) / PATHS**0.5, rel=1e-9, abs=1e-13)
        for level in (0.9, 0.99):
            for true in (gs.value_at_risk(of_run, level), gs.expected_shortfall(of_run, level)):
                row = next(rows)
                assert row["level"] == level
                assert abs(row["value"] - float(true)) <= row["sketch_error"] + 1e-12 * of_run.max()
                assert row["standard_error"] == pytest.approx(
                    float(true.standard_error), rel=0.2, abs=row["sketch_error"]
                )
    assert next(rows, None) is None


def test_entities_and_series_are_the_same(both):
    run, summary = both
    rows = iter(summary.entity_summary().to_pylist())
    for place in range(len(run.runs)):
        for entity in range(len(run.entities)):
            for name in ("lowest_liquidity", "final_cash"):
                values, row = getattr(run, name)[place, :, entity], next(rows)
                largest = np.abs(values).max()
                assert (row["least"], row["largest"]) == (values.min(), values.max())
                assert row["mean"] == pytest.approx(values.mean(), abs=1e-12 * largest)
                spread = values.std(ddof=1)
                assert row["standard_deviation"] == pytest.approx(spread, rel=1e-9, abs=1e-13 * largest)
    (name,) = summary.series
    for row in summary.series_summary().to_pylist():
        values = run.series[name][run.scenarios.index(row["scenario"]), :, row["period"]]
        level = {"mean": None, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}[
            row["statistic"]
        ]
        true = values.mean() if level is None else np.quantile(values, level, method="inverted_cdf")
        assert abs(row["value"] - true) <= row["sketch_error"] + 1e-12 * np.abs(values).max()


def test_quantiles_of_any_level(both):
    run, summary = both
    measure, series = next(iter(run.measures)), next(iter(run.series))
    for address, values in (
        (f"measure:{measure}", run.measures[measure].npv),
        (f"measure:{measure}.trough", run.measures[measure].trough),
        ("loss:own", gs.losses(run)),
    ):
        table = summary.quantile(address, 0.313)
        assert table["period"].null_count == len(run.runs)
        for row, of_run in zip(table.to_pylist(), values, strict=True):
            true = np.quantile(of_run, 0.313, method="inverted_cdf")
            assert abs(row["value"] - true) <= row["sketch_error"]
    assert summary.quantile(f"series:{series}", 0.5).num_rows == len(run.runs) * run.periods


def test_standard_errors_are_those_of_the_tables(both):
    run, summary = both
    entity, measure = run.entities[0], next(iter(run.measures))
    failures = run.failures().to_pandas()
    expected = failures[(failures.entity == entity) & (failures.cause == "any")].standard_error
    assert summary.standard_error(f"failure:{entity}").tolist() == expected.tolist()
    means = summary.measure_summary().to_pandas()
    for address, figure in ((f"measure:{measure}", "npv"), (f"measure:{measure}.total", "total")):
        rows = means[(means.measure == measure) & (means.figure == figure) & (means.statistic == "mean")]
        assert summary.standard_error(address).tolist() == rows.standard_error.tolist()
    losses = summary.loss_summary().to_pandas()
    errors = losses[losses.statistic == "expected_loss"].standard_error
    assert summary.standard_error("loss:own").tolist() == errors.tolist()


@pytest.mark.parametrize(
    "figure", ["failure:nobody", "measure:none", "measure:none.total", "loss:other", "npv", "series:x"]
)
def test_unknown_figures_are_refused(figure):
    system = gs.read_system(EXAMPLES / "three_firms")
    with pytest.raises(InputError, match="target_error"):
        check_figure(figure, system, ["own"])


def test_unknown_quantiles_are_refused(both):
    _, summary = both
    for figure in ("failure:x", "entity:lab", "series:none", "measure:none"):
        with pytest.raises(InputError, match="figure"):
            summary.quantile(figure, 0.5)
    for level in (0.0, 1.0, np.nan, "half"):
        with pytest.raises(InputError, match="level"):
            summary.quantile("loss:own", level)
        with pytest.raises(InputError, match="levels"):
            summary.loss_summary([level])


def test_every_table_has_its_schema(both):
    _, summary = both
    for name, schema in (
        ("failures", "failures"), ("failure_curve", "failure_curve"), ("contagion", "contagion"),
        ("measure_summary", "sweep_measure_summary"), ("loss_summary", "loss_summary"),
        ("entity_summary", "entity_summary"), ("series_summary", "series_summary"),
    ):  # fmt: skip
        assert getattr(summary, name)().schema.equals(RESULT_SCHEMAS[schema].arrow())
    assert len(repr(summary)) < 200
