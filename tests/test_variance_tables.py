"""How an estimate settles, means that the run without effects controls, and pictures of paths drawn otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import gpustress as gs

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from gpustress import pictures
from gpustress.pictures.fans import LEVELS
from test_variance_reduction import WAYS, a_system

MEASURE = {"measure": "margin"}


@pytest.mark.parametrize("way", [None, *WAYS], ids=lambda way: way.scheme if way else "plain")
def test_the_last_row_is_the_runs_own_figure(way: Any) -> None:
    run = gs.simulate(a_system(), paths=1024, seed=3, variance_reduction=way)
    table = gs.convergence(run, **MEASURE, scenario="storm").to_pylist()
    summary = {
        (row["scenario"], row["figure"], row["statistic"]): (row["value"], row["standard_error"])
        for row in run.measure_summary().to_pylist()
    }
    assert (table[-1]["value"], table[-1]["standard_error"]) == summary["storm", "npv", "mean"]
    assert table[-1]["paths"] == 1024
    counts = [row["paths"] for row in table]
    assert all(later == 2 * earlier for earlier, later in pairwise(counts))
    fails = gs.convergence(run, statistic="failure_probability", entity="lab").to_pylist()
    assert fails[-1]["value"] == run.failures()["probability"][0].as_py()
    shortfall = gs.convergence(run, statistic="expected_shortfall", level=0.9).to_pylist()[-1]
    assert shortfall["value"] == np.asarray(gs.expected_shortfall(run, 0.9).value)[0]
    at_risk = gs.convergence(run, statistic="quantile", level=0.9).to_pylist()[-1]
    assert at_risk["value"] == np.asarray(gs.value_at_risk(run, 0.9).value)[0]
    assert at_risk["low"] <= at_risk["value"] <= at_risk["high"]


@pytest.mark.parametrize("way", [None, *WAYS], ids=lambda way: way.scheme if way else "plain")
def test_a_row_is_what_a_run_of_so_many_paths_gives(way: Any) -> None:
    long = gs.convergence(gs.simulate(a_system(), paths=1024, seed=3, variance_reduction=way), **MEASURE)
    short = gs.convergence(gs.simulate(a_system(), paths=256, seed=3, variance_reduction=way), **MEASURE)
    assert long.to_pylist()[: short.num_rows] == short.to_pylist()


def test_quasi_monte_carlo_settles_faster_than_the_root_of_the_paths() -> None:
    run = gs.simulate(a_system(hazard=0.0), paths=1 << 14, seed=3, effects="none", variance_reduction="quasi")
    errors = {
        row["paths"]: row["standard_error"]
        for row in gs.convergence(run, **MEASURE, figure="total").to_pylist()
    }
    assert errors[1 << 14] < errors[1 << 8] / 16.0  # the root would make it an eighth


def test_controlled_means_are_unbiased_and_their_errors_honest() -> None:
    made, seeds = a_system(), 40
    found = [gs.control_variate(made, paths=512, seed=100 + 2 * seed).to_pylist() for seed in range(seeds)]
    truth = gs.simulate(made, paths=1 << 16, seed=1).measure_summary().to_pylist()
    for place, scenario in enumerate(("calm", "storm")):
        rows = [table[place] for table in found]
        assert {row["scenario"] for row in rows} == {f"{scenario}/full"}
        value = np.array([row["value"] for row in rows])
        error = np.sqrt(np.mean([row["standard_error"] ** 2 for row in rows]))
        mean = next(
            row
            for row in truth
            if (row["scenario"], row["figure"], row["statistic"]) == (scenario, "npv", "mean")
        )
        off = abs(value.mean() - mean["value"])
        assert off < 4.0 * np.hypot(mean["standard_error"], value.std(ddof=1) / np.sqrt(seeds))
        assert 0.6 < value.std(ddof=1) / error < 1.45
        assert all(
            row["variance_ratio"] == pytest.approx((row["plain_error"] / row["standard_error"]) ** 2)
            for row in rows
        )
        assert np.mean([row["variance_ratio"] for row in rows]) > 1.05


def test_where_effects_change_nothing_only_the_controls_error_is_left() -> None:
    """y = x: the error is that of n + m paths together."""
    made = a_system(hazard=0.0)
    rich = gs.System(
        **{
            name: getattr(made.settings, name)
            for name in ("name", "periods", "periods_per_year", "discount_rate")
        },
        **{
            name: table
            for name, table in made.tables.items()
            if table.num_rows and name not in ("entities", "positions")
        },
        entities={"name": ["lab", "host", "bank"], "cash": [1e6, 1e6, 1e6]},
    )
    for row in gs.control_variate(rich, paths=500, control_paths=1500).to_pylist():
        assert row["beta"] == pytest.approx(1.0 / (1.0 + 500.0 / 1500.0))
        assert row["variance_ratio"] == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"effects": "none"}, r"effects.*can't be controlled"),
        ({"figure": "payback"}, r"figure.*has no control"),
        ({"paths": 1}, "tell no variance"),
        ({"control_paths": 0}, "`control_paths`: is no number of paths"),
    ],
)
def test_what_cannot_be_controlled_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.InputError, match=message):
        gs.control_variate(a_system(), **given)


@pytest.fixture
def axes() -> Iterator[Any]:
    figure, axes = plt.subplots(layout="constrained")
    yield axes
    figure.canvas.draw()
    plt.close(figure)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.scheme)
def test_pictures_hold_what_the_tables_of_such_a_run_do(way: Any, axes: Any) -> None:
    record = ["cash:host", "measure:margin"]
    run = gs.simulate(a_system(), paths=512, seed=3, record=record, variance_reduction=way)
    weights = np.ones(512) if run.weights is None else run.weights[1]

    pictures.failure_curves(run, axes, scenario="storm", entities=["lab"])
    rows = [
        row for row in run.failure_curve().to_pylist() if (row["scenario"], row["entity"]) == ("storm", "lab")
    ]
    share = np.array([row["probability"] for row in rows])
    assert axes.lines[0].get_ydata() == pytest.approx(share, rel=1e-12)
    reach = run.sample(1).deviate(0.95) * np.array([row["standard_error"] for row in rows])
    edges = axes.collections[0].get_paths()[0].vertices
    for t, (low, high) in enumerate(zip(share - reach, share + reach, strict=True)):
        drawn = edges[edges[:, 0] == t, 1]
        assert (drawn.min(), drawn.max()) == pytest.approx((max(low, 0.0), min(high, 1.0)), abs=1e-12)

    axes.clear()
    pictures.heat_map(run, axes)
    fails = {(row["scenario"], row["entity"]): row["probability"] for row in run.failures().to_pylist()
             if row["cause"] == "any"}  # fmt: skip
    columns = [label.get_text() for label in axes.get_xticklabels()]
    expected = [[100.0 * fails[scenario, entity] for entity in columns] for scenario in ("calm", "storm")]
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(np.array(expected), rel=1e-12)
    axes.images[0].colorbar.remove()

    for draw, values in (
        (lambda: pictures.cash_fan(run, axes, "host", scenario="storm"), run.series["cash:host"][1]),
        (lambda: pictures.measure_fan(run, axes, "margin", scenario="storm"),
         run.series["measure:margin"][1].cumsum(axis=1)),
    ):  # fmt: skip
        axes.clear()
        draw()
        for level, line in zip(LEVELS, axes.lines, strict=False):
            for value, column in zip(line.get_ydata(), values.T, strict=True):
                assert weights[column < value].sum() < (level + 1e-12) * weights.sum()
                assert weights[column <= value].sum() >= (level - 1e-12) * weights.sum()

    axes.clear()
    pictures.loss_distribution(run, axes, scenario="storm", level=0.9)
    loss = gs.losses(run, as_drawn=True)[1]
    marks = [line.get_xdata()[0] for line in axes.lines]
    risks = [np.asarray(measure(run, 0.9).value)[1] for measure in (gs.value_at_risk, gs.expected_shortfall)]
    assert marks == pytest.approx([*risks, np.average(loss, weights=weights)])
    heights = [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)][:40]
    held, _ = np.histogram(loss, 40, weights=weights / weights.sum())
    assert heights == pytest.approx(held)
