"""The summary: figures that are those of the tables, and a page that shows them whole."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from gpustress.amounts import PLAIN, with_interval
from gpustress.rendering import render
from gpustress.result import Result
from gpustress.risk import expected_shortfall, losses, value_at_risk
from gpustress.scenarios import Scenarios
from gpustress.simulation import simulate
from gpustress.summary import summarise
from made import made_result, made_system, with_failures


def page(run, width=100):
    stream = io.StringIO()
    render(summarise(run), Console(file=stream, width=width))
    return stream.getvalue()


def replaced(run, **fields):
    return Result(**{name: getattr(run, name) for name in run.__dataclass_fields__} | fields)


def test_a_summary_holds_the_figures_of_the_tables():
    run = made_result(effects=("first_round", "full"), paths=300)
    summary = summarise(run)
    alone, full = summary["runs"]
    assert (alone["run"], full["run"], full["scenario"]) == ("base/first_round", "base/full", "base")
    failures = run.failures().to_pylist()
    row = next(
        r for r in failures if (r["scenario"], r["entity"], r["cause"]) == ("base/full", "gamma", "credit")
    )
    entity = full["entities"][2]
    assert entity["causes"]["credit"] == {
        "value": row["probability"],
        "standard_error": row["standard_error"],
    }
    contagion = run.contagion().to_pylist()[2]
    assert entity["contagion"]["difference"]["value"] == contagion["difference"]
    assert entity["contagion"]["share"] == contagion["difference"] / contagion["full"]
    assert alone["entities"][2]["contagion"] is None
    assert full["expected_failures"]["value"] == pytest.approx((run.failed_at[1] < 8).sum() / 300)
    loss = losses(run)[1]
    assert full["book"]["expected_loss"]["value"] == pytest.approx(loss.mean())
    assert full["book"]["value_at_risk"]["value"] == float(value_at_risk(loss))
    assert full["book"]["expected_shortfall"]["high"] == expected_shortfall(loss).high
    assert full["measures"][0]["measure"] == "net"
    assert full["measures"][0]["npv"]["mean"]["value"] == pytest.approx(run.measures["net"].npv[1].mean())


def test_the_median_is_the_period_by_which_half_of_the_failures_have_come():
    entities = summarise(with_failures([[1, 8], [3, 8], [3, 8], [6, 8], [8, 8]]))["runs"][0]["entities"]
    assert (entities[0]["median_period"], entities[0]["median_label"]) == (3, "2026Q4")
    assert (entities[1]["median_period"], entities[1]["median_label"]) == (None, None)


@pytest.mark.parametrize("paths", [1, 2, 30])
def test_a_summary_is_json_without_nan(paths):
    run = made_result(effects=("none", "first_round", "full"), paths=paths, failing=0.1)
    summary = summarise(run)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert page(run)


def test_a_system_with_nothing_but_entities_and_flows_has_a_summary():
    run = made_result(made_system(measures=None, positions=None, start=None, currency=None), failing=0.0)
    summary = summarise(run)
    assert summary["runs"][0]["book"] is None
    assert summary["runs"][0]["measures"] == []
    text = page(run)
    assert "nobody fails in 50 paths (below 5.8 % with 95 % confidence)" in text
    assert "period 0 to period 7" in text
    assert "VaR" not in text


def test_names_are_printed_as_they_are():
    scenarios = Scenarios({"scenario": ["[red]:smile:[/red]", "bell\x07 \x1b[31m"]})
    text = page(made_result(scenarios=scenarios))
    assert "[red]:smile:[/red]: who fails" in text
    assert "[bold]beta" in text
    assert "\x07" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("paths", [30, 50_000])
@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_figure_is_cut_where_space_is_short(width, paths):
    run = made_result(effects=("first_round", "full"), paths=paths)
    narrow, wide = page(run, width), page(run, 1000)
    assert sorted(filter(has_digit, narrow.split())) == sorted(filter(has_digit, wide.split()))
    assert width < 80 or max(map(len, narrow.splitlines())) <= width


def has_digit(word):
    return any(character.isdigit() for character in word)


def test_figures_are_rounded_as_their_errors_say():
    system = made_system(1, discount_rate=0.0, measures=None)
    failed_at = np.full((1000, 1), 8)
    failed_at[:250] = 0
    text = page(with_failures(failed_at, system))
    assert "25.0 ± 1.4" in text  # % fail, with sqrt(0.25 * 0.75 / 1000)
    assert text.count("25.0 ± 1.4") == 2  # and a quarter of 100 is lost
    assert "100 [100, 100]" in text  # VaR and ES are sure


def test_of_many_runs_an_overview_is_printed():
    grid = Scenarios.grid({"entity.alpha.cash": list(np.arange(50.0))})
    text = page(made_result(scenarios=grid, paths=20))
    assert "entity.alpha.cash=39 " in text
    assert "entity.alpha.cash=40 " not in text
    assert "... and 10 more." in text
    assert "50 runs" in text
    assert "who fails" not in text


def test_a_projection_is_called_one():
    run = made_result(effects=("none",), failing=0.0)
    assert "base: a projection; nobody can fail." in page(run)


def test_exact_finishes_are_counted():
    run = made_result(paths=50)
    assert "finished exactly: 3 of 400 path-periods" in page(replaced(run, exact_finishes=np.array([3])))
    assert "exactly" not in page(replaced(run, exact_finishes=np.array([0])))


def test_amounts_have_one_unit_a_table():
    text = page(made_result(made_system(1)))
    assert "measures, billion EUR" in text
    assert "Loss of the book (1 position), EUR" in text


def test_an_error_below_the_last_digit_is_left_out():
    run = made_result(paths=50)
    net = run.measures["net"]
    sure = np.linspace(5.0e9, 5.000001e9, 50)[None]  # billions, with an error of less than a millionth of one
    measures = {"net": type(net)(total=sure, npv=sure, trough=sure, payback=net.payback)}
    line = next(
        line for line in page(replaced(run, measures=measures)).splitlines() if line.startswith(" net")
    )
    assert "±" not in line
    assert line.split()[1:6] == ["5.000"] * 5


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (1.0, 2.0, "[1.0, 2.0]"),
        (1.0, None, "[1.0, ∞)"),
        (None, 2.0, "(-∞, 2.0]"),
        (None, None, "(-∞, ∞)"),
    ],
)
def test_an_interval_is_open_where_it_has_no_end(low, high, told):
    estimate = {"value": 1.5, "standard_error": 0.25, "low": low, "high": high}
    assert with_interval(estimate, PLAIN) == f"1.5 {told}"


@pytest.mark.parametrize(
    ("effects", "own", "said"),
    [
        ("first_round", None, "everybody is judged alone, as if"),
        ("full", "first_round", "everybody is judged alone in 1 of the scenarios, as if"),
        ("full", None, None),
        (("first_round", "full"), None, None),
    ],
)
def test_a_run_in_which_everybody_is_judged_alone_says_so(effects, own, said):
    scenarios = Scenarios({"scenario": ["base", "other"], "effects": [None, own]})
    text = page(simulate(made_system(), scenarios, paths=8, effects=effects))
    assert ("everybody is judged alone" in text) == (said is not None)
    assert said is None or said in text
